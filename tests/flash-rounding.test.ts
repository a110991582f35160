/** What attention over gathered rows may round, checked on ggml's own flash attention against float64. */
import { afterAll, beforeAll, it } from 'vitest';
import { Backend } from '../packages/engine/src/ggml/device/backend.ts';
import { GraphContext } from '../packages/engine/src/ggml/graph/graph-context.ts';
import { dequantize, quantize } from '../packages/engine/src/ggml/graph/quantize.ts';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import { gatheredRounding } from './support/oracle/attention-paths.ts';
import { relativeError } from './support/oracle/forward-harness.ts';
import { expectWithin, roundingMargin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 1 });
});
afterAll(() => backend.dispose());

const headDim = 64;
/** Root mean square of what a half is off by, relative. */
const unit = 2 ** -11 / Math.sqrt(3);

function exact(q: Float32Array, k: Float32Array, v: Float32Array, keys: number): Float32Array {
  const scores = Float64Array.from({ length: keys }, (_, key) => {
    let sum = 0;
    for (let d = 0; d < headDim; d++) sum += (q[d] ?? 0) * (k[key * headDim + d] ?? 0);
    return sum / Math.sqrt(headDim);
  });
  const most = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Float32Array.from({ length: headDim }, (_, d) => {
    let sum = 0;
    for (let key = 0; key < keys; key++) sum += (weights[key] ?? 0) * (v[key * headDim + d] ?? 0);
    return sum / total;
  });
}

it.each([16, 64, 256, 1024, 4096, 16_384])(
  'one query over %i keys in f16 is off by no more than √keys explains',
  async (keys) => {
    const prng = createPrng(keys);
    const halves = (count: number) => {
      const bits = quantize(TensorType.F16, prng.normal(count, 1), headDim);
      return { bits, values: dequantize(TensorType.F16, bits, headDim) };
    };
    const [q, k, v] = [halves(headDim), halves(keys * headDim), halves(keys * headDim)];
    const g = new GraphContext(16);
    const allocator = backend.allocator();
    const query = g.input(TensorType.F32, headDim, 1, 1);
    const key = g.input(TensorType.F16, headDim, keys, 1);
    const value = g.input(TensorType.F16, headDim, keys, 1);
    const mask = g.input(TensorType.F16, keys, 1);
    const result = g.output(g.flashAttention(query, key, value, mask, 1 / Math.sqrt(headDim)));
    allocator.place(g);
    backend.write(query, q.values);
    backend.write(key, k.bits);
    backend.write(value, v.bits);
    backend.write(mask, new Uint16Array(keys));
    await allocator.compute(g);
    const found = new Float32Array(headDim);
    backend.read(result, found);
    // All inputs are halves to the bit: of the four roundings of states none is left.
    const bound = roundingMargin * unit * Math.SQRT2 * gatheredRounding('f16', keys);
    expectWithin(relativeError(found, exact(q.values, k.values, v.values, keys)), bound, `${keys} keys`);
    allocator.dispose();
    g.dispose();
  },
);
