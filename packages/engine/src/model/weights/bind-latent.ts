/** Finds the maps of latent attention, whether a file has those of keys and values apart or, as old ones do, in one. */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LatentParameters } from '../architecture/layer-attention.ts';
import type { Binder } from './bind-weights.ts';
import type { LatentProjections } from './layers.ts';

type At = (name: string) => string;

export function bindLatent(
  bind: Binder,
  { rank, plainDim, rotatedDim, queryRank }: LatentParameters,
  { embedding, heads }: { readonly embedding: number; readonly heads: number },
  at: At,
): LatentProjections {
  const queries = heads * (plainDim + rotatedDim);
  const down = { map: at('attn_q_a'), norm: at('attn_q_a_norm') };
  return {
    queryDown:
      queryRank === 0
        ? undefined
        : { map: bind.linear(down.map, embedding, queryRank), norm: bind.norm(down.norm, queryRank) },
    query:
      queryRank === 0 ? bind.linear(at('attn_q'), embedding, queries) : bind.linear(at('attn_q_b'), queryRank, queries),
    keyDown: bind.linear(at('attn_kv_a_mqa'), embedding, rank + rotatedDim),
    latentNorm: bind.norm(at('attn_kv_a_norm'), rank),
    keyUp: bind.weights.require(at('attn_k_b.weight'), plainDim, rank, heads),
  };
}

/** [rank, output, heads] */
export function bindValueUp(bind: Binder, { rank, outputDim }: LatentParameters, heads: number, at: At): Tensor {
  return bind.weights.require(at('attn_v_b.weight'), rank, outputDim, heads);
}
