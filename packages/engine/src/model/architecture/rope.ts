/**
 * Rotary position embedding: its parameters per layer, as graph operation and as angles.
 *
 * A key is stored at local positions 0..n-1. Used at offset D, its angle would have to grow by D; equivalently the
 * query is turned by -D (the paper's position re-encoding; LazyAttention, arXiv 2606.04302). Angles are linear in the
 * position in every supported variant, which is what makes moving a block exact.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { RopeOperation } from '../../ggml/graph/graph-context.ts';
import type { Family } from '../families/index.ts';
import type { MetadataReader } from './metadata-reader.ts';
import type { HeadDims } from './read-attention.ts';

export interface Rope extends RopeOperation {
  /** Tensor with divisors of the frequencies (Llama 3, longrope's short range), f32 [dims / 2]. */
  readonly factorsTensor: string | undefined;
}

interface Request {
  readonly family: Family;
  readonly layers: number;
  readonly headDims: HeadDims;
  readonly trainedContext: number;
  readonly windowed: readonly boolean[];
}

/** Longest context the rotary embedding is defined for with the factors in use. */
export function ropeContextLimit(rope: Rope): number {
  return rope.factorsTensor === 'rope_factors_short.weight' ? rope.originalContext : Number.POSITIVE_INFINITY;
}

export function readRope(reader: MetadataReader, request: Request): (Rope | undefined)[] {
  const { family, layers, headDims, trainedContext, windowed } = request;
  const scaling = reader.string('rope.scaling.type') ?? 'linear';
  if (!['none', 'linear', 'yarn', 'longrope'].includes(scaling)) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${reader.file.path}: rope.scaling.type is "${scaling}": frequencies that depend on the total length (dynamic NTK) cannot be reused at another position`,
    );
  }
  const alpha = reader.number('rope.scaling.alpha') ?? 0;
  if (alpha !== 0 && family.ntkAlpha !== true) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${reader.file.path}: rope.scaling.alpha (NTK-aware alpha) is not supported`,
    );
  }
  const dims = rotatedDims(reader, 'rope.dimension_count', headDims.full, headDims.full);
  const stretch = alpha > 0 ? Math.fround(alpha ** (headDims.full / (headDims.full - 2))) : 1;
  const base = Math.fround((reader.number('rope.freq_base') ?? 10_000) * stretch);
  const factor = reader.number('rope.scaling.factor') ?? reader.number('rope.scale_linear') ?? 0;
  if (!(base > 0)) reader.fail('rope.freq_base', base, 'a positive number');
  if (!(factor >= 0)) reader.fail('rope.scaling.factor', factor, 'a number >= 0');
  const scale = scaling === 'none' || factor === 0 ? 1 : Math.fround(1 / Math.fround(factor));
  const extFactor = scaling === 'yarn' ? 1 : 0;
  const factorsTensor = reader.file.tensors.has('rope_freqs.weight')
    ? 'rope_freqs.weight'
    : reader.file.tensors.has('rope_factors_short.weight')
      ? 'rope_factors_short.weight'
      : undefined;
  const yarnKey = (name: string) => (family.yarnKeys === true ? reader.number(`rope.scaling.yarn_${name}`) : undefined);
  const read: Rope = {
    dims,
    mode: family.ropePairs === 'norm' && !hasSections(reader) ? 0 : 2,
    originalContext: reader.number('rope.scaling.original_context_length') ?? trainedContext,
    base,
    scale,
    extFactor,
    attnFactor: attentionFactor(reader, scale, extFactor, family.yarnOverall?.(reader) ?? 0),
    betaFast: yarnKey('beta_fast') ?? 32,
    betaSlow: yarnKey('beta_slow') ?? 1,
    factorsTensor: family.ropeFactors === false ? undefined : factorsTensor,
  };
  // Norms behind the rotation undo what it lengthens.
  const global = family.queryKeyNorm === 'rotated' ? plainTurn(read) : read;
  const local = windowedRope(reader, family, global, headDims);
  const anyWindow = windowed.includes(true);
  return Array.from({ length: layers }, (_, layer) => {
    const isWindowed = windowed[layer] === true;
    if (family.rotates?.({ layer, windowed: isWindowed, anyWindow, reader }) === false) return undefined;
    return isWindowed ? local : global;
  });
}

/**
 * Models that read images rotate sections of the dimensions by a position each, in halves. Of a token of text all three
 * are its position, so that nothing is special about it. @throws MODEL_UNSUPPORTED for a fourth
 */
function hasSections(reader: MetadataReader): boolean {
  const key = 'rope.dimension_sections';
  const sections = reader.numbers(key) ?? [];
  if ((sections[3] ?? 0) !== 0) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${reader.file.path}: ${key} is [${sections.join(', ')}]: a fourth section does not turn with the tokens of a text`,
    );
  }
  return sections.some((size) => size > 0);
}

function rotatedDims(reader: MetadataReader, key: string, headDim: number, otherwise: number): number {
  const dims = reader.number(key) ?? otherwise;
  if (!Number.isInteger(dims) || dims < 2 || dims > headDim || dims % 2 !== 0) {
    reader.fail(key, dims, `an even integer up to ${headDim}`);
  }
  return dims;
}

/** Of layers with a sliding window. */
function windowedRope(reader: MetadataReader, { sliding }: Family, global: Rope, headDims: HeadDims): Rope {
  if (sliding === undefined) return global;
  const { ropeBase } = sliding;
  const own = reader.number('rope.freq_base_swa');
  const rope: Rope = {
    ...global,
    dims: rotatedDims(reader, 'rope.dimension_count_swa', headDims.windowed, Math.min(global.dims, headDims.windowed)),
    factorsTensor: sliding.ropeFactors === false ? undefined : global.factorsTensor,
    base: own ?? (typeof ropeBase === 'number' ? ropeBase : global.base),
  };
  if (ropeBase === 'plain') return { ...rope, scale: 1, extFactor: 0, attnFactor: 1 };
  return ropeBase === undefined ? rope : { ...rope, scale: 1 };
}

/**
 * The magnitude handed to ggml, which multiplies it by 1 + 0.1 ln(1/scale) itself when YaRN is on: dividing that out
 * first applies YaRN's factor once. Applied twice, or inverted, keys of all positions are too long or too short.
 * @param overall of what the scale of the scores makes up for; 0 for none
 */
function attentionFactor(reader: MetadataReader, scale: number, extFactor: number, overall: number): number {
  const given = reader.number('rope.scaling.attn_factor') ?? 1;
  if (extFactor === 0) return given;
  const factor = 1 / scale;
  const magnitude = (by: number) => (factor <= 1 ? 1 : 1 + 0.1 * by * Math.log(factor));
  return (given * magnitude(1)) / magnitude(overall) / (1 + 0.1 * Math.log(factor));
}

/**
 * Angle per position step of every rotated pair, in radians, float64 [dims / 2].
 * @param factors values of `factorsTensor`, when the rope has one.
 */
export function angularFrequencies(rope: Rope, factors?: Float32Array): Float64Array {
  const pairs = rope.dims / 2;
  const frequencies = new Float64Array(pairs);
  const corner = (rotations: number) =>
    (rope.dims * Math.log(rope.originalContext / (rotations * 2 * Math.PI))) / (2 * Math.log(rope.base));
  const low = Math.max(0, Math.floor(corner(rope.betaFast)));
  const high = Math.min(rope.dims - 1, Math.ceil(corner(rope.betaSlow)));
  for (let i = 0; i < pairs; i++) {
    const plain = rope.base ** (-(2 * i) / rope.dims) / (factors?.[i] ?? 1);
    const interpolated = rope.scale * plain;
    const ramp = 1 - Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    const mix = ramp * rope.extFactor;
    frequencies[i] = rope.extFactor === 0 ? interpolated : interpolated * (1 - mix) + plain * mix;
  }
  return frequencies;
}

/** cos and sin of the rotation by `positions` steps (negative: backwards), f32 [dims / 2] each. */
export function rotation(frequencies: Float64Array, positions: number): { cos: Float32Array; sin: Float32Array } {
  // For every block of every request: by index, which is ten times as fast as Float32Array.from().
  const cos = new Float32Array(frequencies.length);
  const sin = new Float32Array(frequencies.length);
  for (let i = 0; i < frequencies.length; i++) {
    const angle = (frequencies[i] ?? 0) * positions;
    cos[i] = Math.cos(angle);
    sin[i] = Math.sin(angle);
  }
  return { cos, sin };
}

/** The rotation of what has been rotated before: its length stays. */
export function plainTurn<R extends RopeOperation>(rope: R): R {
  // ggml lengthens by this itself where YaRN is on.
  const own = rope.extFactor === 0 ? 1 : 1 + 0.1 * Math.log(1 / rope.scale);
  return { ...rope, attnFactor: 1 / own };
}
