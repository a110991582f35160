/** Queries, keys and values of a layer, normalised where it normalises them, before the rotary embedding. */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { AttentionWeights } from '../weights/layers.ts';
import type { LinearMaps } from './feed-forward.ts';
import { latentProjections } from './latent.ts';
import { type Norm, norm, normalised } from './norm.ts';

export interface Projected {
  readonly q: Tensor; // [headDim, heads, tokens]
  readonly k: Tensor | undefined; // [headDim, kvHeads, tokens]
  readonly v: Tensor | undefined; // [valueDim, kvHeads, tokens]
}

/** @param h [embedding, tokens] */
export function projections(
  g: GraphContext,
  { linear, linears }: LinearMaps,
  layer: AttentionWeights,
  h: Tensor,
  hp: HyperParameters,
): Projected {
  const { heads, kvHeads, headDim, valueDim, latent } = layer.attention;
  const tokens = h.ne[1];
  const maps = layer.projections;
  if ('keyDown' in maps) {
    if (latent === undefined) throw new Error('latent maps belong to latent attention');
    return latentProjections(g, linear, maps, { ...layer.attention, latent }, h, hp);
  }
  const { queryKeyNorm } = hp.family;
  const whole = queryKeyNorm === 'whole';
  // A rotation does not change what a root mean square is of: dividing by it may come before, its weights may not.
  const bare = (x: Tensor) => (queryKeyNorm === 'rotated' ? normalised(g, x, hp) : x);
  const byHead = (x: Tensor, dims: number, count: number, weights: Norm | undefined) => {
    if (weights === undefined) return bare(g.reshape(x, dims, count, tokens));
    if (whole) return g.reshape(norm(g, x, weights, hp), dims, count, tokens);
    return norm(g, g.reshape(x, dims, count, tokens), weights, hp);
  };
  if ('fused' in maps) {
    const qkv = linear(maps.fused, h); // [(heads + kvHeads) * headDim + kvHeads * valueDim, tokens]
    const part = (dims: number, count: number, first: number) =>
      g.view(qkv, [dims, count, tokens, 1], dims * 4, qkv.nb[1], qkv.nb[2], first * 4);
    const normed = (x: Tensor, weights: Norm | undefined) =>
      weights === undefined ? bare(x) : norm(g, x, weights, hp);
    return {
      q: normed(part(headDim, heads, 0), layer.queryNorm),
      k: normed(part(headDim, kvHeads, heads * headDim), layer.keyNorm),
      v: part(valueDim, kvHeads, (heads + kvHeads) * headDim),
    };
  }
  if (!('k' in maps)) {
    return { q: byHead(linear(maps.q, h), headDim, heads, layer.queryNorm), k: undefined, v: undefined };
  }
  const [query, key, value = key] = linears([maps.q, maps.k, ...('v' in maps ? [maps.v] : [])], h) as [Tensor, Tensor];
  const q = byHead(query, headDim, heads, layer.queryNorm);
  const k = byHead(key, headDim, kvHeads, layer.keyNorm);
  const v = g.reshape(value, valueDim, kvHeads, tokens);
  return { q, k, v: hp.family.valueNorm === true ? normalised(g, v, hp) : v };
}
