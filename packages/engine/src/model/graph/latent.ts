/**
 * Latent attention around attention itself (MLA): what is handed to it are queries and keys over [rotated part, latent],
 * and the latents as values; what comes back is mapped to each head's result. Shapes are ggml's, innermost first.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { AttentionParameters, LatentParameters } from '../architecture/layer-attention.ts';
import type { LatentProjections } from '../weights/layers.ts';
import type { LinearMap } from './feed-forward.ts';
import { norm } from './norm.ts';
import type { Projected } from './projections.ts';

/** @param h [embedding, tokens] */
export function latentProjections(
  g: GraphContext,
  linear: LinearMap,
  maps: LatentProjections,
  { heads, latent }: AttentionParameters & { readonly latent: LatentParameters },
  h: Tensor,
  hp: HyperParameters,
): Projected {
  const { rank, plainDim, rotatedDim } = latent;
  const tokens = h.ne[1];
  const { queryDown, keyDown, latentNorm, keyUp } = maps;
  const source = queryDown === undefined ? h : norm(g, linear(queryDown.map, h), queryDown.norm, hp);
  const queries = g.reshape(linear(maps.query, source), plainDim + rotatedDim, heads, tokens);
  const part = (x: Tensor, dims: number, first: number) =>
    g.view(x, [dims, x.ne[1], x.ne[2], 1], x.nb[1], x.nb[2], x.nb[3], first * 4);
  const absorbed = g.mulMat(keyUp, g.permute(part(queries, plainDim, 0), 0, 2, 1, 3)); // [rank, tokens, heads]
  const q = g.concat(part(queries, rotatedDim, plainDim), g.permute(absorbed, 0, 2, 1, 3), 0);

  const down = g.reshape(linear(keyDown, h), rank + rotatedDim, 1, tokens);
  const v = norm(g, part(down, rank, 0), latentNorm, hp); // [rank, 1, tokens]
  const k = g.concat(part(down, rotatedDim, rank), v, 0);
  return { q, k, v };
}

/** @param attended [rank * heads, rows] @returns [output * heads, rows] */
export function latentResult(g: GraphContext, valueUp: Tensor, attended: Tensor): Tensor {
  const [rank, output, heads] = valueUp.ne;
  const rows = attended.ne[1];
  const byHead = g.permute(g.reshape(attended, rank, heads, rows), 0, 2, 1, 3); // [rank, rows, heads]
  return g.reshape(g.cont(g.permute(g.mulMat(valueUp, byHead), 0, 2, 1, 3)), output * heads, rows);
}
