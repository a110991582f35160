import { expect, test } from 'vitest';
import { GraphContext } from '../graph/graph-context.ts';
import { TensorType } from '../graph/tensor.ts';
import { Backend } from './backend.ts';

test('nodes are timed one by one, a norm with its product, and results are those of the whole graph', async () => {
  const backend = await Backend.open({ device: 'cpu', threads: 1 });
  const { allocator, times } = backend.timingAllocator();
  const g = new GraphContext(16);
  try {
    const x = g.input(TensorType.F32, 64, 3);
    const weight = g.input(TensorType.F32, 64);
    const y = g.output(g.add(g.mul(g.rmsNorm(g.reshape(x, 64, 3), 1e-5), weight), x));
    allocator.place(g);
    const results: Float32Array[] = [];
    // In turn by nodes and as a whole.
    for (let run = 0; run < 2; run++) {
      backend.write(
        x,
        Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)),
      );
      backend.write(weight, new Float32Array(64).fill(2));
      await allocator.compute(g);
      const values = new Float32Array(192);
      backend.read(y, values);
      results.push(values);
    }
    expect(results[1]).toEqual(results[0]);
    expect(Math.hypot(...(results[0] ?? []))).toBeGreaterThan(10);
    expect(times.nodes.map(({ operation }) => operation)).toEqual(['RMS_NORM', 'ADD']);
    for (const { ms } of times.nodes) expect(ms).toBeGreaterThanOrEqual(0);
    expect(times.wholeMs).toBeGreaterThan(0);
  } finally {
    g.dispose();
    allocator.dispose();
    backend.dispose();
  }
});
