/**
 * The path of devices, run by the CPU: graphs that do not grow with the number of blocks, a pool that forgets while it is
 * used, memory that ends in the middle of a request, several sequences that share the pool.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { createEngine, type Engine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { copyRows, DecodeGraph, forwardStep, type KvType, RowStates } from '@block-attention/engine/internal/model';
import type { BlockKey } from '@block-attention/engine/internal/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DevicePool, pageTokens } from '../packages/engine/src/engine/blocks/device-pool.ts';
import { Backend } from '../packages/engine/src/ggml/device/backend.ts';
import { GraphContext } from '../packages/engine/src/ggml/graph/graph-context.ts';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { gatheredPath, gatheredRounding } from './support/oracle/attention-paths.ts';
import { type EncodedBlock, ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { expectWithin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';
import { readPrompt } from './support/read-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-gathered-'));
const path = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => writeRandomModel(path, { family: 'llama', headDim: 32 }, 9));

async function withHarness(type: KvType, run: (harness: ForwardHarness) => Promise<void>): Promise<void> {
  const harness = await ForwardHarness.open(path, type, gatheredPath.attention);
  try {
    await run(harness);
  } finally {
    harness.dispose();
  }
}

/** Pinned blocks as the pool gets them. */
function pooled(blocks: readonly EncodedBlock[]) {
  let start = 0;
  return blocks.map(({ memory, tokens }) => {
    const block = { key: memory.address.toString() as BlockKey, memory, tokens: tokens.length, start };
    start += tokens.length;
    return block;
  });
}

const counts = [1, 2, 17, 300];

describe('graphs', () => {
  it.each<KvType>(['f32', 'f16', 'q8_0'])('have as many nodes for 1 to 300 blocks: %s states', (type) =>
    withHarness(type, async (harness) => {
      const prng = createPrng(1);
      const blocks = await harness.encode([3, 4, 5].map((n) => randomTokens(prng, harness.vocabulary, n)));
      const nodes: { gather: number; prompt: number; decode: number }[] = [];
      for (const count of counts) {
        const used = Array.from({ length: count }, (_, i) => blocks[i % 3]).filter((block) => block !== undefined);
        const sequence = await harness.sequence(used, 20);
        const { rows } = sequence;
        if (rows === undefined) throw new Error('gathered');
        const target = new RowStates(harness.model.backend, harness.layout, sequence.contextRows);
        const picked = Int32Array.from({ length: sequence.contextRows }, (_, i) => i);
        const gather = await copyRows(harness.model, harness.allocator, {
          source: rows,
          rows: picked,
          turns: picked,
          target,
          at: 0,
        });
        target.free();
        const built: GraphContext[] = [];
        const attention: typeof harness.attention = Object.assign(
          (...[g, ...rest]: Parameters<typeof harness.attention>) => {
            built.push(g);
            return harness.attention(g, ...rest);
          },
          { readsRows: { tensors: 40 }, observed: harness.attention.observed },
        );
        const tokens = randomTokens(prng, harness.vocabulary, 6);
        await forwardStep(harness.model, attention, harness.allocator, [{ sequence, tokens, logits: 'last' }]);
        const graph = new DecodeGraph(harness.model, attention, [sequence], 40);
        nodes.push({ gather, prompt: built[0]?.nodes ?? 0, decode: built[1]?.nodes ?? 0 });
        const before = sequence.mark();
        const [likeliest] = await graph.runShort(Int32Array.of(5), [40]);
        expect(likeliest).not.toBeInstanceOf(Float32Array);
        sequence.rewind(before);
        const [all] = await graph.runShort(Int32Array.of(5), [undefined]);
        if (!(all instanceof Float32Array)) throw new Error('all logits');
        const order = Array.from(all, (value, id) => ({ value, id })).sort((a, b) => b.value - a.value);
        const values = Float32Array.from(order.slice(0, 40), ({ value }) => value);
        expect(likeliest).toEqual({ ids: Int32Array.from(order.slice(0, 40), ({ id }) => id), values });
        graph.dispose();
        harness.clear();
        blocks.splice(0, 3, ...(await harness.encode([3, 4, 5].map((n) => randomTokens(prng, harness.vocabulary, n)))));
      }
      const [first] = nodes;
      expect(first?.prompt).toBeGreaterThan(0);
      expect(first?.gather).toBeGreaterThan(0);
      for (const other of nodes) expect(other).toEqual(first);
    }),
  );
});

describe('1 to 300 blocks', () => {
  it.each<KvType>(['f32', 'f16'])(
    'equal the oracle, repeats included, from a pool that holds few of them: %s',
    (type) =>
      withHarness(type, async (harness) => {
        const prng = createPrng(2);
        const cases = counts.map((count) => {
          const passages = Array.from({ length: Math.min(count, 40) }, (_, i) =>
            randomTokens(prng, harness.vocabulary, 1 + (i % 3)),
          );
          const order = Array.from({ length: count }, (_, i) => (i * 7) % passages.length);
          return { passages, order, final: randomTokens(prng, harness.vocabulary, 5) };
        });
        const promptOf = ({ passages, order, final }: (typeof cases)[number]) => [
          ...order.map((i) => passages[i] ?? final),
          final,
        ];
        const bounds = await explainedErrors(path, type, async (reference) => {
          const rows: Float32Array[] = [];
          for (const one of cases) rows.push((await reference.dense(promptOf(one))).slice());
          return rows;
        });
        // Ten pages, and a block takes one.
        harness.poolBytes = 10 * pageTokens * harness.layout.bytesPerToken;
        for (const [i, one] of cases.entries()) {
          const blocks = await harness.encode(one.passages);
          const used = one.order.map((at) => blocks[at]).filter((block) => block !== undefined);
          const logits = await harness.append(await harness.sequence(used, 5), one.final);
          const keys = promptOf(one).reduce((sum, { length }) => sum + length, 0);
          const bound = (bounds[i] ?? 0) * gatheredRounding(type, keys);
          expectWithin(relativeError(logits, await harness.dense(promptOf(one))), bound, `${counts[i]} blocks`);
          harness.clear();
        }
      }),
  );
});

describe('the pool', () => {
  it('lets the least recently used go, never a block of the group in hand, and keeps its books', () =>
    withHarness('f16', async (harness) => {
      const prng = createPrng(3);
      const { model, layout, allocator } = harness;
      const sizes = [60, 64, 65, 130, 20, 300, 1];
      const blocks = pooled(await harness.encode(sizes.map((n) => randomTokens(prng, harness.vocabulary, n))));
      const pick = (order: readonly number[]) => {
        let start = 0;
        return order.flatMap((i) => {
          const block = blocks[i];
          if (block === undefined) return [];
          const placed = { ...block, start };
          start += block.tokens;
          return [placed];
        });
      };
      const large = new DevicePool(model, layout, (work) => work(allocator), 64 * pageTokens * layout.bytesPerToken);
      const small = new DevicePool(model, layout, (work) => work(allocator), 4 * pageTokens * layout.bytesPerToken);
      const none = new DevicePool(model, layout, (work) => work(allocator), 0);
      // As on a device that cannot read the store's memory: through copies, sent ahead.
      const staged = [0, 4, 64].map((pages) => {
        const bytes = pages * pageTokens * layout.bytesPerToken;
        return new DevicePool(model, layout, (work) => work(allocator), bytes, { stages: true });
      });
      const read = async (pool: DevicePool, order: readonly number[]) => {
        const context = pick(order);
        const rows = new RowStates(
          model.backend,
          layout,
          context.reduce((sum, { tokens }) => sum + tokens, 0),
        );
        await pool.gather(context, rows);
        pool.checkIntegrity();
        const data = new Uint8Array(context.reduce((sum, { tokens }) => sum + tokens, 0) * layout.bytesPerToken);
        const g = new GraphContext(64);
        let at = 0;
        for (const slot of layout.slots.keys()) {
          for (const side of ['keys', 'values'] as const) {
            const tensor = side === 'keys' ? rows.keys(g, slot) : rows.values(g, slot);
            const bytes = (data.length / layout.slots.length) >> 1;
            model.backend.read(tensor, data.subarray(at, at + bytes));
            at += bytes;
          }
        }
        g.dispose();
        rows.free();
        return Buffer.from(data).toString('base64');
      };
      // Of 4 pages: 1, 1, 2, 3, 1, 5 (more than there are), 1.
      const orders = [[0], [0, 1, 2], [3, 4, 0], [5, 1], [2, 3, 2, 3, 0], [6, 5, 6, 5, 4], [0, 1, 2, 3, 4, 5, 6]];
      for (const order of orders) {
        const right = await read(large, order);
        expect(await read(small, order)).toBe(right);
        for (const pool of [none, ...staged]) expect(await read(pool, order)).toBe(right);
      }
      expect(large.stats()).toMatchObject({ evictions: 0, uploads: 7, blocks: 7 });
      expect(small.stats().evictions).toBeGreaterThan(5);
      expect(none.stats()).toMatchObject({ hits: 0, blocks: 0, budgetBytes: 0 });
      await small.forget(blocks.map(({ key }) => key));
      expect(small.stats()).toMatchObject({ blocks: 0, usedBytes: 0 });
      small.checkIntegrity();
      for (const pool of [large, small, none, ...staged]) pool.dispose();
    }));
});

const question = 'When was the bridge opened?';
const texts = [
  'The bridge was opened in 1931.',
  'Tessen is a town of clock makers.',
  'The Ald is 90 km long.',
  'Salt.',
];
const passages = texts.map((text, i) => ({ id: String(i), text }));
const open = (options: Partial<EngineOptions> = {}) =>
  createEngine({
    modelPath: path,
    device: 'cpu',
    attention: 'gathered',
    threads: 1,
    mode: 'block',
    policy: 'plain',
    linear: 'ggml',
    contextTokens: 4096,
    cacheDir: join(folder, 'cache'),
    ...options,
  });

async function errorOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await promise;
    return { code: 'none', message: '' };
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) return error;
    throw error;
  }
}
const codeOf = async (promise: Promise<unknown>) => (await errorOf(promise)).code;

describe('an engine', () => {
  it('gives many answers at once from a pool smaller than their contexts what each gets alone', async () => {
    await using alone = await open({ kvType: 'f32' });
    const bytes = alone.model.kvBytesPerToken * pageTokens * 3;
    await using engine = await open({ kvType: 'f32', poolBytes: bytes });
    const orders = [[0, 1, 2, 3], [3, 2], [1, 1, 1, 0], [2], [0, 3, 1, 2]];
    const request = (order: readonly number[]) => ({
      passages: order.flatMap((i) => passages[i] ?? []),
      question,
      maxTokens: 6,
    });
    const rows = (by: Engine, order: readonly number[]) => readPrompt(by, request(order));
    const expected: Awaited<ReturnType<typeof readPrompt>>[] = [];
    for (const order of orders) expected.push(await rows(alone, order));
    const together = await Promise.all([...orders, ...orders].map((order) => rows(engine, order)));
    together.forEach(({ logits, text }, i) => {
      const right = expected[i % orders.length];
      // Which sequences share a batch changes the order of no sum.
      expect(relativeError(logits, right?.logits ?? logits)).toBeLessThan(1e-5);
      expect(text).toBe(right?.text);
    });
    expect(engine.usage().pool?.evictions).toBeGreaterThan(0);
    expect(engine.attention).toBe('gathered');
  });

  it('answers with a code when memory ends in the middle of a request, and goes on serving', async () => {
    await using engine = await open({ kvBytes: 2 ** 52, contextTokens: 2 ** 37 });
    const fine = await readPrompt(engine, { passages, question });
    // The rows of so long an answer are more than any machine has.
    const hungry = () => engine.answer({ passages, question, maxTokens: 2 ** 36 }).result;
    for (let i = 0; i < 2; i++) {
      const [failed, beside] = await Promise.all([errorOf(hungry()), readPrompt(engine, { passages, question })]);
      expect(failed.code).toBe('MODEL_TOO_LARGE');
      expect(failed.message).toMatch(
        /CPU has no \d+ bytes left for \d+ rows of keys and values: .* its driver gives no more/,
      );
      expect(beside.logits).toEqual(fine.logits);
    }
    expect(engine.usage().kvBytes).toBe(0);
  });

  it('never asks for more than its budget, but says so', async () => {
    await using engine = await open({ kvBytes: 2 ** 16 });
    expect(await codeOf(engine.answer({ passages, question, maxTokens: 900 }).result)).toBe('MODEL_TOO_LARGE');
  });

  it('takes up what an earlier answer had read, context and all', async () => {
    await using engine = await open({ prefixBytes: 2 ** 26, kvType: 'q8_0' });
    const fresh = await readPrompt(engine, { passages, question: `${question} Say it in a few words, if you please.` });
    const again = await readPrompt(engine, { passages, question: `${question} Say it in a few words, if you please.` });
    expect(again.reusedTokens).toBeGreaterThan(16);
    expect(relativeError(again.logits, fresh.logits)).toBeLessThan(1e-5);
  });

  it('draws the same tokens from what the device finds as from all logits', async () => {
    await using engine = await open();
    const draw = (more: object, all: boolean) =>
      engine.answer({ passages, question, maxTokens: 24, ...more, ...(all && { onToken: () => undefined }) }).result;
    for (const sampling of [
      {},
      { temperature: 1, topK: 40, seed: 3 },
      { temperature: 2, topK: 9, topP: 0.9, seed: 4 },
    ]) {
      const right = await draw(sampling, true);
      // Beside others that need all logits, or fewer of them.
      const beside = [{}, { temperature: 1, seed: 5 }, { repeatPenalty: 1.3 }, { grammar: 'root ::= [a-z ]*' }];
      const [found] = await Promise.all([sampling, ...beside].map((more) => draw(more, false)));
      expect(found?.text).toBe(right.text);
    }
  });

  it('forgets in the pool what is forgotten', async () => {
    await using engine = await open();
    await readPrompt(engine, { passages, question });
    const before = engine.usage().pool?.blocks ?? 0;
    expect(await engine.forget(passages)).toBe(4);
    expect(engine.usage().pool?.blocks).toBe(before - 4);
  });

  it.each([{ poolBytes: -1 }, { poolBytes: Number.NaN }])('refuses %o', async (options) => {
    expect(await codeOf(open(options))).toBe('INVALID_ARGUMENT');
  });
});

describe('scratch memory', () => {
  it('that could not be had leaves the allocator as it was', async () => {
    const backend = await Backend.open({ device: 'cpu', threads: 1 });
    const allocator = backend.allocator();
    const graph = (elements: number) => {
      const g = new GraphContext(8);
      const x = g.input(TensorType.F32, elements);
      const y = g.output(g.scale(x, 2));
      return { g, x, y };
    };
    for (let i = 0; i < 2; i++) {
      // The same graph twice: ggml takes what it failed to place for placed.
      const huge = graph(2 ** 50);
      expect(() => allocator.place(huge.g)).toThrow(expect.objectContaining({ code: 'MODEL_TOO_LARGE' }));
      huge.g.dispose();
      const { g, x, y } = graph(4);
      allocator.place(g);
      backend.write(x, new Float32Array([1, 2, 3, 4]));
      await allocator.compute(g);
      const out = new Float32Array(4);
      backend.read(y, out);
      expect([...out]).toEqual([2, 4, 6, 8]);
      g.dispose();
    }
    allocator.dispose();
    backend.dispose();
  });
});
