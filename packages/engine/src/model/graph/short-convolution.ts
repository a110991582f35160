/**
 * A layer's gated short convolution (LFM2): the input is gated, summed over the last few tokens, and gated again. Knows
 * nothing of what stands before the graph's tokens: whoever knows which rows follow which convolves. Shapes are ggml's,
 * innermost first.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { ConvolutionWeights } from '../weights/layers.ts';
import type { LinearMap } from './feed-forward.ts';

/**
 * @param h [embedding, tokens]
 * @param convolve sums over tokens: [channels, tokens] to the same shape
 * @returns what makes the result, [embedding, tokens]
 */
export function shortConvolution(
  g: GraphContext,
  linear: LinearMap,
  { convolution, input, output }: ConvolutionWeights,
  h: Tensor,
  convolve: (layer: LayerConvolution, x: Tensor) => Tensor,
): () => Tensor {
  const { channels } = convolution;
  const all = linear(input, h); // [3 * channels, tokens]
  const part = (i: number) =>
    g.view(all, [channels, all.ne[1], 1, 1], all.nb[1], all.nb[2], all.nb[3], i * channels * 4);
  const sums = convolve(convolution, g.mul(part(0), part(2)));
  return () => linear(output, g.mul(sums, part(1)));
}

/**
 * The sum over a kernel's taps.
 * @param rows of each result the input of one tap, the oldest first: [channels, results]
 * @returns [channels, results]
 */
export function sumOfTaps(
  g: GraphContext,
  { kernel, taps, channels }: LayerConvolution,
  rows: (tap: number) => Tensor,
): Tensor {
  const weights = g.copy(g.permute(kernel, 1, 0, 2, 3), g.tensor(TensorType.F32, channels, taps));
  const { nb } = weights;
  const product = (tap: number) =>
    g.mul(rows(tap), g.view(weights, [channels, 1, 1, 1], nb[1], nb[2], nb[3], tap * nb[1]));
  let sum = product(0);
  for (let tap = 1; tap < taps; tap++) sum = g.add(sum, product(tap));
  return sum;
}
