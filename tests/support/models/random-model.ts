/**
 * Small models with seeded random weights, of every family the engine runs, as GGUF files that llama.cpp loads too.
 *
 * The same spec and seed give the same bytes. Weights are spread so that attention is neither flat nor a single peak
 * and logits differ clearly: an error anywhere shows in them.
 */

import { loadLibrary } from '../../../packages/engine/src/ggml/ffi/library.ts';
import {
  type GgufEntry,
  type GgufTensorSource,
  writeGguf,
} from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { quantize } from '../../../packages/engine/src/ggml/graph/quantize.ts';
import { TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { createPrng, type Prng } from '../prng.ts';
import { type Family, type FamilyTraits, familyTraits } from './random-families.ts';
import { latentEntries, type RandomLatent } from './random-latent.ts';
import { layerTensors } from './random-layers.ts';
import { type VocabularyKind, vocabulary } from './random-vocabulary.ts';

export type { Family };

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'yarn'; readonly factor: number; readonly originalContext: number }
  /** One factor per pair of dimensions, in a tensor `rope_freqs.weight`, computed as Llama 3.1 does. */
  | { readonly type: 'llama3'; readonly factor: number; readonly originalContext: number }
  /** Only this share of the pairs turns: the others' frequencies are divided by 1e30 (Gemma 4). */
  | { readonly type: 'proportional'; readonly share: number }
  /** Factors for contexts up to the original one, and others beyond. */
  | { readonly type: 'longrope'; readonly originalContext: number; readonly attnFactor: number };

export interface RandomModelSpec {
  readonly family: Family;
  /** Defaults to 3. */
  readonly layers?: number;
  /** Defaults to 64. */
  readonly embedding?: number;
  /** Defaults to 4. */
  readonly heads?: number;
  /** Defaults to 2. */
  readonly kvHeads?: number;
  /** Defaults to embedding / heads. */
  readonly headDim?: number;
  /** Defaults to 2 × embedding. */
  readonly feedForward?: number;
  /** Defaults to 512. */
  readonly contextTokens?: number;
  /** Type of the matrices; vectors are always f32. Defaults to F32. */
  readonly weights?: TensorType;
  /** Types that the layers' matrices take in turn, as most quantised files mix them. Defaults to `weights` for all. */
  readonly mixed?: readonly TensorType[];
  /** Use the embedding as head too. Defaults to false. */
  readonly tiedHead?: boolean;
  /** Biases on q, k, v. Defaults to what the family has: qwen2 true, others false. Not for qwen3, gemma3, phi3. */
  readonly attentionBias?: boolean;
  /** Biases on the attention output and the MLP; llama only. Defaults to false. */
  readonly outputBias?: boolean;
  /** Defaults to 10,000. */
  readonly ropeBase?: number;
  /** Experts of every layer; llama too routes over them when they are given. Defaults to 6 of which 2, where the family has any. */
  readonly experts?: { readonly count: number; readonly used: number; readonly scale?: number };
  /** Keys and values of layers with a window, gemma4. Defaults to those of the others. */
  readonly slidingHeads?: { readonly kvHeads: number; readonly headDim: number };
  /** Last layers that use the states of earlier ones, gemma4. Defaults to 0. */
  readonly borrowingLayers?: number;
  /** Width of the input that each layer has of its own, gemma4. Defaults to 0. */
  readonly tokenInput?: number;
  /** Whether layers without a window have no map for values, gemma4. Defaults to false. */
  readonly keysAsValues?: boolean;
  /** Norms in place of those the family's traits name: of large models that have others. */
  readonly norms?: FamilyTraits['norms'];
  readonly queryKeyNorm?: FamilyTraits['queryKeyNorm'];
  readonly choiceBias?: FamilyTraits['choiceBias'];
  /** Whether attention and feed-forward have norms of their own in a parallel layer, falcon. Defaults to false. */
  readonly twoInputs?: boolean;
  /** First layers that are dense in a mixture of experts. Defaults to 0. */
  readonly denseLayers?: number;
  /** Of families with latent attention, which have no default. */
  readonly latent?: RandomLatent;
  /** Layers that have a short convolution, of families with any, and the tokens it sums over. */
  readonly convolutions?: { readonly layers: readonly number[]; readonly taps: number };
  /** Keys besides those of the family, without the architecture before them; they win over its. */
  readonly entries?: Readonly<Record<string, GgufEntry>>;
  /** Cap of the final logits and of the scores, gemma2. Defaults to 30 and 50. */
  readonly caps?: { readonly logits: number; readonly scores: number };
  /** RoPE base of gemma3's sliding layers. Defaults to none in the file, which means 10,000. */
  readonly slidingRopeBase?: number;
  /** Rotated dimensions per head; fewer than headDim in phi3 only. Defaults to headDim. */
  readonly ropeDims?: number;
  readonly ropeScaling?: RopeScaling;
  /** Window of sliding layers, in tokens. Defaults to 8. */
  readonly slidingWindow?: number;
  /** Defaults to what the family uses. */
  readonly vocabulary?: VocabularyKind;
  readonly chatTemplate?: string;
}

export type Shape = ReturnType<typeof resolve>;

function resolve(spec: RandomModelSpec) {
  const traits: FamilyTraits = {
    ...familyTraits[spec.family],
    ...(spec.norms && { norms: spec.norms }),
    ...(spec.queryKeyNorm && { queryKeyNorm: spec.queryKeyNorm }),
    ...(spec.choiceBias && { choiceBias: spec.choiceBias }),
  };
  const embedding = spec.embedding ?? 64;
  const heads = spec.heads ?? 4;
  const headDim = spec.headDim ?? embedding / heads;
  const layers = spec.layers ?? 3;
  const kvHeads = spec.kvHeads ?? 2;
  const mixed = spec.experts ?? (traits.experts === 'always' ? { count: 6, used: 2 } : undefined);
  const sliding = traits.sliding === 'always' || (traits.sliding === 'asked' && spec.slidingWindow !== undefined);
  return {
    family: spec.family,
    traits,
    layers,
    embedding,
    heads,
    kvHeads,
    headDim,
    sliding,
    /** Heads of a layer's keys and values. */
    statesOf: (layer: number) => {
      const windowed = sliding && layer % slidingPeriod(spec.family) < slidingPeriod(spec.family) - 1;
      const own = windowed && spec.slidingHeads ? spec.slidingHeads : { kvHeads, headDim };
      return { ...own, windowed, borrows: layer >= layers - (spec.borrowingLayers ?? 0) };
    },
    feedForward: spec.feedForward ?? 2 * embedding,
    weights: spec.weights ?? TensorType.F32,
    mixed: spec.mixed ?? [],
    attentionBias: spec.attentionBias ?? traits.attentionBias === true,
    outputBias: spec.outputBias ?? traits.outputBias === true,
    experts: mixed,
    expertLength: spec.feedForward ?? embedding,
    ropeDims: spec.ropeDims ?? headDim * (traits.rotated ?? 1),
    tokens: vocabulary(spec.vocabulary ?? traits.vocabulary ?? 'bpe', preTokenizer(spec.family)),
  };
}

/** How texts are split before byte pairs are merged. */
function preTokenizer(family: Family): string {
  if (family.startsWith('lfm2')) return 'lfm2';
  return family.startsWith('qwen') ? 'qwen2' : 'llama-bpe';
}

/** Of so many layers the last has no window. */
function slidingPeriod(family: Family): number {
  if (family === 'gemma3') return 6;
  if (family === 'gemma4') return 3;
  return family === 'gemma2' || family === 'gpt-oss' ? 2 : 4;
}

/** Writes the model. Its vocabulary has a few hundred tokens and spells every text. */
export async function writeRandomModel(path: string, spec: RandomModelSpec, seed: number): Promise<void> {
  await loadLibrary('cpu');
  const shape = resolve(spec);
  await writeGguf(path, metadata(spec, shape), [...tensors(spec, shape, createPrng(seed))]);
}

function metadata(spec: RandomModelSpec, shape: Shape): Map<string, GgufEntry> {
  const { family, traits } = shape;
  const entries: [string, GgufEntry][] = [
    ['general.architecture', { string: family }],
    ['general.name', { string: `random ${family}` }],
    [`${family}.block_count`, { u32: shape.layers + (traits.ahead ?? 0) }],
    [`${family}.context_length`, { u32: spec.contextTokens ?? 512 }],
    [`${family}.embedding_length`, { u32: shape.embedding }],
    [`${family}.feed_forward_length`, { u32: shape.feedForward }],
    [`${family}.attention.head_count`, { u32: shape.heads }],
    [`${family}.attention.head_count_kv`, headCounts(spec, shape)],
    [`${family}.attention.key_length`, { u32: shape.headDim }],
    [`${family}.attention.value_length`, { u32: shape.headDim }],
    [`${family}.attention.layer_norm_${traits.layerNorm === undefined ? 'rms_' : ''}epsilon`, { f32: 1e-5 }],
    [`${family}.rope.freq_base`, { f32: spec.ropeBase ?? 10_000 }],
    [`${family}.rope.dimension_count`, { u32: shape.ropeDims }],
    ...ropeScaling(spec),
    ...shape.tokens.entries,
  ];
  if (traits.ahead !== undefined) entries.push([`${family}.nextn_predict_layers`, { u32: traits.ahead }]);
  if (shape.sliding) {
    entries.push([`${family}.attention.sliding_window`, { u32: spec.slidingWindow ?? 8 }]);
    if (spec.slidingRopeBase !== undefined)
      entries.push([`${family}.rope.freq_base_swa`, { f32: spec.slidingRopeBase }]);
  }
  if (family === 'gemma2') {
    const { logits, scores } = spec.caps ?? { logits: 30, scores: 50 };
    entries.push(
      ['gemma2.final_logit_softcapping', { f32: logits }],
      ['gemma2.attn_logit_softcapping', { f32: scores }],
    );
  }
  if (family === 'gemma4') entries.push(...gemma4Entries(spec, shape));
  if (shape.experts !== undefined) {
    entries.push(
      [`${family}.expert_count`, { u32: shape.experts.count }],
      [`${family}.expert_used_count`, { u32: shape.experts.used }],
    );
    if (shape.experts.scale !== undefined)
      entries.push([`${family}.expert_weights_scale`, { f32: shape.experts.scale }]);
    if (traits.expertsAsWide !== true)
      entries.push([`${family}.expert_feed_forward_length`, { u32: shape.expertLength }]);
    if (traits.shared === 'gated' || (traits.shared === 'plain' && traits.sharedCount === undefined))
      entries.push([`${family}.expert_shared_feed_forward_length`, { u32: 2 * shape.embedding }]);
  }
  if (traits.sharedCount !== undefined) entries.push([`${family}.expert_shared_count`, { u32: traits.sharedCount }]);
  if (spec.convolutions !== undefined) entries.push([`${family}.shortconv.l_cache`, { u32: spec.convolutions.taps }]);
  if (spec.latent !== undefined) entries.push(...latentEntries(shape, spec.latent));
  for (const [key, entry] of Object.entries({ ...traits.entries, ...spec.entries })) {
    entries.push([`${family}.${key}`, entry]);
  }
  if (spec.chatTemplate !== undefined) entries.push(['tokenizer.chat_template', { string: spec.chatTemplate }]);
  return new Map(entries);
}

/** One number where all layers have as many. */
function headCounts(spec: RandomModelSpec, { layers, kvHeads, statesOf }: Shape): GgufEntry {
  const { convolutions } = spec;
  if (convolutions !== undefined) {
    const counts = Array.from({ length: layers }, (_, layer) => (convolutions.layers.includes(layer) ? 0 : kvHeads));
    return { array: { i32: counts } };
  }
  if (spec.slidingHeads === undefined) return { u32: kvHeads };
  return { array: { u32: Array.from({ length: layers }, (_, layer) => statesOf(layer).kvHeads) } };
}

function gemma4Entries(spec: RandomModelSpec, { layers, headDim, statesOf }: Shape): [string, GgufEntry][] {
  const windowed = spec.slidingHeads?.headDim ?? headDim;
  return [
    [
      'gemma4.attention.sliding_window_pattern',
      { array: { bool: Array.from({ length: layers }, (_, layer) => statesOf(layer).windowed) } },
    ],
    ['gemma4.attention.key_length_swa', { u32: windowed }],
    ['gemma4.attention.value_length_swa', { u32: windowed }],
    ['gemma4.rope.dimension_count_swa', { u32: windowed }],
    ['gemma4.attention.shared_kv_layers', { u32: spec.borrowingLayers ?? 0 }],
    ['gemma4.embedding_length_per_layer_input', { u32: spec.tokenInput ?? 0 }],
  ];
}

function ropeScaling(spec: RandomModelSpec): [string, GgufEntry][] {
  const { family, ropeScaling: scaling } = spec;
  if (scaling === undefined || scaling.type === 'llama3' || scaling.type === 'proportional') return [];
  if (scaling.type === 'longrope') {
    return [
      [`${family}.rope.scaling.original_context_length`, { u32: scaling.originalContext }],
      [`${family}.rope.scaling.attn_factor`, { f32: scaling.attnFactor }],
    ];
  }
  const entries: [string, GgufEntry][] = [
    [`${family}.rope.scaling.type`, { string: scaling.type }],
    [`${family}.rope.scaling.factor`, { f32: scaling.factor }],
  ];
  if (scaling.type === 'yarn') {
    entries.push([`${family}.rope.scaling.original_context_length`, { u32: scaling.originalContext }]);
  }
  return entries;
}

function* tensors(spec: RandomModelSpec, shape: Shape, prng: Prng): Generator<GgufTensorSource> {
  const { embedding, traits } = shape;
  const make = makers(shape, prng);
  yield make.matrix('token_embd', embedding, shape.tokens.size, 3);
  yield* make.norm(traits.outputNorm ?? 'output_norm', embedding);
  if (spec.tiedHead !== true && traits.tied !== true) yield make.matrix('output', embedding, shape.tokens.size, 3);
  if (traits.headBias === true) yield make.bias('output', shape.tokens.size);
  const width = spec.tokenInput ?? 0;
  if (width > 0) {
    yield make.matrix('per_layer_token_embd', width * shape.layers, shape.tokens.size, 1);
    yield make.matrix('per_layer_model_proj', embedding, width * shape.layers);
    yield* make.norm('per_layer_proj_norm', width);
  }
  yield* ropeFactors(spec, shape.ropeDims, make.vector);
  for (let layer = 0; layer < shape.layers; layer++) yield* layerTensors(spec, shape, layer, make);
}

export type Makers = ReturnType<typeof makers>;

function makers({ weights, mixed, traits }: Shape, prng: Prng) {
  let turn = 0;
  const typeOf = (name: string) => (name.startsWith('blk.') ? (mixed[turn++ % mixed.length] ?? weights) : weights);
  /** `[columns, rows]`; deviation `gain`/√columns keeps the size of what it multiplies. */
  const matrix = (name: string, columns: number, rows: number, gain = 1) => {
    const values = prng.normal(columns * rows, gain / Math.sqrt(columns));
    const type = typeOf(name);
    return source(`${name}.weight`, type, [columns, rows], quantize(type, values, columns));
  };
  const stack = (name: string, columns: number, rows: number, count: number) => {
    const values = prng.normal(columns * rows * count, 1 / Math.sqrt(columns));
    return source(`${name}.weight`, weights, [columns, rows, count], quantize(weights, values, columns));
  };
  const vector = (name: string, values: Float32Array, ne: number[] = [values.length]) =>
    source(name, TensorType.F32, ne, new Uint8Array(values.buffer));
  /** A vector around 1. */
  const gains = (name: string, size: number, ne?: number[]) => vector(name, prng.normal(size, 0.2, 1), ne);
  const bias = (name: string, size: number, ne?: number[]) => vector(`${name}.bias`, prng.normal(size, 0.3), ne);
  function* norm(name: string, size: number): Generator<GgufTensorSource> {
    yield gains(`${name}.weight`, size);
    if (traits.layerNorm === 'biased') yield bias(name, size);
  }
  const normal = (name: string, size: number, ne?: number[]) => vector(name, prng.normal(size, 1), ne);
  return { matrix, stack, vector, gains, bias, norm, normal };
}

function source(name: string, type: TensorType, ne: number[], data: Uint8Array): GgufTensorSource {
  return { name, type, ne, data: () => data };
}

function* ropeFactors(
  { ropeScaling: scaling, ropeBase = 10_000 }: RandomModelSpec,
  dims: number,
  vector: (name: string, values: Float32Array) => GgufTensorSource,
): Generator<GgufTensorSource> {
  const pairs = Array.from({ length: dims / 2 }, (_, i) => i);
  if (scaling?.type === 'longrope') {
    yield vector(
      'rope_factors_short.weight',
      Float32Array.from(pairs, (i) => 1 + 0.1 * i),
    );
    yield vector(
      'rope_factors_long.weight',
      Float32Array.from(pairs, (i) => 1 + i),
    );
  }
  if (scaling?.type === 'proportional') {
    const turning = scaling.share * pairs.length;
    yield vector(
      'rope_freqs.weight',
      Float32Array.from(pairs, (i) => (i < turning ? 1 : 1e30)),
    );
  }
  if (scaling?.type !== 'llama3') return;
  const factors = pairs.map((i) => {
    const wavelength = 2 * Math.PI * ropeBase ** ((2 * i) / dims);
    // Llama 3.1: short wavelengths stay, long ones are stretched, between a quarter and all of the context they blend.
    const smooth = (scaling.originalContext / wavelength - 1) / 3;
    if (smooth >= 1) return 1;
    if (smooth <= 0) return scaling.factor;
    return 1 / ((1 - smooth) / scaling.factor + smooth);
  });
  yield vector('rope_freqs.weight', Float32Array.from(factors));
}
