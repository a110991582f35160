/**
 * The pieces that every portable attention is made of: rotation, scores, weighted values, head merging.
 */
import type { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import type { ForwardModel } from './forward.ts';

/** Rotates `x` [headDim, heads, tokens] at `positions` as layer `layer` does; layers without RoPE return it unchanged. */
export function rotate(g: GraphContext, model: ForwardModel, layer: number, x: Tensor, positions: Tensor): Tensor {
  const rope = model.hyperParameters.ropes[layer];
  if (rope === undefined) return x;
  const factors = rope.factorsTensor === undefined ? undefined : model.weights.ropeFactors;
  return g.rope(x, positions, factors ?? null, rope);
}

/** Rows [first, first + count) of `x` [headDim, heads, tokens]. */
export function tokenRange(g: GraphContext, x: Tensor, first: number, count: number): Tensor {
  if (first === 0 && count === x.ne[2]) return x;
  return g.view(x, [x.ne[0], x.ne[1], count, 1], x.nb[1], x.nb[2], x.nb[3], first * x.nb[2]);
}

/** [headDim, heads, tokens] -> [headDim, tokens, heads], without copying. */
export function byHead(g: GraphContext, x: Tensor): Tensor {
  return g.permute(x, 0, 2, 1, 3);
}

/** [headDim, tokens, heads] -> [headDim * heads, tokens]. */
export function mergeHeads(g: GraphContext, x: Tensor): Tensor {
  const merged = g.cont(g.permute(x, 0, 2, 1, 3));
  return g.reshape(merged, x.ne[0] * x.ne[2], x.ne[1]);
}
