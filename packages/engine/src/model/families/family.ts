/**
 * What a family's own file says: the features that its graph is put together from. A new family is a file beside this
 * one, and a line in index.ts.
 *
 * Values that a model's file leaves out get llama.cpp's defaults, since files are written with it in mind.
 */
import type { MetadataReader } from '../architecture/metadata-reader.ts';

export interface Shapes {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly heads: number;
  readonly headDim: number;
}

export type Routing = 'softmax' | 'sigmoid' | 'chosen';

/** Which of a layer's linear maps are routed over, and how (mixture of experts). */
export interface ExpertFeatures {
  /**
   * From the router's logits to the chosen experts' weights. `softmax`: over all experts, before the choice. `sigmoid`:
   * each by itself. `chosen`: softmax over the chosen ones alone.
   */
  readonly routing: Routing | ((file: { readonly layers: number; readonly vocabulary: number }) => Routing);
  /** Whether the chosen experts' weights are divided by their sum. `file`: where the file says so. */
  readonly normalised: boolean | 'file';
  /** Whether there are files of the family without experts. Defaults to false. */
  readonly optional?: boolean;
  /**
   * A feed-forward that every token meets besides: as much of it as a gate of its own lets through (`gated`), all of it
   * (`plain`), or the layer's ordinary one, with norms of its own (`layer`). Defaults to none.
   */
  readonly shared?: 'gated' | 'plain' | 'layer';
  /** Experts' widths that it is wide where the file gives neither a width nor a number. Defaults to 0: there is none. */
  readonly sharedCount?: number;
  /** Whether the width that the file gives it is that of each of a number. Defaults to that of all. */
  readonly sharedEach?: boolean;
  /** Whether only layers that have a router in the file are routed; the others are dense. Defaults to all. */
  readonly someLayers?: boolean;
  /** What the router reads: what the feed-forward does, or the residual as it comes into the layer (`layer`). */
  readonly routerReads?: 'layer';
}

export interface Family {
  /** The models of it that people know, for lists. */
  readonly models: string;
  /** Pairing of rotated dimensions: (2i, 2i+1) or (i, i + dims/2). */
  readonly ropePairs: 'norm' | 'neox';
  /** Whether a layer has a rotary embedding. Defaults to all layers. */
  readonly rotates?: (place: RopePlace) => boolean;
  /** Sliding windows. Absent: the family has none. */
  readonly sliding?: SlidingFeatures;
  /** Whether frequencies may have divisors, in a tensor of the file. Defaults to true. */
  readonly ropeFactors?: boolean;
  /** LayerNorm in place of the root mean square. Defaults to `rms`. */
  readonly norm?: 'rms' | 'layer';
  /** Attention and feed-forward read the residual as it is: norms come after them (OLMo 2). */
  readonly postNormed?: boolean;
  /** Layers without a second norm feed attention and feed-forward the same, and add both (Falcon). */
  readonly parallel?: boolean;
  /**
   * What a norm of queries and keys has weights for, where there is one. `whole`: all heads together, which are
   * normalised as one. `each`: every head its own. `rotated`: one head, for all of them, but what is normalised has been
   * rotated (Hunyuan). Defaults to one head, for all of them.
   */
  readonly queryKeyNorm?: 'whole' | 'each' | 'rotated';
  /** Values are normalised, without weights; where the file has no map for them, they are the keys (Gemma 4). */
  readonly valueNorm?: boolean;
  /**
   * Of the feed-forward's gate. `clamped`: silu with a slope of 1.702 on gates up to 7, times 1 + up, with up within 7
   * (gpt-oss).
   */
  readonly activation: 'silu' | 'gelu' | 'relu' | 'clamped' | 'squared relu';
  /** Whether the feed-forward has a gate. Defaults to true. */
  readonly gated?: boolean;
  readonly scaledEmbeddings?: boolean;
  /** Whether the file's factors of embeddings and of what layers add are applied (Granite). */
  readonly multipliers?: boolean;
  /** What the file's `logit_scale` does to the logits. Defaults to nothing. */
  readonly logitScale?: 'multiplies' | 'divides';
  /** Default of the final logits' cap; absent: they are not capped whatever the file says. */
  readonly logitSoftcap?: number;
  /** Default of the scores' cap, likewise. */
  readonly attentionSoftcap?: number;
  /** Whether every head has a sink. */
  readonly attentionSinks?: boolean;
  /** Whether the file's alpha raises the base of the rotation, as for contexts that are longer (NTK). Defaults to false. */
  readonly ntkAlpha?: boolean;
  /** Whether the file's own corners of YaRN are read. Defaults to false. */
  readonly yarnKeys?: boolean;
  /**
   * What of YaRN's magnitude the scale of the scores makes up for, by the logarithm of the stretch. Defaults to 0: the
   * rotation has all of it.
   */
  readonly yarnOverall?: (reader: MetadataReader) => number;
  /** Keys and values are maps of one latent (MLA, DeepSeek 2). */
  readonly latent?: boolean;
  /** Whether queries grow with their position as the file says (Ministral 3). */
  readonly temperature?: boolean;
  /** Whether the file may make its last layers use the states of earlier ones, and give each layer an input of its own. */
  readonly sharedStates?: boolean;
  /** Whether layers without heads of keys and values have a gated short convolution in place of attention (LFM2). */
  readonly shortConvolutions?: boolean;
  /** What the last norm is called. Defaults to `output_norm`. */
  readonly outputNorm?: 'token_embd_norm';
  /** The norm before the feed-forward is called the one after attention (gpt-oss). */
  readonly feedForwardNorm?: 'post_attention_norm';
  /** Absent: files with experts are refused. */
  readonly experts?: ExpertFeatures;
  readonly attentionScale: (reader: MetadataReader, shapes: Shapes) => number;
}

/** Where a layer stands, for families some of whose layers are not rotated. */
export interface RopePlace {
  readonly layer: number;
  /** Whether the layer has a sliding window, and whether any has. */
  readonly windowed: boolean;
  readonly anyWindow: boolean;
  readonly reader: MetadataReader;
}

export interface SlidingFeatures {
  /** Of n layers the last has full attention, unless the file has a pattern of its own. */
  readonly period: number;
  /** The first has, in place of the last. Defaults to false. */
  readonly fullFirst?: boolean;
  /** Default width in tokens. */
  readonly window: number;
  /** Whether a model has windows at all. Defaults to every one with a width. */
  readonly when?: (shapes: { readonly layers: number }) => boolean;
  /**
   * Layers with a window rotate by a base of their own, this one unless the file says otherwise, and without scaling.
   * `plain`: by the others' base, without scaling. Absent: every layer rotates alike, but for a base that the file has.
   */
  readonly ropeBase?: number | 'plain';
  /** Whether their frequencies have the file's divisors. Defaults to true. */
  readonly ropeFactors?: boolean;
}

export const byHeadDim = (_: MetadataReader, { headDim }: Shapes): number => 1 / Math.sqrt(headDim);
export const configurable = (reader: MetadataReader, shapes: Shapes): number =>
  reader.number('attention.scale') || byHeadDim(reader, shapes);
