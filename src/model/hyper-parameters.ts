/**
 * Hyper-parameters of a model, read from GGUF metadata and checked. Knows the file's keys, no tensor.
 *
 * Values the file leaves out get llama.cpp's defaults, since files are written with it in mind.
 */
import { BlockAttentionError } from '../errors.ts';
import type { GgufFile } from '../ggml/gguf-file.ts';
import { type ExpertFeatures, type Family, familyOf } from './families/index.ts';
import type { AttentionParameters } from './layer-attention.ts';
import { MetadataReader } from './metadata-reader.ts';
import { readRope } from './rope.ts';

export interface HyperParameters {
  readonly family: Family;
  readonly architecture: string;
  readonly name: string;
  readonly layers: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of one head's key, query and value. */
  readonly headDim: number;
  readonly vocabulary: number;
  readonly trainedContext: number;
  readonly normEpsilon: number;
  /** Factor of the token embeddings (Gemma), 1 elsewhere. */
  readonly embeddingScale: number;
  /** Final logits become cap * tanh(logits / cap); 0 is off. */
  readonly logitSoftcap: number;
  /** Of layers that have a router; undefined for models without. */
  readonly experts: ExpertParameters | undefined;
  /** Of each layer, in their order. */
  readonly attention: readonly AttentionParameters[];
}

/** A mixture of experts. */
export interface ExpertParameters extends ExpertFeatures {
  readonly count: number;
  /** Of them, what each token meets. */
  readonly used: number;
  /** Width of one expert. */
  readonly feedForwardLength: number;
  /** Width of the shared expert, 0 without one. */
  readonly sharedLength: number;
  /** What the chosen experts' weights are multiplied by. */
  readonly scale: number;
}

/**
 * Reads and checks the hyper-parameters.
 * @throws MODEL_UNSUPPORTED for architectures or features block mode cannot run; MODEL_INVALID for contradictions.
 */
export function readHyperParameters(file: GgufFile): HyperParameters {
  const architecture = file.value('general.architecture');
  if (typeof architecture !== 'string') {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${file.path}: general.architecture is missing: not a language model`,
    );
  }
  const family = familyOf(architecture, file);
  const reader = new MetadataReader(file, architecture);
  const layers = reader.integer('block_count', 1, 1024);
  const embeddingLength = reader.integer('embedding_length', 1, 1 << 20);
  const heads = uniform(reader, 'attention.head_count', layers) ?? missing(reader, 'attention.head_count');
  const kvHeads = uniform(reader, 'attention.head_count_kv', layers) ?? heads;
  if (heads < 1 || kvHeads < 1 || heads % kvHeads !== 0) {
    reader.fail('attention.head_count_kv', kvHeads, `a divisor of the ${heads} query heads`);
  }
  const headDim = reader.number('attention.key_length') ?? embeddingLength / heads;
  const valueDim = reader.number('attention.value_length') ?? embeddingLength / heads;
  if (!Number.isInteger(headDim) || headDim < 2 || headDim % 2 !== 0) {
    reader.fail('attention.key_length', headDim, 'an even integer');
  }
  if (valueDim !== headDim) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${file.path}: keys have ${headDim} dimensions and values ${valueDim}: models whose two differ (such as MLA) are not supported`,
    );
  }
  const tokens = file.arrayLength('tokenizer.ggml.tokens') ?? reader.number('vocab_size');
  const vocabulary = file.tensors.get('token_embd.weight')?.ne[1] ?? 0;
  if (vocabulary === 0) throw new BlockAttentionError('MODEL_INVALID', `${file.path}: token_embd.weight is missing`);
  if (tokens !== undefined && tokens !== vocabulary) {
    throw new BlockAttentionError('MODEL_INVALID', `${file.path}: ${tokens} tokens but ${vocabulary} embeddings`);
  }
  const window =
    family.sliding === undefined ? 0 : (reader.number('attention.sliding_window') ?? family.sliding.window);
  const windowed = windowPattern(reader, family, layers, window);
  const trainedContext = reader.integer('context_length', 1, 1 << 30);
  const epsilonKey = 'attention.layer_norm_rms_epsilon';
  const epsilon = reader.number(epsilonKey) ?? missing(reader, epsilonKey);
  if (epsilon < 0) reader.fail(epsilonKey, epsilon, 'a number >= 0');
  const ropes = readRope(reader, { family, layers, headDim, trainedContext, windowed });
  const scale = family.attentionScale(reader, { layers, embeddingLength, heads, headDim });
  const softcap = capOf(reader, 'attn_logit_softcapping', family.attentionSoftcap);
  const feedForwardLength = uniform(reader, 'feed_forward_length', layers) ?? missing(reader, 'feed_forward_length');
  const name = file.value('general.name');
  return {
    family,
    architecture,
    name: typeof name === 'string' && name !== '' ? name : architecture,
    layers,
    embeddingLength,
    feedForwardLength,
    heads,
    kvHeads,
    headDim,
    vocabulary,
    trainedContext,
    normEpsilon: epsilon,
    embeddingScale: family.scaledEmbeddings ? Math.fround(Math.sqrt(embeddingLength)) : 1,
    logitSoftcap: capOf(reader, 'final_logit_softcapping', family.logitSoftcap),
    experts: readExperts(reader, family, layers, feedForwardLength),
    attention: ropes.map((rope, layer) => ({
      rope,
      window: windowed[layer] === true ? window : 0,
      scale,
      softcap,
    })),
  };
}

/** A cap of a family that has one: the file's, else its default; 0 for none. */
function capOf(reader: MetadataReader, key: string, otherwise: number | undefined): number {
  if (otherwise === undefined) return 0;
  const cap = reader.number(key) ?? otherwise;
  if (cap < 0) reader.fail(key, cap, 'a number >= 0');
  return cap;
}

function readExperts(
  reader: MetadataReader,
  { experts }: Family,
  layers: number,
  feedForwardLength: number,
): ExpertParameters | undefined {
  if (experts === undefined || (reader.number('expert_count') ?? 0) === 0) return undefined;
  const count = reader.integer('expert_count', 1, 4096);
  const used = reader.integer('expert_used_count', 1, count);
  const own = uniform(reader, 'expert_feed_forward_length', layers);
  const shared = experts.shared === undefined ? 0 : reader.number('expert_shared_feed_forward_length');
  const scale = reader.number('expert_weights_scale') ?? 0;
  return {
    ...experts,
    count,
    used,
    feedForwardLength: own ?? feedForwardLength,
    sharedLength: shared ?? feedForwardLength,
    scale: scale === 0 ? 1 : scale,
  };
}

function missing(reader: MetadataReader, key: string): never {
  return reader.fail(key, 'missing', 'an integer');
}

/** A scalar, or an array whose values are all the same. */
function uniform(reader: MetadataReader, key: string, layers: number): number | undefined {
  const list = reader.numbers(key);
  const value = list === undefined ? reader.number(key) : list[0];
  if (list !== undefined && (list.length < layers || list.some((entry) => entry !== value))) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${reader.file.path}: ${key} differs between layers: only models with uniform layers are supported`,
    );
  }
  if (value !== undefined && !Number.isInteger(value)) reader.fail(key, value, 'an integer');
  return value;
}

function windowPattern(reader: MetadataReader, family: Family, layers: number, window: number): boolean[] {
  if (window === 0) return Array.from({ length: layers }, () => false);
  if (!Number.isInteger(window) || window < 1) reader.fail('attention.sliding_window', window, 'a positive integer');
  const key = 'attention.sliding_window_pattern';
  const list = reader.numbers(key);
  if (list !== undefined && list.length >= layers) return list.slice(0, layers).map((flag) => flag !== 0);
  const period = reader.number(key) ?? family.sliding?.period ?? 1;
  return Array.from({ length: layers }, (_, layer) => period === 0 || layer % period < period - 1);
}
