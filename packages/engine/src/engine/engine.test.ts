import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  engineRounding,
  expectSameAnswer,
  type WitnessedAnswer,
  witnessedAnswer,
} from '../../../../tests/support/answers.ts';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { embedded, stories260k } from '../../../../tests/support/models/real-models.ts';
import { BlockAttentionError, type ErrorCode } from '../errors.ts';
import { createMemoryStore } from '../store/index.ts';
import { createEngine } from './engine.ts';
import type { AnswerRequest, Engine, Passage } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
const path = join(folder, 'model.gguf');
const options = { mode: 'block', modelPath: path, threads: 1, device: 'cpu', cacheDir: join(folder, 'cache') } as const;
let engine: Engine;

const passages: Passage[] = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.' },
  { id: 'river', text: 'The Ald is 90 km long.' },
];
const question = 'When was the bridge opened?';

beforeAll(async () => {
  await writeRandomModel(path, { family: 'llama' }, 3);
  engine = await createEngine(options);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

async function codeOf(promise: Promise<unknown>): Promise<{ code: ErrorCode | 'none'; message: string }> {
  try {
    await promise;
    return { code: 'none', message: '' };
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) return { code: error.code, message: error.message };
    throw error;
  }
}

const answer = (request: Partial<AnswerRequest>) =>
  engine.answer({ passages, question, maxTokens: 8, ...request }).result;

describe('answer', () => {
  it('streams the text of its result and accounts for every block', async () => {
    const fresh = await createEngine(options);
    const stream = fresh.answer({ passages, question, maxTokens: 12 });
    let streamed = '';
    for await (const piece of stream) streamed += piece;
    const result = await stream.result;
    expect(streamed).toBe(result.text);
    expect(result.mode).toBe('block');
    expect(result.blocks.map(({ id, status }) => `${id} ${status}`)).toMatchInlineSnapshot(`
      [
        "system miss",
        "bridge miss",
        "town miss",
        "river miss",
      ]
    `);
    expect(result.tokens.context).toBe(result.blocks.reduce((sum, block) => sum + block.tokens, 0));
    expect(result.tokens.answer).toBeGreaterThan(0);
    expect(result.ttftMs).toBeGreaterThan(0);
    expect(result.flops.spent).toBeGreaterThan(0);
    await fresh.close();
  });

  it('re-encodes nothing when passages change places', async () => {
    await answer({});
    const result = await answer({ passages: [...passages].reverse() });
    expect(result.blocks.map((block) => block.status)).toEqual(['hit', 'hit', 'hit', 'hit']);
    expect(result.flops.spent).toBeLessThan(result.flops.full);
  });

  it('takes the same passage twice, and none at all', async () => {
    const [first] = passages;
    const twice = await answer({ passages: first ? [first, first] : [] });
    expect(twice.blocks.slice(1).map((block) => block.id)).toEqual(['bridge', 'bridge']);
    const none = await answer({ passages: [] });
    expect(none.blocks).toEqual([]);
    expect(none.tokens.answer).toBeGreaterThan(0);
  });

  it('gives concurrent requests what each gets alone', async () => {
    const requests: Partial<AnswerRequest>[] = [
      {},
      { passages: [...passages].reverse() },
      { mode: 'full' },
      { passages: passages.slice(0, 1), maxTokens: 20 },
      { question: 'Who lives in Tessen?' },
    ];
    const rounding = await engineRounding(path);
    const ask = (request: Partial<AnswerRequest>) =>
      witnessedAnswer(engine, { passages, question, maxTokens: 8, ...request });
    const alone: WitnessedAnswer[] = [];
    for (const request of requests) alone.push(await ask(request));
    const together = await Promise.all(requests.map(ask));
    for (const [i, own] of together.entries()) {
      const reference = alone[i];
      if (reference === undefined) throw new Error('one answer per request');
      expectSameAnswer(own, reference, rounding);
    }
    engine.store.checkIntegrity();
    expect(engine.store.stats().pinnedBlocks).toBe(0);
  });

  it('repeats with a seed', async () => {
    const request = { temperature: 1.2, topK: 40, seed: 42, maxTokens: 16 };
    expect((await answer(request)).text).toBe((await answer(request)).text);
  });

  it('obeys a grammar', async () => {
    const result = await answer({ grammar: 'root ::= "yes" | "no"', maxTokens: 16 });
    expect(['yes', 'no']).toContain(result.text);
    expect(result.stopReason).toBe('end');
  });

  it('ends before a stop string', async () => {
    const whole = (await answer({ maxTokens: 16 })).text;
    const stop = whole.slice(3, 6);
    const result = await answer({ maxTokens: 16, stop: [stop] });
    expect(result.stopReason).toBe('stop');
    expect(result.text).toBe(whole.slice(0, whole.indexOf(stop)));
  });

  it('stops where it is when the reader leaves or the signal fires, and unpins', async () => {
    const stream = engine.answer({ passages, question, maxTokens: 300 });
    for await (const _ of stream) break;
    const left = await stream.result;
    expect(left.stopReason).toBe('aborted');
    expect(left.tokens.answer).toBeLessThan(300);
    expect((await codeOf(answer({ signal: AbortSignal.abort() }))).code).toBe('ABORTED');
    expect(engine.store.stats().pinnedBlocks).toBe(0);
  });

  it('keeps tenants apart', async () => {
    const tenant = `tenant ${Math.random()}`;
    const first = await answer({ tenant });
    expect(first.blocks.every((block) => block.status === 'miss')).toBe(true);
    expect((await answer({ tenant })).blocks.every((block) => block.status === 'hit')).toBe(true);
  });

  it('goes on with a stream while a long document is encoded: a token per chunk at the least', async () => {
    const fresh = await createEngine({ ...options, contextTokens: 8192 });
    const request = { passages: [], question, maxTokens: 400, mode: 'full' as const, temperature: 1 };
    // A random model may end at any time: one that goes on is looked for first.
    let seed = 0;
    while ((await fresh.answer({ ...request, seed }).result).stopReason !== 'length') seed++;
    let tokens = 0;
    const controller = new AbortController();
    const { signal } = controller;
    // From the very first token on: a fast machine is done with 400 while a clock ticks once.
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const onToken = () => {
      tokens++;
      begin();
    };
    const streaming = fresh.answer({ ...request, seed, onToken, signal }).result;
    await begun;
    const before = tokens;
    const { tokens: length } = await fresh.encode([{ text: 'The tower is high and the river is long. '.repeat(150) }]);
    const during = tokens - before;
    controller.abort();
    await streaming;
    // Chunks are of 128 tokens while somebody waits for a token.
    expect(length).toBeGreaterThan(1024);
    expect(during).toBeGreaterThanOrEqual(Math.floor(length / 128) - 1);
    await fresh.close();
  });

  it('leaves the event loop free while it computes', async () => {
    // Turns of the loop, not of a clock: a fast machine is done within a few milliseconds.
    let turns = 0;
    let computing = true;
    const turn = () => {
      turns++;
      if (computing) setImmediate(turn);
    };
    turn();
    await answer({ maxTokens: 50, mode: 'full' });
    computing = false;
    expect(turns).toBeGreaterThan(10);
  });
});

describe('encode', () => {
  it('fills the store with what answers use, and skips what is there', async () => {
    const fresh = await createEngine(options);
    const first = await fresh.encode(passages);
    expect(first).toMatchObject({ blocks: 4, encoded: 4, present: 0 });
    expect(await fresh.encode(passages)).toMatchObject({ blocks: 4, encoded: 0, present: 4 });
    const result = await fresh.answer({ passages, question, maxTokens: 2 }).result;
    expect(result.blocks.every((block) => block.status === 'hit' && block.tier === 'memory')).toBe(true);
    expect(result.blocks.reduce((sum, block) => sum + block.bytes, 0)).toBe(first.bytes);
    await fresh.close();
  });

  it('forgets passages, and nothing else', async () => {
    const fresh = await createEngine(options);
    await fresh.encode(passages);
    expect(await fresh.forget(passages.slice(0, 2))).toBe(2);
    expect(await fresh.forget(passages.slice(0, 2))).toBe(0);
    const result = await fresh.answer({ passages, question, maxTokens: 2 }).result;
    expect(result.blocks.map((block) => block.status)).toEqual(['hit', 'miss', 'miss', 'hit']);
    await fresh.close();
  });

  it('serves blocks larger than the store', async () => {
    const store = createMemoryStore({ budgetBytes: 1024 });
    const small = await createEngine({ ...options, store });
    const texts = [(await small.answer({ passages, question, maxTokens: 6 }).result).text];
    texts.push((await small.answer({ passages, question, maxTokens: 6 }).result).text);
    expect(texts[0]).toBe(texts[1]);
    expect(store.stats().bytes).toBeLessThanOrEqual(1024);
    await small.close();
    await store.close();
  });
});

describe('bad input is a coded error', () => {
  const cases: [string, ErrorCode, Partial<AnswerRequest>][] = [
    ['empty question', 'EMPTY_QUESTION', { question: ' \n' }],
    ['lone surrogate in the question', 'INVALID_ARGUMENT', { question: 'a\ud800b' }],
    ['empty passage', 'INVALID_PASSAGES', { passages: [{ text: '' }] }],
    ['passage without text', 'INVALID_PASSAGES', { passages: [JSON.parse('{"title":"x"}')] }],
    ['lone surrogate in a passage', 'INVALID_PASSAGES', { passages: [{ text: '\udfff' }] }],
    ['NaN tokens', 'INVALID_ARGUMENT', { maxTokens: Number.NaN }],
    ['negative tokens', 'INVALID_ARGUMENT', { maxTokens: -1 }],
    ['NaN temperature', 'INVALID_ARGUMENT', { temperature: Number.NaN }],
    ['negative temperature', 'INVALID_ARGUMENT', { temperature: -1 }],
    ['top-p above one', 'INVALID_ARGUMENT', { topP: 1.5 }],
    ['empty stop', 'INVALID_ARGUMENT', { stop: [''] }],
    ['unknown mode', 'INVALID_ARGUMENT', { mode: JSON.parse('"fast"') }],
    ['malformed grammar', 'INVALID_GRAMMAR', { grammar: 'root ::= (' }],
  ];
  it.each(cases)('%s: %s', async (_, code, request) => {
    expect((await codeOf(answer(request))).code).toBe(code);
    expect((await answer({})).tokens.answer).toBeGreaterThan(0);
  });

  it('context overflow says by how much', async () => {
    const long = Array.from({ length: 40 }, (_, i) => ({
      text: `Passage ${i} says that the tower is ${i} metres high.`,
    }));
    const { code, message } = await codeOf(answer({ passages: long }));
    expect(code).toBe('CONTEXT_OVERFLOW');
    expect(message).toMatch(/\d+ too many/);
  });

  it('a huge passage', async () => {
    const { code } = await codeOf(answer({ passages: [{ text: 'tower '.repeat(20_000) }] }));
    expect(code).toBe('CONTEXT_OVERFLOW');
  });

  it.each<[string, ErrorCode, Record<string, unknown>]>([
    ['missing file', 'MODEL_NOT_FOUND', { modelPath: join(folder, 'nothing.gguf') }],
    ['folder', 'MODEL_NOT_FOUND', { modelPath: folder }],
    ['thread count', 'INVALID_ARGUMENT', { threads: 0 }],
    ['NaN threads', 'INVALID_ARGUMENT', { threads: Number.NaN }],
    ['context', 'INVALID_ARGUMENT', { contextTokens: -5 }],
    ['kv type', 'INVALID_ARGUMENT', { kvType: 'q3' }],
    ['kv type that does not fit the heads', 'INVALID_ARGUMENT', { kvType: 'q8_0' }],
    ['attention path', 'INVALID_ARGUMENT', { attention: 'quick' }],
  ])('model or option: %s', async (_, code, changed) => {
    expect((await codeOf(createEngine({ ...options, ...changed }))).code).toBe(code);
  });

  it('files that are no models', async () => {
    const bad = join(folder, 'bad.gguf');
    const load = () => codeOf(createEngine({ ...options, modelPath: bad }));
    writeFileSync(bad, '');
    expect((await load()).code).toBe('MODEL_INVALID');
    writeFileSync(bad, 'GGUF');
    expect((await load()).code).toBe('MODEL_INVALID');
    writeFileSync(bad, '<html>not found</html>');
    expect((await load()).code).toBe('MODEL_INVALID');
    for (const rest of [0.02, 0.3, 0.9, 0.999]) {
      const bytes = await writeRandomModel(bad, { family: 'llama' }, 3).then(() =>
        import('node:fs').then((fs) => fs.statSync(bad).size),
      );
      truncateSync(bad, Math.floor(bytes * rest));
      expect((await load()).code).toBe('MODEL_INVALID');
    }
  });

  it('use after close', async () => {
    const fresh = await createEngine(options);
    await fresh.close();
    await fresh.close();
    expect((await codeOf(fresh.answer({ passages, question }).result)).code).toBe('DISPOSED');
  });
});

describe('a real model', () => {
  const models = [embedded, ...stories260k];
  it.each(models)('$name continues a text the same in both modes when there is one block', async ({ path }) => {
    await using real = await createEngine({ ...options, modelPath: path, template: 'plain' });
    const request = { passages: [], question: 'Once upon a time', maxTokens: 60 };
    const block = await witnessedAnswer(real, { ...request, mode: 'block' });
    const full = await witnessedAnswer(real, { ...request, mode: 'full' });
    expectSameAnswer(block, full, await engineRounding(path));
  });
});
