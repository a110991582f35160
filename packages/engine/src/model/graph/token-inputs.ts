/**
 * Inputs that every layer has of its own from the token, besides the residual (Gemma 4's per-layer embeddings): a row of a
 * table plus a map of the token's embedding. Knows nothing of attention: they depend on the token alone.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { TokenInput, TokenInputs } from '../weights/layers.ts';
import type { LinearMap } from './feed-forward.ts';
import { norm } from './norm.ts';

/**
 * @param x embeddings [embedding, tokens], scaled
 * @param tokens i32 [tokens]
 * @returns a layer's input, [width, tokens]
 */
export function tokenInputs(
  g: GraphContext,
  linear: LinearMap,
  weights: TokenInputs,
  x: Tensor,
  tokens: Tensor,
  hp: HyperParameters,
): (layer: number) => Tensor {
  const { tokenInputLength: width, fileLayers: layers } = hp;
  const count = tokens.ne[0];
  const shaped = (part: Tensor) => g.reshape(part, width, layers, count);
  const mapped = g.scale(linear(weights.projection, x), 1 / Math.sqrt(x.ne[0]));
  const rows = g.scale(g.getRows(weights.embedding, tokens), Math.sqrt(width));
  const both = g.add(norm(g, shaped(mapped), weights.norm, hp), shaped(rows));
  const all = g.cont(g.permute(g.scale(both, Math.SQRT1_2), 0, 2, 1, 3)); // [width, tokens, layers]
  return (layer) => g.view(all, [width, count, 1, 1], all.nb[1], all.nb[2], all.nb[3], layer * all.nb[2]);
}

/** @param own the layer's input [width, tokens] @returns the residual `x` [embedding, tokens] with it */
export function addTokenInput(
  g: GraphContext,
  linear: LinearMap,
  { gate, projection, postNorm }: TokenInput,
  x: Tensor,
  own: Tensor,
  hp: HyperParameters,
): Tensor {
  const gated = g.mul(g.gelu(linear(gate, x)), own);
  return g.add(x, norm(g, linear(projection, gated), postNorm, hp));
}
