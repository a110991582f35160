import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sentencePieceModels } from '../../../../../tests/support/models/sentence-piece-models.ts';
import { createPrng } from '../../../../../tests/support/prng.ts';
import { Backend } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { createSampler } from '../../ggml/llama/sampler.ts';
import type { SamplerOptions } from '../../ggml/llama/sampler-options.ts';
import { entriesFor, mostShort, type Shortlist, shortlistOf } from '../../ggml/llama/shortlist.ts';
import { openTokenizer, type VocabTokenizer } from '../../ggml/llama/vocab.ts';
import { ShortRows } from './short-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-shortlist-'));
let tokenizer: VocabTokenizer;
let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 1 });
  const [model] = await sentencePieceModels(folder);
  tokenizer = await openTokenizer(model?.path ?? '');
});
afterAll(() => {
  tokenizer.dispose();
  backend.dispose();
  rmSync(folder, { recursive: true });
});

/** What a graph finds among rows of logits. */
async function find(rows: readonly Float32Array[], wanted: number): Promise<(Shortlist | undefined)[]> {
  const g = new GraphContext(32);
  const allocator = backend.allocator();
  try {
    const width = rows[0]?.length ?? 0;
    const logits = g.input(TensorType.F32, width, rows.length);
    const short = new ShortRows(g, logits, entriesFor(wanted));
    allocator.place(g);
    for (const [i, row] of rows.entries()) backend.write(logits, row, i * width * 4);
    await allocator.compute(g);
    return short.read(
      backend,
      rows.map(() => wanted),
    );
  } finally {
    allocator.dispose();
    g.dispose();
  }
}

describe('a shortlist', () => {
  it.each<SamplerOptions>([
    {},
    { temperature: 0.8, topK: 40, seed: 1 },
    { temperature: 1.5, topK: 5, topP: 0.9, minP: 0.01, seed: 2 },
    { temperature: 3, topK: mostShort, seed: 3 },
    { temperature: 0, topK: 7 },
  ])('chooses what all logits choose, or is none where they are equal: %j', async (options) => {
    using whole = createSampler(options, tokenizer);
    using short = createSampler(options, tokenizer);
    const count = short.shortlist ?? 0;
    expect(count).toBe(options.temperature ? options.topK : 1);
    const prng = createPrng(7);
    let found = 0;
    for (let step = 0; step < 60; step++) {
      // Every third row is coarse: full of equal logits.
      const grain = step % 3 === 0 ? 0.5 : 0;
      const drawn = prng.normal(tokenizer.size, 4);
      const row = grain === 0 ? drawn : drawn.map((value) => Math.round(value / grain) * grain);
      const [list] = await find([row], count);
      if (list !== undefined) found += 1;
      expect(await short.sampleAside(list ?? row)).toBe(whole.sample(row));
    }
    expect(found).toBeGreaterThanOrEqual(39);
    expect(found).toBeLessThan(60);
  });

  it('is found for every row by itself, and not for rows that a sampler would refuse', async () => {
    const size = 1000;
    const rows = [1, 2, 3, 4, 5].map((seed) => createPrng(seed).normal(size, 1));
    rows[1]?.set([Number.NaN], 17);
    rows[2]?.set([Number.POSITIVE_INFINITY], 999);
    rows[3]?.set([Number.NEGATIVE_INFINITY], 5);
    const lists = await find(rows, 20);
    expect(lists.map((list) => list?.ids.length)).toEqual([20, undefined, undefined, 20, 20]);
    for (const [i, list] of lists.entries()) {
      if (list === undefined) continue;
      const order = Array.from(rows[i] ?? [], (value, id) => ({ value, id })).sort((a, b) => b.value - a.value);
      expect([...list.ids]).toEqual(order.slice(0, 20).map(({ id }) => id));
      expect([...list.values]).toEqual(order.slice(0, 20).map(({ value }) => value));
    }
    const equal = Float32Array.of(3, 2, 2, 1);
    expect(shortlistOf(Int32Array.of(0, 1, 2, 3), equal, 8, 1)?.ids).toEqual(Int32Array.of(0));
    expect(shortlistOf(Int32Array.of(0, 1, 2, 3), equal, 8, 2)).toBeUndefined();
    expect(shortlistOf(Int32Array.of(0), Float32Array.of(3), 3, 1)).toBeUndefined();
  });

  it.each<SamplerOptions>([
    { temperature: 1 },
    { temperature: 1, topK: mostShort + 1 },
    { repeatPenalty: 1.1 },
    { temperature: 1, topK: 5, presencePenalty: 1 },
    { grammar: 'root ::= "a"' },
  ])('is not enough for %j', async (options) => {
    using sampler = createSampler(options, tokenizer);
    expect(sampler.shortlist).toBeUndefined();
    const list = { ids: Int32Array.of(1), values: Float32Array.of(1) };
    await expect(sampler.sampleAside(list)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
