/**
 * What a family's own file says: the features that its graph is put together from. A new family is a file beside this
 * one, and a line in index.ts.
 *
 * Values that a model's file leaves out get llama.cpp's defaults, since files are written with it in mind.
 */
import type { MetadataReader } from '../metadata-reader.ts';

export interface Shapes {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly heads: number;
  readonly headDim: number;
}

/** Which of a layer's linear maps are routed over, and how (mixture of experts). */
export interface ExpertFeatures {
  /**
   * From the router's logits to the chosen experts' weights. `softmax`: over all experts, before the choice. `sigmoid`:
   * each by itself. `chosen`: softmax over the chosen ones alone.
   */
  readonly routing: 'softmax' | 'sigmoid' | 'chosen';
  /** Whether the chosen experts' weights are divided by their sum. */
  readonly normalised: boolean;
  /** Whether there are files of the family without experts. Defaults to false. */
  readonly optional?: boolean;
  /** An expert that every token meets, as much of it as a gate of its own lets through. Defaults to none. */
  readonly shared?: 'gated';
}

export interface Family {
  /** The models of it that people know, for lists. */
  readonly models: string;
  /** Pairing of rotated dimensions: (2i, 2i+1) or (i, i + dims/2). */
  readonly ropePairs: 'norm' | 'neox';
  /** Every n-th layer has no rotary embedding (SmolLM3). */
  readonly nopePeriod?: number;
  /** Sliding windows. Absent: the family has none. */
  readonly sliding?: SlidingFeatures;
  /** Whether frequencies may have divisors, in a tensor of the file. Defaults to true. */
  readonly ropeFactors?: boolean;
  /**
   * Of the feed-forward's gate. `clamped`: silu with a slope of 1.702 on gates up to 7, times 1 + up, with up within 7
   * (gpt-oss).
   */
  readonly activation: 'silu' | 'gelu' | 'clamped';
  readonly scaledEmbeddings?: boolean;
  /** Default of the final logits' cap; absent: they are not capped whatever the file says. */
  readonly logitSoftcap?: number;
  /** Default of the scores' cap, likewise. */
  readonly attentionSoftcap?: number;
  /** Whether every head has a sink. */
  readonly attentionSinks?: boolean;
  /** The norm before the feed-forward is called the one after attention (gpt-oss). */
  readonly feedForwardNorm?: 'post_attention_norm';
  /** Absent: files with experts are refused. */
  readonly experts?: ExpertFeatures;
  readonly attentionScale: (reader: MetadataReader, shapes: Shapes) => number;
}

export interface SlidingFeatures {
  /** Of n layers the last has full attention, unless the file has a pattern of its own. */
  readonly period: number;
  /** Default width in tokens. */
  readonly window: number;
  /**
   * Layers with a window rotate by a base of their own, this one unless the file says otherwise, and without scaling.
   * Absent: every layer rotates alike, but for a base that the file may have.
   */
  readonly ropeBase?: number;
}

export const byHeadDim = (_: MetadataReader, { headDim }: Shapes): number => 1 / Math.sqrt(headDim);
export const configurable = (reader: MetadataReader, shapes: Shapes): number =>
  reader.number('attention.scale') || byHeadDim(reader, shapes);
