import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { openTokenizer } from '../ggml/index.ts';
import { planRag, splitQuestion, tokenizePlan, tokenizePlanAside } from '../prompt/index.ts';
import { createTokenMemo } from '../prompt/plan/token-memo.ts';
import { createEngine, type Engine } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-long-'));
const modelPath = join(folder, 'model.gguf');
const chatTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";
let engine: Engine;

beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 512, chatTemplate }, 5);
  engine = await createEngine({ modelPath, threads: 1, device: 'cpu', cacheDir: folder, mode: 'block' });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const overflow = expect.objectContaining({ code: 'CONTEXT_OVERFLOW' });
const million = 2 ** 20;

/** Texts of eight million characters that tokenizers, delimiters and templates take long for. */
const hostile: readonly [string, string][] = [' ', '\n', '\n\n', '\n\t', '-', 'x\n', '\r\n \t', '\u3000', 'é'].map(
  (unit) => [JSON.stringify(unit), `a${unit.repeat((8 * million) / unit.length)}b`],
);

describe('texts that no context holds', () => {
  it.each(hostile)('are refused by their bytes, before anything reads them: %s', async (_, text) => {
    const passages = [{ id: 'long', text }];
    const short = [{ text: 'Short.' }];
    for (const request of [
      { passages: [], question: text },
      { passages: [], question: text, segment: 'text' as const },
      { passages: short, question: 'What?', system: text },
      { passages: short, question: 'What?', history: [{ user: text, assistant: 'Yes.' }] },
      { passages: short, question: 'What?', history: [{ user: 'Yes?', assistant: text }] },
      { passages, question: 'What?' },
      { passages: [{ title: text, text: 'Short.' }], question: 'What?' },
    ]) {
      await expect(engine.answer(request).result).rejects.toEqual(overflow);
      await expect(engine.plan(request)).rejects.toThrow(
        /bytes, which are at least \d+ tokens, the context holds 4096/,
      );
    }
    await expect(engine.encode(passages)).rejects.toThrow(/passage "long" has \d+ bytes/);
    expect(engine.usage().kvBytes).toBe(0);
  });

  it('are refused by their tokens where their bytes might fit, and not for white space around them', async () => {
    const tokenizer = await openTokenizer(modelPath);
    const bytes = 512 * tokenizer.longestTokenBytes;
    tokenizer.dispose();
    const question = '\u0001'.repeat(bytes - 1);
    await expect(engine.answer({ passages: [], question }).result).rejects.toThrow(/block "final" has \d+ tokens/);
    await expect(engine.encode([{ id: 'p', text: question }])).rejects.toThrow(/block "p" has \d+ tokens/);
    const padded = `${' '.repeat(million)}What?${'\n'.repeat(million)}`;
    const result = await engine.answer({ passages: [], question: padded, maxTokens: 2 }).result;
    expect(result.tokens.answer).toBeGreaterThan(0);
  });

  it('are planned where they are a few contexts long, so that people see by how much', async () => {
    const { questionTokens } = await engine.plan({ passages: [], question: 'word '.repeat(600) });
    expect(questionTokens).toBeGreaterThan(512);
  });
});

describe('tokenizing aside', () => {
  it('gives what tokenizing here gives, for every kind of block, and leaves the thread free meanwhile', async () => {
    const tokenizer = await openTokenizer(modelPath);
    const long = 'A long text, of many words. \n'.repeat(500);
    const history = [{ user: long, assistant: `Said: ${long}` }];
    const passages = [{ title: long, text: long }, { text: 'Short.' }];
    for (const template of ['chat', 'plain', 'paper'] as const) {
      const base = planRag({ template, system: long, passages, history, question: long }, tokenizer);
      const cut = await splitQuestion(base, long.trim());
      for (const plan of [base, cut]) {
        const here: string[] = [];
        const watched = {
          ...tokenizer,
          tokenize: (text: string, special: boolean) => {
            here.push(text);
            return tokenizer.tokenize(text, special);
          },
          tokenizeAll: tokenizer.tokenizeAll.bind(tokenizer),
          isControl: tokenizer.isControl.bind(tokenizer),
          tokenText: tokenizer.tokenText.bind(tokenizer),
          bos: tokenizer.bos,
          addBos: tokenizer.addBos,
        };
        const aside = await tokenizePlanAside(plan, watched, createTokenMemo());
        const now = tokenizePlan(plan, tokenizer);
        expect(aside.blocks.map(({ tokens }) => tokens)).toEqual(now.blocks.map(({ tokens }) => tokens));
        // What this thread tokenized is bounded, whatever the texts: markup, and short blocks.
        expect(here.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(3 * 4096);
      }
    }
    tokenizer.dispose();
  });

  it('takes blocks whose content spells control tokens', async () => {
    const tokenizer = await openTokenizer(modelPath);
    const control = Array.from({ length: tokenizer.size }, (_, token) => token).find(
      (token) => tokenizer.isControl(token) && tokenizer.tokenText(token) !== '',
    );
    const spelling = tokenizer.tokenText(control ?? 0);
    const question = `${spelling} and ${spelling}`.repeat(2000);
    const plan = planRag({ template: 'chat', system: spelling, passages: [{ text: question }], question }, tokenizer);
    const aside = await tokenizePlanAside(plan, tokenizer, createTokenMemo());
    expect(aside.blocks.map(({ tokens }) => tokens)).toEqual(
      tokenizePlan(plan, tokenizer).blocks.map(({ tokens }) => tokens),
    );
    tokenizer.dispose();
  });
});

it('forgets passages of any length', async () => {
  const passages = [{ text: 'Kept for a while.' }, { text: 'word '.repeat(5000) }];
  await engine.encode(passages.slice(0, 1));
  expect(await engine.forget(passages)).toBe(1);
});
