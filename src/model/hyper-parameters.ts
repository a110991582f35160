/**
 * Hyper-parameters of a model, read from GGUF metadata and checked. Knows the file's keys, no tensor.
 *
 * Values the file leaves out get llama.cpp's defaults, since files are written with it in mind.
 */
import { BlockAttentionError } from '../errors.ts';
import type { GgufFile } from '../ggml/gguf-file.ts';
import { type Family, familyOf } from './families.ts';
import { type Rope, readRope } from './rope.ts';

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
  /** Factor of the scores before the softmax. */
  readonly attentionScale: number;
  /** Factor of the token embeddings (Gemma), 1 elsewhere. */
  readonly embeddingScale: number;
  /** Final logits become cap * tanh(logits / cap); 0 is off. */
  readonly logitSoftcap: number;
  /** Sliding window in tokens, 0 without. A key is seen while query position - key position < window. */
  readonly window: number;
  /** Per layer: whether the sliding window applies. */
  readonly windowed: readonly boolean[];
  /** Per layer: its rotary embedding, or undefined for layers without (NoPE). */
  readonly ropes: readonly (Rope | undefined)[];
}

/** Typed access to `<architecture>.<key>` with checks. */
export class MetadataReader {
  readonly #file: GgufFile;
  readonly #prefix: string;

  constructor(file: GgufFile, architecture: string) {
    this.#file = file;
    this.#prefix = architecture;
  }

  get file(): GgufFile {
    return this.#file;
  }

  fail(key: string, value: unknown, expected: string): never {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${this.#file.path}: ${this.#prefix}.${key} is ${String(value)}, expected ${expected}`,
    );
  }

  number(key: string): number | undefined {
    const value = this.#file.value(`${this.#prefix}.${key}`);
    if (value === undefined) return undefined;
    const number = typeof value === 'boolean' || typeof value === 'string' ? Number.NaN : Number(value);
    if (!Number.isFinite(number)) this.fail(key, value, 'a finite number');
    return number;
  }

  string(key: string): string | undefined {
    const value = this.#file.value(`${this.#prefix}.${key}`);
    return typeof value === 'string' ? value : undefined;
  }

  /** A required integer within [low, high]. */
  integer(key: string, low: number, high: number): number {
    const value = this.number(key);
    if (value === undefined || !Number.isInteger(value) || value < low || value > high) {
      this.fail(key, value ?? 'missing', `an integer from ${low} to ${high}`);
    }
    return value;
  }

  numbers(key: string): number[] | undefined {
    return this.#file.numbers(`${this.#prefix}.${key}`);
  }
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
  const window = family.slidingWindow ? (reader.number('attention.sliding_window') ?? 0) : 0;
  const windowed = windowPattern(reader, family, layers, window);
  const trainedContext = reader.integer('context_length', 1, 1 << 30);
  const epsilonKey = 'attention.layer_norm_rms_epsilon';
  const epsilon = reader.number(epsilonKey) ?? missing(reader, epsilonKey);
  if (epsilon < 0) reader.fail(epsilonKey, epsilon, 'a number >= 0');
  const name = file.value('general.name');
  return {
    family,
    architecture,
    name: typeof name === 'string' && name !== '' ? name : architecture,
    layers,
    embeddingLength,
    feedForwardLength: uniform(reader, 'feed_forward_length', layers) ?? missing(reader, 'feed_forward_length'),
    heads,
    kvHeads,
    headDim,
    vocabulary,
    trainedContext,
    normEpsilon: epsilon,
    attentionScale: family.attentionScale(reader, { layers, embeddingLength, heads, headDim }),
    embeddingScale: family.scaledEmbeddings ? Math.fround(Math.sqrt(embeddingLength)) : 1,
    logitSoftcap: family.logitSoftcap ? (reader.number('final_logit_softcapping') ?? 0) : 0,
    window,
    windowed,
    ropes: readRope(reader, { family, layers, headDim, trainedContext, windowed }),
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
  const period = reader.number(key) ?? family.slidingWindow ?? 1;
  return Array.from({ length: layers }, (_, layer) => period === 0 || layer % period < period - 1);
}
