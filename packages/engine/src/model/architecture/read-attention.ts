/**
 * How each layer mixes tokens, read from GGUF metadata and checked: heads, windows, rotary embeddings, scales, whose states
 * a layer uses, and which layers have a short convolution instead. Knows the file's keys, no tensor.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Family } from '../families/index.ts';
import type { LatentParameters, Temperature } from './layer-attention.ts';
import type { MetadataReader } from './metadata-reader.ts';
import type { Mixer } from './mixers.ts';
import { readRope } from './rope.ts';

interface Request {
  readonly family: Family;
  readonly layers: number;
  readonly embeddingLength: number;
  readonly trainedContext: number;
}

/** @throws MODEL_UNSUPPORTED, MODEL_INVALID */
export function readMixers(reader: MetadataReader, request: Request): Mixer[] {
  const { family, layers, embeddingLength, trainedContext } = request;
  const latent = family.latent === true ? readLatent(reader) : undefined;
  const heads = perLayer(reader, 'attention.head_count', layers) ?? reader.missing('attention.head_count');
  const kvHeads = latent ? heads.map(() => 1) : (perLayer(reader, 'attention.head_count_kv', layers) ?? heads);
  const convolves = convolvingLayers(reader, family, kvHeads);
  const window =
    family.sliding === undefined ? 0 : (reader.number('attention.sliding_window') ?? family.sliding.window);
  const windowed = windowPattern(reader, family, layers, window);
  const dims = latent
    ? latentDims(latent)
    : headDims(reader, embeddingLength / (heads.find((count) => count > 0) ?? 1));
  const ropes = readRope(reader, { family, layers, headDims: dims, trainedContext, windowed });
  const softcap = capOf(reader, 'attn_logit_softcapping', family.attentionSoftcap);
  const temperature = readTemperature(reader, family, trainedContext);
  const own = layers - (family.sharedStates === true ? sharedLayers(reader, windowed) : 0);
  return ropes.map((rope, layer): Mixer => {
    const before = convolves.slice(0, layer).filter((one) => one).length;
    if (convolves[layer] === true) return { taps: readTaps(reader), channels: embeddingLength, tail: before };
    const isWindowed = windowed[layer] === true;
    const of = heads[layer] ?? 1;
    const kv = kvHeads[layer] ?? of;
    if (of < 1 || kv < 1 || of % kv !== 0) {
      reader.fail('attention.head_count_kv', kv, `a divisor of the ${of} query heads`);
    }
    const headDim = isWindowed ? dims.windowed : dims.full;
    const queryDim = latent ? latent.plainDim + latent.rotatedDim : headDim;
    return {
      heads: of,
      kvHeads: kv,
      headDim,
      valueDim: latent?.rank ?? headDim,
      valuesInKeys: latent !== undefined,
      latent,
      rope,
      window: isWindowed ? window : 0,
      scale: family.attentionScale(reader, { layers, embeddingLength, heads: of, headDim: queryDim }),
      softcap,
      temperature,
      // Of the last layers with states of their own, one has a window and the last has none.
      slot: layer < own ? layer - before : own - (isWindowed ? 2 : 1),
      borrows: layer >= own,
    };
  });
}

/** Most tokens of a convolution: graphs are made for a few. LFM2 has 3. */
const mostTaps = 8;

function readTaps(reader: MetadataReader): number {
  return reader.integer('shortconv.l_cache', 2, mostTaps);
}

/** Which layers have a convolution: those without heads of keys and values, of a family that has any. */
function convolvingLayers(reader: MetadataReader, family: Family, kvHeads: readonly number[]): boolean[] {
  const convolves = kvHeads.map((count) => family.shortConvolutions === true && count === 0);
  if (convolves.includes(false)) return convolves;
  return reader.fail('attention.head_count_kv', `[${kvHeads.join(', ')}]`, 'an array with heads in some layers');
}

/** Elements of a head in layers with full attention, and in those with a window. */
export interface HeadDims {
  readonly full: number;
  readonly windowed: number;
}

function headDims(reader: MetadataReader, otherwise: number): HeadDims {
  const read = (suffix: string, fallback: number) => {
    const key = reader.number(`attention.key_length${suffix}`) ?? fallback;
    const value = reader.number(`attention.value_length${suffix}`) ?? fallback;
    if (!Number.isInteger(key) || key < 2 || key % 2 !== 0) {
      reader.fail(`attention.key_length${suffix}`, key, 'an even integer');
    }
    if (value === key) return key;
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${reader.file.path}: keys have ${key} dimensions and values ${value}: models whose two differ are not supported`,
    );
  };
  const full = read('', otherwise);
  return { full, windowed: read('_swa', full) };
}

/** Lengths of a latent and of what is mapped from it. Old files call those of a head by the names of others' keys. */
function readLatent(reader: MetadataReader): LatentParameters {
  const most = 1 << 16;
  const rank = reader.integer('attention.kv_lora_rank', 8, most);
  const rotatedDim = reader.integer('rope.dimension_count', 2, most);
  const suffix = reader.number('attention.key_length_mla') === undefined ? '' : '_mla';
  const keyDim = reader.integer(`attention.key_length${suffix}`, rotatedDim + 1, most);
  return {
    rank,
    rotatedDim,
    plainDim: keyDim - rotatedDim,
    outputDim: reader.integer(`attention.value_length${suffix}`, 1, most),
    queryRank: reader.file.tensors.has('blk.0.attn_q.weight') ? 0 : reader.integer('attention.q_lora_rank', 1, most),
  };
}

function latentDims({ rank, rotatedDim }: LatentParameters): HeadDims {
  return { full: rotatedDim + rank, windowed: rotatedDim + rank };
}

/** How many of the last layers use the states of earlier ones. */
function sharedLayers(reader: MetadataReader, windowed: readonly boolean[]): number {
  const layers = windowed.length;
  const key = 'attention.shared_kv_layers';
  const shared = reader.number(key) ?? 0;
  if (shared === 0) return 0;
  const last = layers - shared - 1;
  if (!Number.isInteger(shared) || last < 1 || windowed[last] === true || windowed[last - 1] !== true) {
    reader.fail(key, shared, 'a number of layers before which stand one with a sliding window and one without');
  }
  return shared;
}

function readTemperature(reader: MetadataReader, family: Family, trainedContext: number): Temperature | undefined {
  const scale = family.temperature === true ? (reader.number('attention.temperature_scale') ?? 0) : 0;
  if (scale === 0) return undefined;
  const own = reader.number('attention.temperature_length');
  return { scale, length: own ?? reader.number('rope.scaling.original_context_length') ?? trainedContext };
}

/** A cap of a family that has one: the file's, else its default; 0 for none. */
export function capOf(reader: MetadataReader, key: string, otherwise: number | undefined): number {
  if (otherwise === undefined) return 0;
  const cap = reader.number(key) ?? otherwise;
  if (cap < 0) reader.fail(key, cap, 'a number >= 0');
  return cap;
}

/** Integers of each layer: the file has one for all, or an array. */
export function perLayer(reader: MetadataReader, key: string, layers: number): number[] | undefined {
  const list = reader.numbers(key);
  const value = list === undefined ? reader.number(key) : undefined;
  const all = list?.slice(0, layers) ?? (value === undefined ? undefined : Array.from({ length: layers }, () => value));
  if (all === undefined) return undefined;
  if (all.length < layers) reader.fail(key, `an array of ${all.length}`, `one value, or ${layers}`);
  for (const one of all) if (!Number.isInteger(one)) reader.fail(key, one, 'an integer');
  return all;
}

function windowPattern(reader: MetadataReader, family: Family, layers: number, window: number): boolean[] {
  const { sliding } = family;
  if (sliding === undefined || window === 0 || sliding.when?.({ layers }) === false) {
    return Array.from({ length: layers }, () => false);
  }
  if (!Number.isInteger(window) || window < 1) reader.fail('attention.sliding_window', window, 'a positive integer');
  const key = 'attention.sliding_window_pattern';
  const list = reader.numbers(key);
  if (list !== undefined && list.length >= layers) return list.slice(0, layers).map((flag) => flag !== 0);
  const period = reader.number(key) ?? sliding.period;
  const full = sliding.fullFirst === true ? 0 : period - 1;
  return Array.from({ length: layers }, (_, layer) => period === 0 || layer % period !== full);
}
