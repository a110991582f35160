/** Normalisation of rows, as all families have it: root mean square, or LayerNorm with its bias. */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';

export interface Norm {
  readonly weight: Tensor; // [width], or [headDim, heads] where every head has its own
  readonly bias: Tensor | undefined; // [width]
}

export interface NormKind {
  readonly norm: 'rms' | 'layer';
  readonly normEpsilon: number;
}

/** @param x [width, …] @returns the same shape */
export function norm(g: GraphContext, x: Tensor, { weight, bias }: Norm, kind: NormKind): Tensor {
  const y = g.mul(normalised(g, x, kind), weight);
  return bias === undefined ? y : g.add(y, bias);
}

/** Without weight and bias. */
export function normalised(g: GraphContext, x: Tensor, { norm: which, normEpsilon }: NormKind): Tensor {
  return which === 'layer' ? g.layerNorm(x, normEpsilon) : g.rmsNorm(x, normEpsilon);
}
