import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadLibrary } from '../ffi/library.ts';
import { GraphContext } from '../graph/graph-context.ts';
import { quantize } from '../graph/quantize.ts';
import { type Shape, TensorType } from '../graph/tensor.ts';
import { Backend } from './backend.ts';

let backend: Backend;
beforeAll(async () => {
  await loadLibrary('cpu');
  backend = await Backend.open({ device: 'cpu', threads: 1 });
});
afterAll(() => backend.dispose());

// Which types a CPU has kernels for is its own matter.
it.each(['Q4_0', 'Q4_K', 'Q8_0'] as const)('experts in %s are repacked where matrices are', (name) => {
  const type = TensorType[name];
  const context = new GraphContext(16);
  const repacker = backend.repacker();
  const copy = (ne: Shape) => {
    const values = Float32Array.from({ length: ne[0] * ne[1] * ne[2] }, (_, i) => Math.sin(i));
    const found = repacker?.repack(context, type, ne, quantize(type, values, ne[0]));
    found?.release();
    return found !== undefined;
  };
  expect(copy([256, 64, 4, 1])).toBe(copy([256, 64, 1, 1]));
  context.dispose();
});
