/**
 * A gated short convolution in place of attention (LFM2): of each element of the residual's projection, a weighted sum over
 * the token's own and those of the few tokens before it. All that it needs of what stands before is a tail: the inputs of
 * the last `taps - 1` tokens.
 */
import type { Tensor } from '../../ggml/graph/tensor.ts';

/** What a model's file says about one layer's convolution. */
export interface ConvolutionParameters {
  /** Tokens that a result is made of, its own among them. At least 2. */
  readonly taps: number;
  /** Elements of a token's input, each convolved by itself. */
  readonly channels: number;
  /** Place of the layer's tail in a KvLayout. */
  readonly tail: number;
}

/** The same, with what lies among the weights. */
export interface LayerConvolution extends ConvolutionParameters {
  /** Weights of each element, the oldest token's first: [taps, channels]. */
  readonly kernel: Tensor;
}

/** What a stored block, or a sequence, keeps for one layer: inputs of `tokens` tokens, in f32. */
export interface TailShape {
  readonly tokens: number;
  readonly channels: number;
}

/** The tails of layers in their order. */
export function tailsOf(layers: readonly ConvolutionParameters[]): TailShape[] {
  return layers.map(({ taps, channels }) => ({ tokens: taps - 1, channels }));
}
