/**
 * How one layer attends, as a description: whatever a family's attention has of its own (a window, a scale, a cap) has
 * its one home here, and in each attention path. Layers of one model may differ; paths never ask which layer it is.
 */
import type { Tensor } from '../ggml/tensor.ts';
import type { Rope } from './rope.ts';

/** What a model's file says about one layer's attention. */
export interface AttentionParameters {
  /** Absent for layers without rotary embedding (NoPE). */
  readonly rope: Rope | undefined;
  /** Sliding window in tokens, 0 for none: a key is seen while query position - key position < window. */
  readonly window: number;
  /** Factor of the scores before the softmax. */
  readonly scale: number;
  /** Scores s become cap * tanh(s / cap), after `scale`; 0 is off (Gemma 2). */
  readonly softcap: number;
}

/** The same, with what lies among the weights. */
export interface LayerAttention extends AttentionParameters {
  /** Place of the layer's keys and values in a KvLayout. */
  readonly slot: number;
  /** Divisors of the rotary embedding's frequencies, f32 [dims / 2]. */
  readonly ropeFactors: Tensor | undefined;
  /** A logit per head that takes part in the softmax and attends to nothing, f32 [heads] (gpt-oss). */
  readonly sinks: Tensor | undefined;
}

/** The sliding windows among layers, each once, in ascending order; 0, for layers without, is not among them. */
export function windowsOf(layers: readonly Pick<AttentionParameters, 'window'>[]): number[] {
  return [...new Set(layers.map(({ window }) => window))].filter((window) => window > 0).sort((a, b) => a - b);
}
