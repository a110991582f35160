import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Backend } from '../device/backend.ts';
import { loadLibrary } from '../ffi/library.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import { GraphContext } from '../graph/graph-context.ts';
import { TensorType } from '../graph/tensor.ts';
import {
  AttentionArguments,
  type AttentionBlock,
  type AttentionSequence,
  type AttentionShape,
} from './attention-arguments.ts';
import { nativeVariable } from './native-file.ts';
import { loadNativeKernel, nativeKernelState } from './native-kernel.ts';

const { kernel, reason } = nativeKernelState();
if (kernel === undefined) console.warn(`skipped: ${reason}`);

const shape: AttentionShape = {
  headDim: 16,
  heads: 4,
  kvHeads: 2,
  rotated: 12,
  neox: true,
  window: 70,
  scale: 0.25,
  cut: 0,
  softcap: 0.4,
  sinks: null,
  latent: 0,
};
const group = shape.heads / shape.kvHeads;

/** Deterministic numbers in [-1, 1). */
function numbers(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

const owned: NativeMemory[] = [];
function floats(values: Float32Array): bigint {
  const memory = allocateMemory(values.byteLength);
  owned.push(memory);
  memory.bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return memory.address;
}

interface TestBlock extends AttentionBlock {
  readonly k: (kv: number, token: number, dim: number) => number;
  readonly v: (kv: number, token: number, dim: number) => number;
}

const angle = (start: number, pair: number) => -start * 10_000 ** ((-2 * pair) / shape.rotated);

/** A random f32 block; what lies beyond its tokens is NaN. */
function block(seed: number, tokens: number, paddedTokens: number, start: number, rotated: boolean): TestBlock {
  const { headDim, kvHeads } = shape;
  const random = numbers(seed);
  const keys = new Float32Array(kvHeads * paddedTokens * headDim).fill(Number.NaN);
  const values = new Float32Array(keys.length).fill(Number.NaN);
  const keyAt = (kv: number, token: number, dim: number) => (kv * paddedTokens + token) * headDim + dim;
  const valueAt = (kv: number, token: number, dim: number) => (kv * headDim + dim) * paddedTokens + token;
  for (let kv = 0; kv < kvHeads; kv++) {
    for (let token = 0; token < tokens; token++) {
      for (let dim = 0; dim < headDim; dim++) {
        keys[keyAt(kv, token, dim)] = random() * 2;
        values[valueAt(kv, token, dim)] = random();
      }
    }
  }
  const table = (f: (x: number) => number) =>
    rotated ? floats(Float32Array.from({ length: shape.rotated / 2 }, (_, pair) => f(angle(start, pair)))) : null;
  return {
    keys: floats(keys),
    values: floats(values),
    cos: table(Math.cos),
    sin: table(Math.sin),
    tokens,
    paddedTokens,
    start,
    type: TensorType.F32,
    k: (kv, token, dim) => keys[keyAt(kv, token, dim)] ?? Number.NaN,
    v: (kv, token, dim) => values[valueAt(kv, token, dim)] ?? Number.NaN,
  };
}

/** One head of one query in double precision, block by block and key by key. */
function reference(
  blocks: readonly TestBlock[],
  own: TestBlock,
  q: Float32Array,
  head: number,
  position: number,
): number[] {
  const { headDim, rotated, window, scale, softcap } = shape;
  const kv = Math.floor(head / group);
  const half = rotated / 2;
  const scores: { score: number; value: (dim: number) => number }[] = [];
  for (const b of [...blocks, own]) {
    const turned = Array.from(q);
    for (let i = 0; b.cos !== null && i < half; i++) {
      const [x, y, a] = [q[i] ?? 0, q[i + half] ?? 0, angle(b.start, i)];
      turned[i] = x * Math.cos(a) - y * Math.sin(a);
      turned[i + half] = x * Math.sin(a) + y * Math.cos(a);
    }
    for (let token = 0; token < b.tokens; token++) {
      const distance = position - b.start - token;
      if (distance >= window || (b === own && distance < 0)) continue;
      const product = turned.reduce((sum, x, dim) => sum + x * b.k(kv, token, dim), 0) * scale;
      const score = softcap * Math.tanh(product / softcap);
      scores.push({ score, value: (dim) => b.v(kv, token, dim) });
    }
  }
  const top = Math.max(...scores.map(({ score }) => score));
  const total = scores.reduce((sum, { score }) => sum + Math.exp(score - top), 0);
  return Array.from({ length: headDim }, (_, dim) =>
    scores.reduce((sum, { score, value }) => sum + (Math.exp(score - top) / total) * value(dim), 0),
  );
}

interface TestSequence extends AttentionSequence {
  readonly blocks: readonly TestBlock[];
  readonly own: TestBlock;
}

/** Two sequences: the second shares a block with the first and has fewer queries. */
function problem(): { sequences: [TestSequence, TestSequence]; q: Float32Array } {
  const shared = block(1, 40, 64, 0, false);
  const second = block(2, 33, 64, 40, true);
  const sequences: [TestSequence, TestSequence] = [
    { blocks: [shared, second], row: 0, queries: 5, position: 80, own: block(3, 12, 32, 73, false) },
    { blocks: [shared], row: 5, queries: 1, position: 42, own: block(4, 3, 32, 40, false) },
  ];
  const random = numbers(5);
  const q = Float32Array.from({ length: 6 * shape.heads * shape.headDim }, () => random() * 2);
  return { sequences, q };
}

/** Largest difference to the reference relative to the largest result. */
function error({ sequences, q }: ReturnType<typeof problem>, out: Float32Array): number {
  let [difference, largest] = [0, 0];
  for (const { blocks, row, queries, position, own } of sequences) {
    for (let i = 0; i < queries; i++) {
      for (let head = 0; head < shape.heads; head++) {
        const at = ((row + i) * shape.heads + head) * shape.headDim;
        const expected = reference(blocks, own, q.subarray(at, at + shape.headDim), head, position + i);
        for (const [dim, x] of expected.entries()) {
          const distance = Math.abs((out[at + dim] ?? Number.NaN) - x);
          difference = Number.isNaN(distance) ? Number.NaN : Math.max(difference, distance);
          largest = Math.max(largest, Math.abs(x));
        }
      }
    }
  }
  return difference / largest;
}

describe.skipIf(kernel === undefined)('the native kernel', () => {
  if (kernel === undefined) return;
  beforeAll(() => loadLibrary('cpu'));
  afterEach(() => {
    for (const memory of owned.splice(0)) memory.free();
  });

  it.each([1, 2, 5])('agrees with double precision on %i threads', (threads) => {
    const p = problem();
    using parameters = new AttentionArguments(shape, { sequences: 2, blocks: 3 });
    parameters.write(p.sequences);
    const out = new Float32Array(p.q.length);
    kernel.run(parameters.params, p.q, out, threads);
    expect(error(p, out)).toBeLessThan(1e-5);
  });

  it('runs as two nodes of a ggml graph, and again after the sequences have grown', async () => {
    const p = problem();
    using parameters = new AttentionArguments(shape, { sequences: 2, blocks: 3 });
    parameters.write(p.sequences);
    const backend = await Backend.open({ device: 'cpu', threads: 2 });
    const scratch = allocateMemory(kernel.scratchBytes(parameters.params, backend.threads));
    parameters.setScratch(scratch);
    const g = new GraphContext(16);
    const ne = [shape.headDim, shape.heads, 6, 1] as const;
    const input = allocateMemory(p.q.byteLength);
    const output = allocateMemory(p.q.byteLength);
    owned.push(scratch, input, output);
    const q = backend.placed(g, TensorType.F32, ne, backend.hostMemory(input.address), 0);
    const attended = g.custom(ne, [q], kernel.attend, parameters.op);
    const merged = g.custom(ne, [attended], kernel.merge, parameters.op);
    g.expand(g.copy(merged, backend.placed(g, TensorType.F32, ne, backend.hostMemory(output.address), 0)));
    const allocator = backend.allocator();
    allocator.place(g);
    const compute = async () => {
      input.bytes.set(new Uint8Array(p.q.buffer));
      await allocator.compute(g);
      return new Float32Array(output.bytes.buffer, output.bytes.byteOffset, p.q.length);
    };
    expect(error(p, await compute())).toBeLessThan(1e-5);

    const own = block(6, 20, 32, 40, false);
    const [first, second] = p.sequences;
    p.sequences = [first, { ...second, own, position: 59 }];
    parameters.write([first, { ...second, own: { ...own, tokens: 3 } }]);
    parameters.grow(1, 59, 20);
    expect(error(p, await compute())).toBeLessThan(1e-5);
    allocator.dispose();
    g.dispose();
    backend.dispose();
  });

  it('refuses parameters that contradict themselves', () => {
    using parameters = new AttentionArguments({ ...shape, kvHeads: 3 }, { sequences: 1, blocks: 0 });
    expect(() => kernel.scratchBytes(parameters.params, 2)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it('refuses more blocks than it made room for, and sequences that were not written', () => {
    const { sequences } = problem();
    using parameters = new AttentionArguments(shape, { sequences: 2, blocks: 2 });
    expect(() => parameters.write(sequences)).toThrow('2 sequences with 3 blocks exceed');
    expect(() => parameters.grow(0, 1, 1)).toThrow('sequence 0 has not been written');
  });
});

it(`is absent where ${nativeVariable}=0 switches it off, and says so`, () => {
  vi.stubEnv(nativeVariable, '0');
  expect(loadNativeKernel()).toBeUndefined();
  expect(nativeKernelState()).toMatchObject({ code: 'off', reason: expect.stringContaining(nativeVariable) });
  vi.unstubAllEnvs();
  expect(nativeKernelState().kernel).toBe(kernel);
});
