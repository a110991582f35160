/**
 * Hyper-parameters of a model, read from GGUF metadata and checked. Knows the file's keys; of its tensors only which
 * there are.
 *
 * Values the file leaves out get llama.cpp's defaults, since files are written with it in mind.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { type ExpertFeatures, type Family, familyOf, type Routing } from '../families/index.ts';
import type { NormKind } from '../graph/norm.ts';
import type { AttentionParameters } from './layer-attention.ts';
import { MetadataReader } from './metadata-reader.ts';
import { type Mixers, mixersOf } from './mixers.ts';
import { capOf, perLayer, readMixers } from './read-attention.ts';

export interface HyperParameters extends NormKind, Mixers {
  readonly family: Family;
  readonly architecture: string;
  readonly name: string;
  readonly layers: number;
  /** Layers of the model's file, of which `layers` may be the first. */
  readonly fileLayers: number;
  readonly embeddingLength: number;
  /** Of the widest layer, experts apart. */
  readonly feedForwardLength: number;
  /** Of each layer. */
  readonly feedForwardLengths: readonly number[];
  /** Of the layer that has most. */
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of one head's key and query, of the layer that has most. */
  readonly headDim: number;
  readonly vocabulary: number;
  readonly trainedContext: number;
  /** Factor of the token embeddings, 1 for most. */
  readonly embeddingScale: number;
  /** Factor of what attention and feed-forward add to the residual, 1 for most. */
  readonly residualScale: number;
  /** Factor of the final logits, 1 for most. */
  readonly logitScale: number;
  /** Final logits become cap * tanh(logits / cap); 0 is off. */
  readonly logitSoftcap: number;
  /** Width of the input that each layer has of its own from the token; 0 for none (Gemma 4). */
  readonly tokenInputLength: number;
  /** Of layers that have a router; undefined for models without. */
  readonly experts: ExpertParameters | undefined;
}

/** A mixture of experts. */
export interface ExpertParameters extends Omit<ExpertFeatures, 'normalised' | 'routing'> {
  readonly routing: Routing;
  /** Which layers route. */
  readonly layers: readonly boolean[];
  readonly normalised: boolean;
  readonly count: number;
  /** Of them, what each token meets. */
  readonly used: number;
  /** Parts that the experts are in, one behind the other, and of how many of them a token's experts are; 1 for one. */
  readonly groups: number;
  readonly groupsUsed: number;
  /** Width of one expert. */
  readonly feedForwardLength: number;
  /** Width of what every token meets besides, 0 without. */
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
  const layers = layerCount(reader);
  const embeddingLength = reader.integer('embedding_length', 1, 1 << 20);
  const vocabulary = readVocabulary(file, reader);
  const trainedContext = reader.integer('context_length', 1, 1 << 30);
  const mixers = mixersOf(readMixers(reader, { family, layers, embeddingLength, trainedContext }));
  const feedForwardLengths = perLayer(reader, 'feed_forward_length', layers) ?? reader.missing('feed_forward_length');
  const feedForwardLength = Math.max(...feedForwardLengths);
  const name = file.value('general.name');
  const most = (of: (layer: AttentionParameters) => number) => Math.max(...mixers.attention.map(of));
  return {
    family,
    architecture,
    name: typeof name === 'string' && name !== '' ? name : architecture,
    layers,
    fileLayers: layers,
    embeddingLength,
    feedForwardLength,
    feedForwardLengths,
    heads: most(({ heads }) => heads),
    kvHeads: most(({ kvHeads }) => kvHeads),
    headDim: most(({ headDim }) => headDim),
    vocabulary,
    trainedContext,
    norm: family.norm ?? 'rms',
    normEpsilon: readEpsilon(reader, family),
    ...readFactors(reader, family, embeddingLength),
    logitSoftcap: capOf(reader, 'final_logit_softcapping', family.logitSoftcap),
    tokenInputLength: family.sharedStates === true ? (reader.number('embedding_length_per_layer_input') ?? 0) : 0,
    experts: readExperts(reader, family, { layers, feedForwardLength, vocabulary }),
    ...mixers,
  };
}

/** Without the layers that predict tokens ahead, which stand last. */
function layerCount(reader: MetadataReader): number {
  const all = reader.integer('block_count', 1, 1024);
  const ahead = reader.number('nextn_predict_layers') ?? 0;
  if (!Number.isInteger(ahead) || ahead < 0 || ahead >= all) {
    reader.fail('nextn_predict_layers', ahead, `an integer from 0 to ${all - 1}`);
  }
  return all - ahead;
}

function readVocabulary(file: GgufFile, reader: MetadataReader): number {
  const tokens = file.arrayLength('tokenizer.ggml.tokens') ?? reader.number('vocab_size');
  const vocabulary = file.tensors.get('token_embd.weight')?.ne[1] ?? 0;
  if (vocabulary === 0) throw new BlockAttentionError('MODEL_INVALID', `${file.path}: token_embd.weight is missing`);
  if (tokens !== undefined && tokens !== vocabulary) {
    throw new BlockAttentionError('MODEL_INVALID', `${file.path}: ${tokens} tokens but ${vocabulary} embeddings`);
  }
  return vocabulary;
}

function readEpsilon(reader: MetadataReader, family: Family): number {
  const key = `attention.layer_norm_${family.norm === 'layer' ? '' : 'rms_'}epsilon`;
  const epsilon = reader.number(key) ?? reader.missing(key);
  if (epsilon < 0) reader.fail(key, epsilon, 'a number >= 0');
  return epsilon;
}

function readFactors(
  reader: MetadataReader,
  family: Family,
  embeddingLength: number,
): Pick<HyperParameters, 'embeddingScale' | 'residualScale' | 'logitScale'> {
  const factor = (key: string, wanted: boolean | undefined) => (wanted === true && reader.number(key)) || 1;
  const logits = factor('logit_scale', family.logitScale !== undefined);
  return {
    embeddingScale:
      family.scaledEmbeddings === true
        ? Math.fround(Math.sqrt(embeddingLength))
        : factor('embedding_scale', family.multipliers),
    residualScale: factor('residual_scale', family.multipliers),
    logitScale: family.logitScale === 'divides' ? 1 / logits : logits,
  };
}

/** llama.cpp's numbers of the ways to route. */
const routings: Readonly<Record<number, Routing>> = { 1: 'softmax', 2: 'sigmoid', 3: 'chosen' };

function readExperts(
  reader: MetadataReader,
  { experts }: Family,
  file: { readonly layers: number; readonly feedForwardLength: number; readonly vocabulary: number },
): ExpertParameters | undefined {
  if (experts === undefined || (reader.number('expert_count') ?? 0) === 0) return undefined;
  const { layers, feedForwardLength } = file;
  const count = reader.integer('expert_count', 1, 4096);
  const used = reader.integer('expert_used_count', 1, count);
  const own = perLayer(reader, 'expert_feed_forward_length', layers);
  const width = own === undefined ? feedForwardLength : Math.max(...own);
  if (own?.some((length) => length !== width)) {
    reader.fail('expert_feed_forward_length', `[${own.join(', ')}]`, 'the same in every layer');
  }
  const scale = reader.number('expert_weights_scale') ?? 0;
  const gating = reader.number('expert_gating_func') ?? 0;
  return {
    ...experts,
    routing: routings[gating] ?? (typeof experts.routing === 'function' ? experts.routing(file) : experts.routing),
    normalised: experts.normalised === 'file' ? (reader.number('expert_weights_norm') ?? 0) !== 0 : experts.normalised,
    layers: Array.from(
      { length: layers },
      (_, layer) => experts.someLayers !== true || reader.file.tensors.has(`blk.${layer}.ffn_gate_inp.weight`),
    ),
    count,
    used,
    ...readGroups(reader, count, used),
    feedForwardLength: width,
    sharedLength: sharedLength(reader, experts, { width, feedForwardLength }),
    scale: scale === 0 ? 1 : scale,
  };
}

/** Groups of experts, of which a token meets those of the best. */
function readGroups(reader: MetadataReader, count: number, used: number): { groups: number; groupsUsed: number } {
  const groups = reader.number('expert_group_count') ?? 0;
  if (groups <= 1) return { groups: 1, groupsUsed: 1 };
  const each = count / groups;
  // A group is as good as its best two.
  if (!Number.isInteger(each) || each < 2) {
    reader.fail('expert_group_count', groups, `a divisor of the ${count} experts that leaves two or more to a group`);
  }
  const groupsUsed = reader.integer('expert_group_used_count', 1, groups);
  if (groupsUsed * each < used) {
    reader.fail('expert_group_used_count', groupsUsed, `enough groups of ${each} for the ${used} experts of a token`);
  }
  return { groups, groupsUsed };
}

function sharedLength(
  reader: MetadataReader,
  { shared, sharedCount, sharedEach }: ExpertFeatures,
  { width, feedForwardLength }: { readonly width: number; readonly feedForwardLength: number },
): number {
  if (shared === undefined) return 0;
  if (shared === 'layer') return feedForwardLength;
  const own = reader.number('expert_shared_feed_forward_length');
  const count = reader.number('expert_shared_count') ?? sharedCount ?? 0;
  if (own !== undefined) return sharedEach === true ? own * count : own;
  return shared === 'gated' ? feedForwardLength : width * count;
}
