/**
 * The named weights of each transformer layer, bound and checked once when a model is loaded.
 */
import type { Tensor } from '../ggml/tensor.ts';
import type { HyperParameters } from './hyper-parameters.ts';
import type { LayerAttention } from './layer-attention.ts';
import type { Rope } from './rope.ts';

/** A change of low rank to a linear map (LoRA): y += scale * b (a x). */
export interface LowRank {
  readonly a: Tensor; // [in, rank]
  readonly b: Tensor; // [rank, out]
  readonly scale: number;
}

/** Names of the files' tensors that are a linear map of a layer. */
export const layerMatrix = /^blk\.\d+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down))\.weight$/;

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
  /** Separate gate and up, or one whose output rows are gate, up in turn (Phi-3). */
  readonly gateUp: { readonly gate: Linear; readonly up: Linear } | { readonly fused: Linear };
  readonly down: Linear;
}

/** The linear maps of all experts, one behind the other. */
export interface ExpertLinear {
  readonly weight: Tensor; // [in, out, experts]
  readonly bias: Tensor | undefined; // [out, experts]
}

export interface ExpertFeedForward {
  readonly router: Linear; // to [experts]
  readonly gate: ExpertLinear;
  readonly up: ExpertLinear;
  readonly down: ExpertLinear;
  /** What every token meets, and how much of it: a gate of one output. */
  readonly shared: { readonly gate: Linear; readonly feedForward: DenseFeedForward } | undefined;
}

export interface Layer {
  readonly attention: LayerAttention;
  readonly attentionNorm: Tensor; // [embedding]
  /** Separate projections, or one whose output rows are q, k, v in turn (Phi-3). */
  readonly qkv: { readonly q: Linear; readonly k: Linear; readonly v: Linear } | { readonly fused: Linear };
  readonly queryNorm: Tensor | undefined; // [headDim]
  readonly keyNorm: Tensor | undefined; // [headDim]
  readonly attentionOutput: Linear;
  readonly attentionPostNorm: Tensor | undefined; // [embedding]
  readonly feedForwardNorm: Tensor; // [embedding]
  readonly feedForward: FeedForward;
  readonly feedForwardPostNorm: Tensor | undefined; // [embedding]
}

export interface NamedWeights {
  readonly embedding: Tensor; // [embedding, vocabulary]
  readonly outputNorm: Tensor; // [embedding]
  /** The head; tied to the embedding when the file has none of its own. */
  readonly output: Linear;
  readonly layers: readonly Layer[];
}

/** Where tensors are found by their names in the file, checked for shape. */
export interface WeightSource {
  find(name: string): Tensor | undefined;
  require(name: string, ne0: number, ne1?: number, ne2?: number): Tensor;
  optional(name: string, ne0: number, ne1?: number): Tensor | undefined;
  /** The form of a matrix to multiply with. */
  matrix(name: string, input: number, output: number): Tensor;
  /** The adapter of a matrix, if it has one. */
  adapter?(name: string): LowRank | undefined;
  /** What a writer adds to it, if there is one. */
  writer?(name: string): LowRank | undefined;
}

export function bindWeights(weights: WeightSource, hp: HyperParameters): NamedWeights {
  const { embeddingLength: d, heads, kvHeads, headDim, feedForwardLength: ff, vocabulary } = hp;
  const queryDim = heads * headDim;
  const kvDim = kvHeads * headDim;
  const linear = (name: string, input: number, output: number): Linear => ({
    weight: weights.matrix(`${name}.weight`, input, output),
    stored: weights.require(`${name}.weight`, input, output),
    bias: weights.optional(`${name}.bias`, output),
    adapter: weights.adapter?.(`${name}.weight`),
    writer: weights.writer?.(`${name}.weight`),
  });
  const dense = (gate: string, up: string, down: string, width: number): DenseFeedForward => ({
    gateUp:
      weights.find(`${gate}.weight`) === undefined
        ? { fused: linear(up, d, 2 * width) }
        : { gate: linear(gate, d, width), up: linear(up, d, width) },
    down: linear(down, width, d),
  });
  const { experts } = hp;
  const feedForwardOf = (at: (name: string) => string): FeedForward => {
    if (experts === undefined) return dense(at('ffn_gate'), at('ffn_up'), at('ffn_down'), ff);
    const { count, feedForwardLength: width, sharedLength } = experts;
    const each = (name: string, input: number, output: number): ExpertLinear => ({
      weight: weights.require(`${at(name)}.weight`, input, output, count),
      bias: weights.optional(`${at(name)}.bias`, output, count),
    });
    return {
      router: linear(at('ffn_gate_inp'), d, count),
      gate: each('ffn_gate_exps', d, width),
      up: each('ffn_up_exps', d, width),
      down: each('ffn_down_exps', width, d),
      shared:
        experts.shared === undefined
          ? undefined
          : {
              gate: linear(at('ffn_gate_inp_shexp'), d, 1),
              feedForward: dense(at('ffn_gate_shexp'), at('ffn_up_shexp'), at('ffn_down_shexp'), sharedLength),
            },
    };
  };
  const sinksOf = (at: (name: string) => string) =>
    hp.family.attentionSinks === true ? weights.require(at('attn_sinks.weight'), heads) : undefined;
  const normFirst = hp.family.feedForwardNorm === 'post_attention_norm';
  const embedding = weights.require('token_embd.weight', d, vocabulary);
  const factorsOf = (rope: Rope | undefined) =>
    rope?.factorsTensor === undefined ? undefined : weights.require(rope.factorsTensor, rope.dims / 2);
  const head = weights.find('output.weight') ? 'output.weight' : 'token_embd.weight';
  return {
    embedding,
    outputNorm: weights.require('output_norm.weight', d),
    output: {
      weight: weights.matrix(head, d, vocabulary),
      stored: weights.require(head, d, vocabulary),
      bias: weights.optional('output.bias', vocabulary),
      adapter: weights.adapter?.(head),
    },
    layers: hp.attention.map((parameters, index) => {
      const at = (name: string) => `blk.${index}.${name}`;
      const fusedQkv = weights.find(at('attn_qkv.weight')) !== undefined;
      return {
        attention: { ...parameters, slot: index, ropeFactors: factorsOf(parameters.rope), sinks: sinksOf(at) },
        attentionNorm: weights.require(at('attn_norm.weight'), d),
        qkv: fusedQkv
          ? { fused: linear(at('attn_qkv'), d, queryDim + 2 * kvDim) }
          : {
              q: linear(at('attn_q'), d, queryDim),
              k: linear(at('attn_k'), d, kvDim),
              v: linear(at('attn_v'), d, kvDim),
            },
        queryNorm: weights.optional(at('attn_q_norm.weight'), headDim),
        keyNorm: weights.optional(at('attn_k_norm.weight'), headDim),
        attentionOutput: linear(at('attn_output'), queryDim, d),
        attentionPostNorm: normFirst ? undefined : weights.optional(at('post_attention_norm.weight'), d),
        feedForwardNorm: weights.require(at(normFirst ? 'post_attention_norm.weight' : 'ffn_norm.weight'), d),
        feedForward: feedForwardOf(at),
        feedForwardPostNorm: weights.optional(at('post_ffw_norm.weight'), d),
      };
    }),
  };
}
