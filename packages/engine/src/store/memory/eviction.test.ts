import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EvictionOrder } from './eviction.ts';

test('gives up what saves least time per byte, is used least, and was added first', () => {
  const order = new EvictionOrder<string>();
  order.add('dear', { uses: 1, costMs: 100, bytes: 10 });
  order.add('cheap', { uses: 1, costMs: 10, bytes: 10 });
  order.add('large', { uses: 1, costMs: 100, bytes: 1000 });
  order.add('loved', { uses: 9, costMs: 10, bytes: 10 });
  order.add('cheap too', { uses: 1, costMs: 10, bytes: 10 });
  const taken = Array.from({ length: 6 }, () => order.takeLeast());
  expect(taken).toEqual(['large', 'cheap', 'cheap too', 'loved', 'dear', undefined]);
});

test('what was dear once ages: newcomers start where the last one given up stood', () => {
  const order = new EvictionOrder<number>();
  order.add(0, { uses: 3, costMs: 1, bytes: 1 });
  let given: number | undefined;
  for (let id = 1; given !== 0; id += 1) {
    expect(id).toBeLessThan(10);
    order.add(id, { uses: 1, costMs: 1, bytes: 1 });
    order.add(-id, { uses: 1, costMs: 1, bytes: 1 });
    given = order.takeLeast();
  }
});

test('agrees with sorting, whatever was added, moved and deleted', () => {
  const operation = fc.record({ item: fc.nat(20), uses: fc.integer({ min: 1, max: 5 }), drop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const order = new EvictionOrder<number>();
      const model = new Map<number, { uses: number; at: number }>();
      for (const [at, { item, uses, drop }] of operations.entries()) {
        if (drop) order.delete(item);
        else order.add(item, { uses, costMs: 1, bytes: 1 });
        if (drop) model.delete(item);
        else model.set(item, { uses, at });
      }
      const expected = [...model].sort(([, a], [, b]) => a.uses - b.uses || a.at - b.at).map(([item]) => item);
      expect(order.size).toBe(expected.length);
      expect(order.leastWhere((item) => item % 2 === 0)).toBe(expected.find((item) => item % 2 === 0));
      expect(Array.from(expected, () => order.takeLeast())).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

interface Block {
  readonly id: number;
  readonly bytes: number;
  readonly costMs: number;
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** 4,000 blocks of 40 to 2,000 tokens, 22.5 KiB per token; encoding has a linear and a quadratic part. */
function corpus(next: () => number): Block[] {
  return Array.from({ length: 4_000 }, (_, id) => {
    const tokens = Math.round(40 * 50 ** next());
    return { id, bytes: tokens * 23_040, costMs: tokens * 1.8 + tokens ** 2 * 0.0016 };
  });
}

/** Popularity by Zipf's law; every 5,000 requests a hundredth of the ranks change places, and a scan passes through. */
function trace(blocks: readonly Block[], exponent: number, next: () => number): Block[] {
  const ranks = [...blocks];
  const cumulated: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= ranks.length; rank += 1) {
    sum += rank ** -exponent;
    cumulated.push(sum);
  }
  const requests: Block[] = [];
  while (requests.length < 40_000) {
    const point = next() * sum;
    let low = 0;
    for (let high = cumulated.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((cumulated[middle] ?? 0) < point) low = middle + 1;
      else high = middle;
    }
    const block = ranks[low];
    if (block !== undefined) requests.push(block);
    if (requests.length % 5_000 === 0) {
      for (let swap = 0; swap < ranks.length / 100; swap += 1) {
        const [a, b] = [Math.floor(next() * ranks.length), Math.floor(next() * ranks.length)];
        [ranks[a], ranks[b]] = [ranks[b] ?? blocks[0], ranks[a] ?? blocks[0]] as [Block, Block];
      }
      for (let at = 0; at < 400; at += 1) requests.push(ranks[(requests.length * 7 + at) % ranks.length] as Block);
    }
  }
  return requests;
}

/** Encoding time avoided, as a share of encoding everything again. */
function saved(requests: readonly Block[], budget: number, policy: 'lru' | 'gdsf'): number {
  const lru = new Map<number, Block>();
  const gdsf = new EvictionOrder<Block>();
  const uses = new Map<Block, number>();
  let [bytes, avoided, total] = [0, 0, 0];
  for (const block of requests) {
    total += block.costMs;
    const hit = policy === 'lru' ? lru.delete(block.id) : gdsf.has(block);
    if (hit) avoided += block.costMs;
    else bytes += block.bytes;
    if (policy === 'lru') lru.set(block.id, block);
    // A block that was given up starts again: uses are remembered only while it is kept.
    uses.set(block, hit ? (uses.get(block) ?? 0) + 1 : 1);
    if (policy === 'gdsf') gdsf.add(block, { ...block, uses: uses.get(block) ?? 1 });
    while (bytes > budget) {
      const victim = policy === 'lru' ? lru.values().next().value : gdsf.takeLeast();
      if (victim === undefined) break;
      lru.delete(victim.id);
      bytes -= victim.bytes;
    }
  }
  return avoided / total;
}

test('saves more encoding time than LRU on Zipf traces with drift and scans', () => {
  const next = random(7);
  const blocks = corpus(next);
  const all = blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines: string[] = [];
  for (const exponent of [0.7, 0.9, 1.1]) {
    const requests = trace(blocks, exponent, next);
    for (const share of [0.05, 0.15, 0.4]) {
      const lru = saved(requests, all * share, 'lru');
      const gdsf = saved(requests, all * share, 'gdsf');
      lines.push(`${exponent}  ${(share * 100).toFixed(0).padStart(3)} %  ${lru.toFixed(3)}  ${gdsf.toFixed(3)}`);
      expect(gdsf).toBeGreaterThan(lru);
    }
  }
  console.log(`encoding time saved\nzipf  budget  LRU    GDSF\n${lines.join('\n')}`);
});
