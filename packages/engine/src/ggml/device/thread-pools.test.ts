import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphContext } from '../graph/graph-context.ts';
import { TensorType } from '../graph/tensor.ts';
import { loadNativeKernel } from '../native/native-kernel.ts';
import { barrierWaits } from '../native/yielding-barrier.ts';
import { Backend } from './backend.ts';

const elf = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
const size = 64;
const products = 300;

let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 6 });
});
afterAll(() => backend.dispose());

/** x <- W x, 300 times, with a W that keeps lengths: as many barriers, next to no work between them. */
async function chain(): Promise<Float32Array> {
  const allocator = backend.allocator();
  const weights = new GraphContext(4);
  const w = weights.tensor(TensorType.F32, size, size);
  const start = weights.tensor(TensorType.F32, size, 4);
  const release = backend.allocate(weights, 'two matrices');
  const g = new GraphContext(products + 16);
  try {
    const turn = new Float32Array(size * size);
    for (let i = 0; i < size; i += 2) {
      turn.set([Math.cos(i), -Math.sin(i)], i * size + i);
      turn.set([Math.sin(i), Math.cos(i)], (i + 1) * size + i);
    }
    backend.write(w, turn);
    backend.write(
      start,
      Float32Array.from({ length: size * 4 }, (_, i) => Math.sin(i)),
    );
    let x = start;
    for (let i = 0; i < products; i++) x = g.mulMat(w, x);
    g.output(x);
    allocator.place(g);
    await allocator.compute(g);
    const values = new Float32Array(size * 4);
    backend.read(x, values);
    return values;
  } finally {
    g.dispose();
    weights.dispose();
    release();
    allocator.dispose();
  }
}

describe('threads of a backend', () => {
  test('as many as wanted, at most as many as it was opened with, and the same result', async () => {
    const results: Float32Array[] = [];
    for (const threads of [6, 1, 3, 2, 6, 100, 0]) {
      backend.useThreads(threads);
      results.push(await chain());
    }
    for (const result of results) expect(result).toEqual(results[0]);
    // Lengths are kept: the products were made, all of them.
    const [first = new Float32Array()] = results;
    for (let row = 0; row < 4; row++) {
      const before = Array.from({ length: size }, (_, i) => Math.sin(row * size + i) ** 2);
      const after = first.subarray(row * size, (row + 1) * size).map((value) => value ** 2);
      const sum = (list: Iterable<number>) => [...list].reduce((total, value) => total + value, 0);
      expect(sum(after)).toBeCloseTo(sum(before), 3);
    }
  });

  test.skipIf(!elf || loadNativeKernel() === undefined)(
    'wait in the native barrier, which lets others have the core',
    async () => {
      expect(backend.threadsYield).toBe(true);
      backend.useThreads(6);
      const { waits } = barrierWaits();
      await chain();
      const after = barrierWaits();
      // Of six threads five wait at each of 300 barriers, unless one that comes late finds them all there.
      expect(after.waits - waits).toBeGreaterThan(products);
      expect(after.sleeps).toBeLessThanOrEqual(after.waits);
    },
  );

  test('a number of threads that cannot be is refused', async () => {
    for (const threads of [0, -1, 1.5, 513, Number.NaN]) {
      await expect(Backend.open({ device: 'cpu', threads })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const before = process.env.BLOCK_ATTENTION_THREADS;
    try {
      process.env.BLOCK_ATTENTION_THREADS = 'many';
      await expect(Backend.open({ device: 'cpu' })).rejects.toThrow('BLOCK_ATTENTION_THREADS is many');
      process.env.BLOCK_ATTENTION_THREADS = 'auto';
      const auto = await Backend.open({ device: 'cpu' });
      expect(auto.adaptive).toBe(true);
      expect(auto.threads).toBeGreaterThanOrEqual(1);
      auto.dispose();
    } finally {
      process.env.BLOCK_ATTENTION_THREADS = before;
    }
  });
});
