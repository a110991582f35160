/**
 * The named weights of each transformer layer, bound and checked once when a model is loaded.
 */
import { BlockAttentionError } from '../errors.ts';
import type { Tensor } from '../ggml/tensor.ts';
import type { HyperParameters } from './hyper-parameters.ts';

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
  readonly adapter?: LowRank | undefined;
}

export interface Layer {
  readonly attentionNorm: Tensor; // [embedding]
  /** Separate projections, or one whose output rows are q, k, v in turn (Phi-3). */
  readonly qkv: { readonly q: Linear; readonly k: Linear; readonly v: Linear } | { readonly fused: Linear };
  readonly queryNorm: Tensor | undefined; // [headDim]
  readonly keyNorm: Tensor | undefined; // [headDim]
  readonly attentionOutput: Linear;
  readonly attentionPostNorm: Tensor | undefined; // [embedding]
  readonly feedForwardNorm: Tensor; // [embedding]
  /** Separate gate and up, or one whose output rows are gate, up in turn (Phi-3). */
  readonly gateUp: { readonly gate: Linear; readonly up: Linear } | { readonly fused: Linear };
  readonly down: Linear;
  readonly feedForwardPostNorm: Tensor | undefined; // [embedding]
}

export interface NamedWeights {
  readonly embedding: Tensor; // [embedding, vocabulary]
  readonly outputNorm: Tensor; // [embedding]
  /** The head; tied to the embedding when the file has none of its own. */
  readonly output: Linear;
  readonly layers: readonly Layer[];
  /** Frequency divisors of the rotary embedding, f32 [dims / 2]. */
  readonly ropeFactors: Tensor | undefined;
}

/** Where tensors are found by their names in the file, checked for shape. */
export interface WeightSource {
  find(name: string): Tensor | undefined;
  require(name: string, ne0: number, ne1?: number): Tensor;
  optional(name: string, ne0: number, ne1?: number): Tensor | undefined;
  /** The form of a matrix to multiply with. */
  matrix(name: string, input: number, output: number): Tensor;
  /** The adapter of a matrix, if it has one. */
  adapter?(name: string): LowRank | undefined;
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
  });
  const embedding = weights.require('token_embd.weight', d, vocabulary);
  const factorsName = hp.ropes.find((rope) => rope?.factorsTensor !== undefined)?.factorsTensor;
  const dims = hp.ropes.find((rope) => rope !== undefined)?.dims ?? 0;
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
    ropeFactors: factorsName === undefined ? undefined : weights.require(factorsName, dims / 2),
    layers: Array.from({ length: hp.layers }, (_, index) => {
      const at = (name: string) => `blk.${index}.${name}`;
      if (weights.find(at('ffn_gate_inp.weight')) !== undefined) {
        throw new BlockAttentionError(
          'MODEL_UNSUPPORTED',
          `${at('ffn_gate_inp.weight')}: expert layers (MoE) are not supported`,
        );
      }
      const fusedQkv = weights.find(at('attn_qkv.weight')) !== undefined;
      const fusedGate = weights.find(at('ffn_gate.weight')) === undefined;
      return {
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
        attentionPostNorm: weights.optional(at('post_attention_norm.weight'), d),
        feedForwardNorm: weights.require(at('ffn_norm.weight'), d),
        gateUp: fusedGate
          ? { fused: linear(at('ffn_up'), d, 2 * ff) }
          : { gate: linear(at('ffn_gate'), d, ff), up: linear(at('ffn_up'), d, ff) },
        down: linear(at('ffn_down'), ff, d),
        feedForwardPostNorm: weights.optional(at('post_ffw_norm.weight'), d),
      };
    }),
  };
}
