/** What the files of models with latent attention have of their own: keys of the header, and a layer's tensors. */
import type { GgufEntry, GgufTensorSource } from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import type { Makers, Shape } from './random-model.ts';

export interface RandomLatent {
  readonly rank: number;
  readonly rotated: number;
  readonly plain: number;
  readonly output: number;
  /** Defaults to 0: queries are mapped from the residual. llama.cpp takes that of 26 or 27 layers alone. */
  readonly queryRank?: number;
  /** Whether keys and values have one map, as in files of before 2025. Defaults to false. */
  readonly fused?: boolean;
}

export function latentEntries({ family, heads }: Shape, latent: RandomLatent): [string, GgufEntry][] {
  const { rank, rotated, plain, output, queryRank, fused } = latent;
  const numbers: Record<string, number> = {
    'attention.kv_lora_rank': rank,
    ...(queryRank !== undefined && { 'attention.q_lora_rank': queryRank }),
    'rope.dimension_count': rotated,
    ...(fused === true
      ? {
          'attention.head_count_kv': heads,
          'attention.key_length': plain + rotated,
          'attention.value_length': output,
        }
      : {
          'attention.head_count_kv': 1,
          'attention.key_length': rank + rotated,
          'attention.value_length': rank,
          'attention.key_length_mla': plain + rotated,
          'attention.value_length_mla': output,
        }),
  };
  return Object.entries(numbers).map(([key, value]) => [`${family}.${key}`, { u32: value }]);
}

export function* latentAttention(
  { embedding, heads }: Shape,
  { rank, rotated, plain, output, queryRank, fused }: RandomLatent,
  name: (part: string) => string,
  make: Makers,
): Generator<GgufTensorSource> {
  const queries = heads * (plain + rotated);
  if (queryRank === undefined) {
    yield make.matrix(name('attn_q'), embedding, queries, 1.5);
  } else {
    yield make.matrix(name('attn_q_a'), embedding, queryRank);
    yield* make.norm(name('attn_q_a_norm'), queryRank);
    yield make.matrix(name('attn_q_b'), queryRank, queries, 1.5);
  }
  yield make.matrix(name('attn_kv_a_mqa'), embedding, rank + rotated, 1.5);
  yield* make.norm(name('attn_kv_a_norm'), rank);
  if (fused === true) {
    yield make.matrix(name('attn_kv_b'), rank, heads * (plain + output));
  } else {
    yield make.stack(name('attn_k_b'), plain, rank, heads);
    yield make.stack(name('attn_v_b'), rank, output, heads);
  }
  yield make.matrix(name('attn_output'), heads * output, embedding);
}
