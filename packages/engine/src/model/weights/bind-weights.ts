/** Finds a model's weights by their names in the file, once when it is loaded, and checks their shapes. */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { AttentionParameters, LayerAttention } from '../architecture/layer-attention.ts';
import { isConvolution, type Mixer } from '../architecture/mixers.ts';
import type { ConvolutionParameters } from '../architecture/short-convolution.ts';
import type { Norm } from '../graph/norm.ts';
import { bindFeedForward } from './bind-feed-forward.ts';
import { bindLatent, bindValueUp } from './bind-latent.ts';
import type {
  AttentionWeights,
  ConvolutionWeights,
  Layer,
  Linear,
  LowRank,
  NamedWeights,
  Projections,
  TokenInputs,
} from './layers.ts';

/** Where tensors are found by their names in the file, checked for shape. */
export interface WeightSource {
  find(name: string): Tensor | undefined;
  require(name: string, ne0: number, ne1?: number, ne2?: number): Tensor;
  optional(name: string, ne0: number, ne1?: number): Tensor | undefined;
  /** The form of a matrix to multiply with, or of `count` one behind the other. */
  matrix(name: string, input: number, output: number, count?: number): Tensor;
  /** The adapter of a matrix, if it has one. */
  adapter?(name: string): LowRank | undefined;
  /** What a writer adds to it, if there is one. */
  writer?(name: string): LowRank | undefined;
}

/** The parts that layers are bound from, by the names of their tensors without `.weight`. */
export class Binder {
  readonly weights: WeightSource;

  constructor(weights: WeightSource) {
    this.weights = weights;
  }

  has(name: string): boolean {
    return this.weights.find(`${name}.weight`) !== undefined;
  }

  linear(name: string, input: number, output: number): Linear {
    return {
      weight: this.weights.matrix(`${name}.weight`, input, output),
      stored: this.weights.require(`${name}.weight`, input, output),
      bias: this.weights.optional(`${name}.bias`, output),
      adapter: this.weights.adapter?.(`${name}.weight`),
      writer: this.weights.writer?.(`${name}.weight`),
    };
  }

  norm(name: string, width: number, each = 1): Norm {
    const { weights } = this;
    return { weight: weights.require(`${name}.weight`, width, each), bias: weights.optional(`${name}.bias`, width) };
  }

  optionalNorm(name: string, width: number, each = 1): Norm | undefined {
    return this.has(name) ? this.norm(name, width, each) : undefined;
  }
}

export function bindWeights(weights: WeightSource, hp: HyperParameters): NamedWeights {
  const { embeddingLength: d, vocabulary } = hp;
  const bind = new Binder(weights);
  return {
    embedding: weights.require('token_embd.weight', d, vocabulary),
    tokenInputs: bindTokenInputs(bind, hp),
    outputNorm: bind.norm(hp.family.outputNorm ?? 'output_norm', d),
    output: bindHead(bind, hp),
    layers: hp.mixers.map((mixer, index) => bindLayer(bind, hp, mixer, index)),
  };
}

function bindHead({ weights }: Binder, { embeddingLength: d, vocabulary }: HyperParameters): Linear {
  const head = weights.find('output.weight') ? 'output.weight' : 'token_embd.weight';
  return {
    weight: weights.matrix(head, d, vocabulary),
    stored: weights.require(head, d, vocabulary),
    bias: weights.optional('output.bias', vocabulary),
    adapter: weights.adapter?.(head),
  };
}

function bindTokenInputs(bind: Binder, hp: HyperParameters): TokenInputs | undefined {
  const { tokenInputLength: width, embeddingLength: d, vocabulary } = hp;
  // A model of the first layers alone reads the inputs of all.
  const all = width * hp.fileLayers;
  if (all === 0) return undefined;
  return {
    embedding: bind.weights.require('per_layer_token_embd.weight', all, vocabulary),
    projection: bind.linear('per_layer_model_proj', d, all),
    norm: bind.norm('per_layer_proj_norm', width),
  };
}

function bindLayer(bind: Binder, hp: HyperParameters, mixer: Mixer, index: number): Layer {
  const { embeddingLength: d, family, tokenInputLength: width } = hp;
  const at = (name: string) => `blk.${index}.${name}`;
  const normFirst = family.feedForwardNorm === 'post_attention_norm';
  const postNormed = family.postNormed === true;
  const twoInputs = bind.has(at('attn_norm_2'));
  const feedForwardNorm = at(normFirst ? 'post_attention_norm' : twoInputs ? 'attn_norm' : 'ffn_norm');
  const parallel = family.parallel === true && (twoInputs || !bind.has(at('ffn_norm')));
  return {
    mixer: isConvolution(mixer) ? bindConvolution(bind, hp, mixer, at) : bindAttention(bind, hp, mixer, at),
    attentionNorm: postNormed ? undefined : bind.norm(at(twoInputs ? 'attn_norm_2' : 'attn_norm'), d),
    attentionPostNorm: normFirst ? undefined : bind.optionalNorm(at('post_attention_norm'), d),
    parallel,
    feedForwardNorm: postNormed || (parallel && !twoInputs) ? undefined : bind.norm(feedForwardNorm, d),
    feedForward: bindFeedForward(bind, hp, index),
    feedForwardPostNorm: bind.optionalNorm(at('post_ffw_norm'), d),
    tokenInput:
      width === 0
        ? undefined
        : {
            gate: bind.linear(at('inp_gate'), d, width),
            projection: bind.linear(at('proj'), width, d),
            postNorm: bind.norm(at('post_norm'), d),
          },
    outputScale: bind.weights.optional(at('layer_output_scale.weight'), 1),
  };
}

function bindAttention(
  bind: Binder,
  hp: HyperParameters,
  parameters: AttentionParameters,
  at: (name: string) => string,
): AttentionWeights {
  const { heads, valueDim, latent } = parameters;
  return {
    ...bindQueryKeyNorms(bind, hp, parameters, at),
    projections: bindProjections(bind, hp, parameters, at),
    valueUp: latent && bindValueUp(bind, latent, heads, at),
    output: bind.linear(at('attn_output'), heads * (latent?.outputDim ?? valueDim), hp.embeddingLength),
  };
}

function bindConvolution(
  bind: Binder,
  { embeddingLength: d }: HyperParameters,
  parameters: ConvolutionParameters,
  at: (name: string) => string,
): ConvolutionWeights {
  const { taps, channels } = parameters;
  return {
    convolution: { ...parameters, kernel: bind.weights.require(at('shortconv.conv.weight'), taps, channels) },
    input: bind.linear(at('shortconv.in_proj'), d, 3 * channels),
    output: bind.linear(at('shortconv.out_proj'), channels, d),
  };
}

/** Attention with what lies among the weights, and the norms of queries and keys. */
function bindQueryKeyNorms(
  bind: Binder,
  { family }: HyperParameters,
  parameters: AttentionParameters,
  at: (name: string) => string,
): Pick<AttentionWeights, 'attention' | 'queryNorm' | 'keyNorm'> {
  const { heads, kvHeads, headDim, rope, borrows } = parameters;
  const { weights } = bind;
  const behind = family.queryKeyNorm === 'rotated';
  const normOf = (name: string, count: number) => {
    if (behind) return undefined;
    if (family.queryKeyNorm === 'whole') return bind.optionalNorm(at(name), headDim * count);
    return bind.optionalNorm(at(name), headDim, family.queryKeyNorm === 'each' ? count : 1);
  };
  const attention: LayerAttention = {
    ...parameters,
    ropeFactors: rope?.factorsTensor === undefined ? undefined : weights.require(rope.factorsTensor, rope.dims / 2),
    sinks: family.attentionSinks === true ? weights.require(at('attn_sinks.weight'), heads) : undefined,
    queryGains: behind ? ['attn_q_norm', 'attn_k_norm'].map((name) => bind.norm(at(name), headDim).weight) : [],
  };
  return {
    attention,
    queryNorm: normOf('attn_q_norm', heads),
    keyNorm: borrows ? undefined : normOf('attn_k_norm', kvHeads),
  };
}

function bindProjections(
  bind: Binder,
  { embeddingLength: d, family }: HyperParameters,
  { heads, kvHeads, headDim, valueDim, borrows, latent }: AttentionParameters,
  at: (name: string) => string,
): Projections {
  if (latent !== undefined) return bindLatent(bind, latent, { embedding: d, heads }, at);
  const fused = at('attn_qkv');
  if (bind.has(fused)) return { fused: bind.linear(fused, d, heads * headDim + kvHeads * (headDim + valueDim)) };
  const q = bind.linear(at('attn_q'), d, heads * headDim);
  if (borrows) return { q };
  const k = bind.linear(at('attn_k'), d, kvHeads * headDim);
  if (family.valueNorm === true && !bind.has(at('attn_v'))) return { q, k };
  return { q, k, v: bind.linear(at('attn_v'), d, kvHeads * valueDim) };
}
