/**
 * How one layer attends, as a description: whatever a family's attention has of its own (a window, a scale, a cap) has
 * its one home here, and in each attention path. Layers of one model may differ; paths never ask which layer it is.
 */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { Rope } from './rope.ts';

/** What a model's file says about one layer's attention. */
export interface AttentionParameters {
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  /** Elements of one head's query and key. */
  readonly headDim: number;
  /** Elements of one head's value. */
  readonly valueDim: number;
  /** Whether a value is the last `valueDim` elements of its key, and is not stored besides. */
  readonly valuesInKeys: boolean;
  /** What keys and values are mapped to, and queries from (MLA); undefined where a map gives each of them. */
  readonly latent: LatentParameters | undefined;
  /** Absent for layers without rotary embedding (NoPE). */
  readonly rope: Rope | undefined;
  /** Sliding window in tokens, 0 for none: a key is seen while query position - key position < window. */
  readonly window: number;
  /** Factor of the scores before the softmax. */
  readonly scale: number;
  /** Scores s become cap * tanh(s / cap), after `scale`; 0 is off (Gemma 2). */
  readonly softcap: number;
  /** Factor of queries that grows with their position; undefined for none. */
  readonly temperature: Temperature | undefined;
  /** Place of the layer's keys and values in a KvLayout. */
  readonly slot: number;
  /** Whether what lies there is an earlier layer's, and this one has no keys and values of its own (Gemma 4). */
  readonly borrows: boolean;
}

/**
 * Multi-head latent attention (DeepSeek 2): a token's keys and values of all heads are maps of one short vector, the latent,
 * and a part of each key that is rotated and that all heads share. The maps are taken to the other side, to queries and to
 * results, so that every head attends to the rotated part and the latent itself, which is all that is stored.
 */
export interface LatentParameters {
  /** Elements of the latent. */
  readonly rank: number;
  /** Elements of a head's query that meet the latent, and those that are rotated. */
  readonly plainDim: number;
  readonly rotatedDim: number;
  /** Elements of a head's result, once mapped from the latent. */
  readonly outputDim: number;
  /** Elements of the vector that queries are mapped from; 0 where they are mapped from the residual. */
  readonly queryRank: number;
}

/** A query at position p is multiplied by 1 + scale * ln(1 + floor(p / length)) (Ministral 3). */
export interface Temperature {
  readonly scale: number;
  readonly length: number;
}

/** The same, with what lies among the weights. */
export interface LayerAttention extends AttentionParameters {
  /** Divisors of the rotary embedding's frequencies, f32 [dims / 2]. */
  readonly ropeFactors: Tensor | undefined;
  /** A logit per head that takes part in the softmax and attends to nothing, f32 [heads] (gpt-oss). */
  readonly sinks: Tensor | undefined;
  /**
   * Factors of a query's elements after its rotation, f32 [headDim] each; none for most. Norms that come after the rotation
   * have weights of queries and of keys, and a key that has been multiplied cannot be turned any more: both are the
   * query's (Hunyuan).
   */
  readonly queryGains: readonly Tensor[];
}

/** The sliding windows among layers, each once, in ascending order; 0, for layers without, is not among them. */
export function windowsOf(layers: readonly Pick<AttentionParameters, 'window'>[]): number[] {
  return [...new Set(layers.map(({ window }) => window))].filter((window) => window > 0).sort((a, b) => a - b);
}

/** What lies in each slot of a KvLayout. */
export type SlotShape = Pick<AttentionParameters, 'kvHeads' | 'headDim' | 'valueDim' | 'valuesInKeys'>;

/** The slots of layers in their order: one for each that does not borrow. */
export function slotsOf(layers: readonly AttentionParameters[]): SlotShape[] {
  return layers
    .filter(({ borrows }) => !borrows)
    .map(({ kvHeads, headDim, valueDim, valuesInKeys }) => ({ kvHeads, headDim, valueDim, valuesInKeys }));
}
