import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelVariants } from '../../../../../tests/support/models/model-variants.ts';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { Backend, openTokenizer } from '../../ggml/index.ts';
import { denseForward } from '../../model/graph/dense.ts';
import { Model } from '../../model/index.ts';
import { askShort, openAnswer, planRag, tokenizePlan } from '../../prompt/index.ts';
import { createEngine } from '../engine.ts';
import type { Engine } from '../types.ts';
import { answerTokens } from './score-texts.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-score-'));
const modelPath = join(folder, 'model.gguf');
/** Of short convolutions, a sequence cannot be cut back without what it kept. */
const convolving = join(folder, 'convolving.gguf');
const passages = [
  { title: 'Bridge', text: 'the bridge was opened in 1911.' },
  { text: 'the answer is in the passage.' },
];
const question = 'when was the bridge opened?';
// Long enough that its tokens are read in more than one go.
const texts = ['1911', 'the bridge', '', 'in the passage '.repeat(30)];
let engine: Engine;
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 1024 }, 5);
  await writeRandomModel(convolving, { ...modelVariants.lfm2, contextTokens: 1024 }, 5);
  engine = await createEngine({ modelPath, device: 'cpu', threads: 1, cacheDir: folder, kvType: 'f32' });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Log probabilities of the texts behind the prompt, by the dense oracle. */
async function oracle(path: string, mode: 'full' | 'block', style: 'free' | 'short'): Promise<number[]> {
  const backend = await Backend.open({ device: 'cpu', threads: 1 });
  const model = await Model.load(path, backend, {});
  const tokenizer = await openTokenizer(path);
  const allocator = backend.allocator();
  try {
    const short = style === 'short';
    const plan = planRag(
      { template: 'paper', passages, question: short ? askShort(question, 'paper') : question },
      tokenizer,
    );
    const { blocks, answerAfterSpace } = tokenizePlan(short ? openAnswer(plan, 'paper') : plan, tokenizer);
    const tokens = blocks.map((block) => Array.from(block.tokens));
    const prompt = tokens.flat().length;
    const sums: number[] = [];
    for (const text of texts) {
      const answer = Array.from(answerTokens(text, answerAfterSpace, tokenizer));
      const final = [...(tokens.at(-1) ?? []), ...answer];
      const cut = mode === 'full' ? [[...tokens.slice(0, -1).flat(), ...final]] : [...tokens.slice(0, -1), final];
      const logits = await denseForward(
        model,
        allocator,
        cut.map((block) => Int32Array.from(block)),
        'all',
      );
      const { vocabulary } = model.hyperParameters;
      let sum = 0;
      for (const [i, token] of answer.entries()) {
        const row = logits.subarray((prompt + i - 1) * vocabulary, (prompt + i) * vocabulary);
        sum += (row[token] ?? Number.NaN) - Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0));
      }
      sums.push(sum);
    }
    return sums;
  } finally {
    allocator.dispose();
    tokenizer.dispose();
    model.dispose();
    backend.dispose();
  }
}

describe('score', () => {
  it.each([
    ['full', 'free', modelPath],
    ['block', 'free', modelPath],
    ['block', 'short', modelPath],
    ['full', 'free', convolving],
    ['block', 'short', convolving],
  ] as const)('is the log probability of each text, in %s mode, asked %s: %s', async (mode, answerStyle, path) => {
    await using paper = await createEngine({
      modelPath: path,
      device: 'cpu',
      threads: 1,
      cacheDir: folder,
      kvType: 'f32',
      template: 'paper',
    });
    const { scores } = await paper.answer({ passages, question, mode, answerStyle, score: texts, maxTokens: 1 }).result;
    const expected = await oracle(path, mode, answerStyle);
    for (const [i, { tokens, logprob }] of scores.entries()) {
      expect(Math.abs(logprob - (expected[i] ?? Number.NaN))).toBeLessThan(1e-3 * Math.max(1, tokens));
    }
    expect(scores[3]?.tokens).toBeGreaterThan(64);
  });

  it.each([modelPath, convolving])('changes nothing about the answer: %s', async (path) => {
    await using own = await createEngine({ modelPath: path, device: 'cpu', threads: 1, cacheDir: folder });
    const ask = { passages, question, mode: 'block', maxTokens: 8 } as const;
    const plain = await own.answer(ask).result;
    const scored = await own.answer({ ...ask, score: texts }).result;
    expect(scored.text).toBe(plain.text);
    expect(plain.scores).toEqual([]);
  });

  it('asks for a short answer only where the layout does not', async () => {
    expect(engine.layout).toBe('plain');
    const count = async (answerStyle: 'free' | 'short', of: Engine) =>
      (await of.plan({ passages, question, answerStyle })).questionTokens;
    expect(await count('short', engine)).toBe(await count('free', engine));
    await using paper = await createEngine({ modelPath, device: 'cpu', cacheDir: folder, template: 'paper' });
    expect(await count('short', paper)).toBeGreaterThan(await count('free', paper));
    expect(paper.layout).toBe('paper');
  });

  it('refuses what the context does not hold', async () => {
    const long = 'in the passage '.repeat(400);
    await expect(engine.answer({ passages, question, score: [long], maxTokens: 1 }).result).rejects.toMatchObject({
      code: 'CONTEXT_OVERFLOW',
    });
    const style = 'long' as 'short';
    await expect(engine.answer({ passages, question, answerStyle: style }).result).rejects.toThrow(
      'answerStyle is long',
    );
  });
});
