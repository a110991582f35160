/**
 * A model with short convolutions through the engine, by every use of a sequence: what it computes, what is kept of it, and
 * what is refused. Scores: score-texts.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnswerRequest, parsePolicy } from '@block-attention/engine/internal/engine';
import { openTokenizer } from '@block-attention/engine/internal/ggml';
import { notInDocuments, planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import { createBlockStore } from '@block-attention/engine/internal/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokensBefore } from '../packages/engine/src/engine/policy/anchor-tokens.ts';
import { selectedWithin } from '../packages/engine/src/engine/policy/select.ts';
import { engineRounding, expectSameAnswer, type WitnessedAnswer, witnessedAnswer } from './support/answers.ts';
import { bridgePassages, bridgeQuestion } from './support/bridge-passages.ts';
import { enginesOf, inFloats } from './support/engines.ts';
import { modelVariants } from './support/models/model-variants.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';
import { readPrompt } from './support/read-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-lfm2-'));
const modelPath = join(folder, 'lfm2.gguf');
let rounding: number;
beforeAll(async () => {
  await writeRandomModel(modelPath, { ...modelVariants.lfm2, contextTokens: 2048 }, 5);
  rounding = await engineRounding(modelPath);
});
afterAll(() => rmSync(folder, { recursive: true }));

const [passages, question] = [[...bridgePassages], bridgeQuestion];
const { open, read } = enginesOf(modelPath, { passages, question }, inFloats);
/** Products of f32 in another order. */
const bound = 1e-4;

describe.each(attentionPaths)('$name attention', ({ name, attention }) => {
  it('is the oracle in every order of the passages, behind anchors and with hidden heads', async () => {
    const tokenizer = await openTokenizer(modelPath);
    const harness = await ForwardHarness.open(modelPath, 'f32', attention);
    await using engine = await open({ attention: name });
    const seen: Float32Array[] = [];
    for (const order of [passages, passages.toReversed(), passages.slice(1, 2)]) {
      const { blocks } = tokenizePlan(planRag({ passages: order, question }, tokenizer), tokenizer);
      const tokens = blocks.map((block) => block.tokens);
      for (const text of ['plain', 'anchor:header', 'hide:4', 'anchor:header+hide:64']) {
        const policy = parsePolicy(text);
        const hidden = tokens.map((_, i) => (i === 0 ? 0 : policy.hide));
        const final = tokens.at(-1) ?? new Int32Array(0);
        const before = tokensBefore(policy, tokenizer, 'auto');
        const expected = await anchoredLogits(harness, tokens.slice(0, -1), before, final, hidden);
        const { logits } = await read(engine, { passages: order, policy });
        expect(relativeError(logits, expected), text).toBeLessThan(bound);
        for (const other of seen) expect(relativeError(logits, other)).toBeGreaterThan(10 * bound);
        seen.push(logits);
      }
    }
    harness.dispose();
    tokenizer.dispose();
  });

  it('chooses passages by each alone, and answers behind the likeliest', async () => {
    await using engine = await open({ attention: name });
    for (const policy of ['plain', 'anchor:header']) {
      const doubts: number[] = [];
      for (const passage of passages) {
        const { scores } = await read(engine, { passages: [passage], policy, score: [notInDocuments] });
        doubts.push(scores[0]?.logprob ?? Number.NaN);
      }
      const order = passages.map((_, i) => i).sort((a, b) => (doubts[a] ?? 0) - (doubts[b] ?? 0));
      const limit = (doubts[order[0] ?? 0] ?? 0) + selectedWithin;
      const close = order.filter((i, at) => at === 0 || (doubts[i] ?? 0) < limit);
      for (const wanted of [1, 2]) {
        const bestLast = close.slice(0, wanted).reverse();
        const { selection, logits } = await read(engine, { policy: `${policy}+select:${wanted}` });
        for (const [i, { relevance }] of (selection?.passages ?? []).entries()) {
          expect(Math.abs(relevance + (doubts[i] ?? 0))).toBeLessThan(bound * Math.abs(doubts[i] ?? 0));
        }
        const own = await read(engine, { policy, passages: bestLast.flatMap((i) => passages[i] ?? []) });
        expect(relativeError(logits, own.logits)).toBeLessThan(bound);
      }
    }
  });
});

it('reads a long prompt in pieces, alone and beside others, as llama.cpp would', async () => {
  const prng = createPrng(4);
  const harness = await ForwardHarness.open(modelPath, 'f32');
  const raw = Array.from(randomTokens(prng, harness.vocabulary, 700));
  const expected = await harness.dense([Int32Array.from(raw)]);
  harness.dispose();
  await using engine = await open();
  const request = { passages: [], question: '', raw, mode: 'full' } as const;
  expect(relativeError((await readPrompt(engine, request)).logits, expected)).toBeLessThan(bound);
  const others = [1, 2].map((i) => ({ ...request, raw: raw.slice(i) }));
  const [own] = await Promise.all([request, ...others].map((one) => readPrompt(engine, { ...one, maxTokens: 5 })));
  expect(relativeError(own?.logits ?? new Float32Array(0), expected)).toBeLessThan(bound);
});

it('answers several at once as each alone, in both modes, and goes on when one is cancelled', async () => {
  await using engine = await open();
  const orders = [passages, passages.toReversed(), passages.slice(0, 1), passages.slice(2)];
  const requests = orders.flatMap((order) =>
    (['block', 'full'] as const).map((mode): AnswerRequest => ({ passages: order, question, mode, maxTokens: 24 })),
  );
  const alone: WitnessedAnswer[] = [];
  for (const request of requests) alone.push(await witnessedAnswer(engine, request));
  const stop = new AbortController();
  const cancelled = engine.answer({
    passages,
    question,
    maxTokens: 200,
    signal: stop.signal,
    onToken: () => stop.abort(),
  });
  const together = await Promise.all(requests.map((request) => witnessedAnswer(engine, request)));
  expect((await cancelled.result).stopReason).toBe('aborted');
  for (const [i, one] of together.entries()) expectSameAnswer(one, alone[i] ?? one, bound / 10);
  expect(engine.usage()).toMatchObject({ kvBytes: 0 });
});

it('finds blocks on disk with what they keep for convolutions', async () => {
  const directory = join(folder, 'store');
  for (const kvType of ['f16', 'q8_0'] as const) {
    let first = new Float32Array(0);
    for (const statuses of ['miss miss miss miss miss', 'hit hit hit hit hit']) {
      await using store = await createBlockStore({ directory });
      await using engine = await open({ store, kvType, policy: 'anchor:header' });
      const { logits, blocks, statuses: found } = await read(engine);
      expect(found).toBe(statuses);
      if (first.length > 0) expect(logits).toEqual(first);
      first = logits;
      const { kvBytesPerToken, kvBytesPerBlock } = engine.model;
      expect(kvBytesPerBlock).toBe(4 * 2 * 128 * 4);
      const sizes = blocks.map(({ tokens }) => Math.ceil(tokens / 32) * 32 * kvBytesPerToken + kvBytesPerBlock);
      expect(blocks.map(({ bytes }) => bytes)).toEqual(sizes);
      const planned = await engine.plan({ passages, question, policy: 'anchor:header' });
      expect(planned.kvBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
      await store.flush();
    }
  }
});

describe('kept beginnings of prompts', () => {
  const request = (raw: readonly number[], maxTokens = 12): AnswerRequest => {
    return { passages: [], question: '', raw, mode: 'full', maxTokens };
  };
  const prompt = (count: number) => Array.from(randomTokens(createPrng(9), 300, count));

  it('are of use as a whole: a conversation goes on from where it was', async () => {
    await using engine = await open({ prefixBytes: 2 ** 26, kvType: 'f16' });
    await using plain = await open({ kvType: 'f16' });
    const first = await witnessedAnswer(engine, request(prompt(60)));
    const answered = first.choices.map(({ token }) => token);
    const next = request([...prompt(60), ...answered, ...prompt(9)]);
    const reused = await witnessedAnswer(engine, next);
    // The last token of an answer is never read.
    expect(reused.reusedTokens).toBe(60 + answered.length - 1);
    expectSameAnswer(reused, await witnessedAnswer(plain, next), rounding);
    // The shorter one is still there, and is gone on from another way.
    const other = request([...prompt(60), ...answered, 270]);
    const again = await witnessedAnswer(engine, other);
    expect(again.reusedTokens).toBe(60 + answered.length - 1);
    expectSameAnswer(again, await witnessedAnswer(plain, other), rounding);
  });

  it('are not kept for words that stand before every question: nothing would go on from there', async () => {
    await using engine = await open({ prefixBytes: 2 ** 26 });
    for (let asked = 1; asked <= 2; asked++) {
      const { reusedTokens } = await read(engine, { question: `Question ${asked}?`, policy: 'select:1' });
      expect(reusedTokens).toBe(0);
      // The answers' own.
      expect(engine.usage().prefixes).toMatchObject({ entries: asked, hits: 0 });
    }
  });

  it('are never used in part, nor while they grow', async () => {
    await using engine = await open({ prefixBytes: 2 ** 26, kvType: 'f16' });
    await using plain = await open({ kvType: 'f16' });
    const alone = await witnessedAnswer(plain, request(prompt(60), 30));
    const stream = engine.answer({ ...request(prompt(60), 60), temperature: 0 });
    for await (const _ of stream) {
      const during = await witnessedAnswer(engine, request(prompt(60), 30));
      expect(during.reusedTokens).toBe(0);
      expectSameAnswer(during, alone, rounding);
      break;
    }
    await stream.result.catch(() => undefined);
    for (const raw of [prompt(60), prompt(50), [...prompt(60), 299, 298]]) {
      expect((await witnessedAnswer(engine, request(raw))).reusedTokens).toBe(0);
    }
  });
});

it('refuses to compute tokens of a passage again, and rows, with what to do instead', async () => {
  const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('use an anchor') };
  for (const policy of ['head:8', 'anchor:header+deviation:0.5', 'attention:0.1']) {
    await expect(open({ policy })).rejects.toMatchObject(refused);
    await using engine = await open();
    expect(engine.model.recomputes).toBe(false);
    await expect(engine.answer({ passages, question, policy }).result).rejects.toMatchObject(refused);
    expect(engine.usage()).toMatchObject({ kvBytes: 0 });
  }
  await expect(open({ attention: 'gathered' })).rejects.toMatchObject({
    code: 'BACKEND_UNAVAILABLE',
    message: expect.stringContaining('short convolutions keep a state for each block'),
  });
});
