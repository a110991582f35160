/** The named weights of each transformer layer: what a model's graph is built over. bind-weights.ts finds them. */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { Norm } from '../graph/norm.ts';

/** A change of low rank to a linear map (LoRA): y += scale * b (a x). */
export interface LowRank {
  readonly a: Tensor; // [in, rank]
  readonly b: Tensor; // [rank, out]
  readonly scale: number;
}

/** Names of the files' tensors that are a linear map of a layer. */
export const layerMatrix =
  /^blk\.\d+\.(attn_(q|k|v|qkv|output)|shortconv\.(in_proj|out_proj)|ffn_(gate|up|down))\.weight$/;

/** A linear map: y = weight x + bias. */
export interface Linear {
  /** For ggml's product: repacked for its kernels where that was asked for. */
  readonly weight: Tensor; // [in, out]
  /** As it lies in the file. */
  readonly stored: Tensor; // [in, out]
  readonly bias: Tensor | undefined; // [out]
  /** Acts on every row. */
  readonly adapter?: LowRank | undefined;
  /** Acts on the rows that passages are written with, and on no other. */
  readonly writer?: LowRank | undefined;
}

export type FeedForward = DenseFeedForward | ExpertFeedForward;

export interface DenseFeedForward {
  /** Separate gate and up, one whose output rows are gate, up in turn (Phi-3), or no gate. */
  readonly gateUp:
    | { readonly gate: Linear; readonly up: Linear }
    | { readonly fused: Linear }
    | { readonly up: Linear };
  readonly down: Linear;
}

/** The linear maps of all experts, one behind the other. */
export interface ExpertLinear {
  /** Repacked for ggml's kernels where that was asked for. */
  readonly weight: Tensor; // [in, out, experts]
  /** As it lies in the file. */
  readonly stored: Tensor; // [in, out, experts]
  readonly bias: Tensor | undefined; // [out, experts]
}

export interface ExpertFeedForward {
  readonly router: Linear; // to [experts]
  /** Where the router reads the residual, normalised and divided by the root of its width, times this (Gemma 4). */
  readonly routerScale: Tensor | undefined; // [embedding]
  /** Added to the scores that choose, not to the weights. */
  readonly choiceBias: Tensor | undefined; // [experts]
  /** Separate gate and up, or one whose output rows are gate, up in turn. */
  readonly gateUp: { readonly gate: ExpertLinear; readonly up: ExpertLinear } | { readonly fused: ExpertLinear };
  readonly down: ExpertLinear;
  /** Factor of each expert's result. */
  readonly downScale: Tensor | undefined; // [experts]
  /** Of the residual, for the experts alone (Gemma 4). */
  readonly norm: Norm | undefined;
  readonly postNorm: Norm | undefined;
  /** What every token meets, and how much of it: a gate of one output, or all. */
  readonly shared:
    | { readonly gate: Linear | undefined; readonly feedForward: DenseFeedForward; readonly postNorm: Norm | undefined }
    | undefined;
}

/** A layer's attention, from what it reads to what it adds. */
export interface AttentionWeights {
  readonly attention: LayerAttention;
  readonly projections: Projections;
  readonly queryNorm: Norm | undefined;
  readonly keyNorm: Norm | undefined;
  /** What a head's result is mapped by before the output, where values lie in a latent: [rank, output, heads]. */
  readonly valueUp: Tensor | undefined;
  readonly output: Linear;
}

/** A gated short convolution in its place. */
export interface ConvolutionWeights {
  readonly convolution: LayerConvolution;
  /** To the input's gate, the result's gate and the input: [3 * channels]. */
  readonly input: Linear;
  readonly output: Linear;
}

export interface Layer {
  readonly mixer: AttentionWeights | ConvolutionWeights;
  /** Of what the mixer reads. */
  readonly attentionNorm: Norm | undefined;
  readonly attentionPostNorm: Norm | undefined;
  /** Whether attention and feed-forward read the same input, and their results are added together. */
  readonly parallel: boolean;
  /** Of the residual; in a parallel layer without, the feed-forward reads what attention reads. */
  readonly feedForwardNorm: Norm | undefined;
  readonly feedForward: FeedForward;
  readonly feedForwardPostNorm: Norm | undefined;
  /** What the layer adds from the token's input to it (Gemma 4). */
  readonly tokenInput: TokenInput | undefined;
  /** Factor of the layer's result, [1]. */
  readonly outputScale: Tensor | undefined;
}

/** Queries, and a latent with the rotated part of a key behind it: maps and a norm between (MLA). */
export interface LatentProjections {
  /** From the residual; undefined where `query` is. */
  readonly queryDown: { readonly map: Linear; readonly norm: Norm } | undefined;
  readonly query: Linear; // to [(plain + rotated) * heads]
  readonly keyDown: Linear; // to [rank + rotated]
  readonly latentNorm: Norm; // [rank]
  /** From the plain part of a query to the latent. */
  readonly keyUp: Tensor; // [plain, rank, heads]
}

/**
 * Separate projections; one whose output rows are q, k, v in turn (Phi-3); a query alone, where the states are another
 * layer's; a query and a key that is the value, too; or latent ones.
 */
export type Projections =
  | { readonly q: Linear; readonly k: Linear; readonly v: Linear }
  | { readonly fused: Linear }
  | { readonly q: Linear; readonly k: Linear }
  | { readonly q: Linear }
  | LatentProjections;

export interface TokenInput {
  readonly gate: Linear; // [embedding] to [width]
  readonly projection: Linear; // [width] to [embedding]
  readonly postNorm: Norm;
}

/** What all layers' token inputs are computed from. */
export interface TokenInputs {
  readonly embedding: Tensor; // [width * layers, vocabulary]
  readonly projection: Linear; // [embedding] to [width * layers]
  readonly norm: Norm; // [width]
}

/** Of the layers that attend, in their order. */
export function attentionLayers({ layers }: NamedWeights): LayerAttention[] {
  return layers.flatMap(({ mixer }) => ('attention' in mixer ? [mixer.attention] : []));
}

export interface NamedWeights {
  readonly embedding: Tensor; // [embedding, vocabulary]
  readonly tokenInputs: TokenInputs | undefined;
  readonly outputNorm: Norm;
  /** The head; tied to the embedding when the file has none of its own. */
  readonly output: Linear;
  readonly layers: readonly Layer[];
}
