/**
 * Small models with seeded random weights, of every family the engine runs, as GGUF files that llama.cpp loads too.
 *
 * The same spec and seed give the same bytes. Weights are spread so that attention is neither flat nor a single peak
 * and logits differ clearly: an error anywhere shows in them.
 */
import { type GgufEntry, type GgufTensorSource, writeGguf } from '../../src/ggml/gguf-writer.ts';
import { loadLibrary } from '../../src/ggml/library.ts';
import { quantize } from '../../src/ggml/quantize.ts';
import { TensorType } from '../../src/ggml/tensor.ts';
import { createPrng, type Prng } from './prng.ts';
import { type VocabularyKind, vocabulary } from './random-vocabulary.ts';

export type Family =
  | 'llama'
  | 'qwen2'
  | 'qwen3'
  | 'smollm3'
  | 'gemma3'
  | 'phi3'
  | 'gemma2'
  | 'gpt-oss'
  | 'qwen3moe'
  | 'qwen2moe';

/** Families all of whose layers have a sliding window or full attention by turns. */
const sliding: readonly Family[] = ['gemma2', 'gemma3', 'gpt-oss'];
const gemmas: readonly Family[] = ['gemma2', 'gemma3'];
/** Families that always route over experts. */
const mixtures: readonly Family[] = ['gpt-oss', 'qwen3moe', 'qwen2moe'];

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'yarn'; readonly factor: number; readonly originalContext: number }
  /** One factor per pair of dimensions, in a tensor `rope_freqs.weight`, computed as Llama 3.1 does. */
  | { readonly type: 'llama3'; readonly factor: number; readonly originalContext: number }
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

type Shape = ReturnType<typeof resolve>;

function resolve(spec: RandomModelSpec) {
  const embedding = spec.embedding ?? 64;
  const heads = spec.heads ?? 4;
  const headDim = spec.headDim ?? embedding / heads;
  const kind = spec.vocabulary ?? (['llama', 'gemma2', 'gemma3', 'phi3'].includes(spec.family) ? 'spm' : 'bpe');
  return {
    family: spec.family,
    layers: spec.layers ?? 3,
    embedding,
    heads,
    kvHeads: spec.kvHeads ?? 2,
    headDim,
    feedForward: spec.feedForward ?? 2 * embedding,
    weights: spec.weights ?? TensorType.F32,
    attentionBias: spec.attentionBias ?? ['qwen2', 'qwen2moe', 'gpt-oss'].includes(spec.family),
    experts: spec.experts ?? (mixtures.includes(spec.family) ? { count: 6, used: 2 } : undefined),
    expertLength: spec.feedForward ?? embedding,
    ropeDims: spec.ropeDims ?? headDim,
    tokens: vocabulary(kind, spec.family.startsWith('qwen') ? 'qwen2' : 'llama-bpe'),
  };
}

/** Writes the model. Its vocabulary has a few hundred tokens and spells every text. */
export async function writeRandomModel(path: string, spec: RandomModelSpec, seed: number): Promise<void> {
  await loadLibrary('cpu');
  const shape = resolve(spec);
  await writeGguf(path, metadata(spec, shape), [...tensors(spec, shape, createPrng(seed))]);
}

function metadata(spec: RandomModelSpec, shape: Shape): Map<string, GgufEntry> {
  const { family } = shape;
  const entries: [string, GgufEntry][] = [
    ['general.architecture', { string: family }],
    ['general.name', { string: `random ${family}` }],
    [`${family}.block_count`, { u32: shape.layers }],
    [`${family}.context_length`, { u32: spec.contextTokens ?? 512 }],
    [`${family}.embedding_length`, { u32: shape.embedding }],
    [`${family}.feed_forward_length`, { u32: shape.feedForward }],
    [`${family}.attention.head_count`, { u32: shape.heads }],
    [`${family}.attention.head_count_kv`, { u32: shape.kvHeads }],
    [`${family}.attention.key_length`, { u32: shape.headDim }],
    [`${family}.attention.value_length`, { u32: shape.headDim }],
    [`${family}.attention.layer_norm_rms_epsilon`, { f32: 1e-5 }],
    [`${family}.rope.freq_base`, { f32: spec.ropeBase ?? 10_000 }],
    [`${family}.rope.dimension_count`, { u32: shape.ropeDims }],
    ...ropeScaling(spec),
    ...shape.tokens.entries,
  ];
  if (sliding.includes(family)) {
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
  if (shape.experts !== undefined) {
    entries.push(
      [`${family}.expert_count`, { u32: shape.experts.count }],
      [`${family}.expert_used_count`, { u32: shape.experts.used }],
    );
    if (shape.experts.scale !== undefined)
      entries.push([`${family}.expert_weights_scale`, { f32: shape.experts.scale }]);
    if (family !== 'llama') entries.push([`${family}.expert_feed_forward_length`, { u32: shape.expertLength }]);
    if (family === 'qwen2moe')
      entries.push(['qwen2moe.expert_shared_feed_forward_length', { u32: 2 * shape.embedding }]);
  }
  if (spec.chatTemplate !== undefined) entries.push(['tokenizer.chat_template', { string: spec.chatTemplate }]);
  return new Map(entries);
}

function ropeScaling(spec: RandomModelSpec): [string, GgufEntry][] {
  const { family, ropeScaling: scaling } = spec;
  if (scaling === undefined || scaling.type === 'llama3') return [];
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
  const { embedding, headDim, heads, kvHeads, feedForward, family } = shape;
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  /** `[columns, rows]`; deviation `gain`/√columns keeps the size of what it multiplies. */
  const matrix = (name: string, columns: number, rows: number, gain = 1) => {
    const values = prng.normal(columns * rows, gain / Math.sqrt(columns));
    return source(`${name}.weight`, shape.weights, [columns, rows], quantize(shape.weights, values, columns));
  };
  const stack = (name: string, columns: number, rows: number, count: number) => {
    const values = prng.normal(columns * rows * count, 1 / Math.sqrt(columns));
    return source(`${name}.weight`, shape.weights, [columns, rows, count], quantize(shape.weights, values, columns));
  };
  const vector = (name: string, values: Float32Array) =>
    source(name, TensorType.F32, [values.length], new Uint8Array(values.buffer));
  const norm = (name: string, size: number) => vector(`${name}.weight`, prng.normal(size, 0.2, 1));
  const bias = (name: string, size: number) => vector(`${name}.bias`, prng.normal(size, 0.3));

  yield matrix('token_embd', embedding, shape.tokens.size, 3);
  yield norm('output_norm', embedding);
  if (spec.tiedHead !== true) yield matrix('output', embedding, shape.tokens.size, 3);
  yield* ropeFactors(spec, shape.ropeDims, vector);

  for (let layer = 0; layer < shape.layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    yield norm(name('attn_norm'), embedding);
    if (family === 'phi3') {
      yield matrix(name('attn_qkv'), embedding, q + 2 * kv, 1.3);
    } else {
      yield matrix(name('attn_q'), embedding, q, 1.5);
      yield matrix(name('attn_k'), embedding, kv, 1.5);
      yield matrix(name('attn_v'), embedding, kv);
    }
    if (shape.attentionBias) {
      yield bias(name('attn_q'), q);
      yield bias(name('attn_k'), kv);
      yield bias(name('attn_v'), kv);
    }
    if (family === 'qwen3' || family === 'gemma3' || family === 'qwen3moe') {
      yield norm(name('attn_q_norm'), headDim);
      yield norm(name('attn_k_norm'), headDim);
    }
    yield matrix(name('attn_output'), q, embedding);
    if (family === 'gpt-oss') {
      yield bias(name('attn_output'), embedding);
      yield vector(name('attn_sinks.weight'), prng.normal(heads, 1));
      yield norm(name('post_attention_norm'), embedding);
    } else {
      yield norm(name('ffn_norm'), embedding);
    }
    if (gemmas.includes(family)) {
      yield norm(name('post_attention_norm'), embedding);
      yield norm(name('post_ffw_norm'), embedding);
    }
    if (shape.experts !== undefined) {
      yield* expertLayer(shape, shape.experts.count, name, { matrix, bias, stack });
      continue;
    }
    if (family === 'phi3') {
      yield matrix(name('ffn_up'), embedding, 2 * feedForward);
    } else {
      yield matrix(name('ffn_gate'), embedding, feedForward);
      yield matrix(name('ffn_up'), embedding, feedForward);
    }
    yield matrix(name('ffn_down'), feedForward, embedding);
    if (spec.outputBias === true) {
      yield bias(name('attn_output'), embedding);
      yield bias(name('ffn_gate'), feedForward);
      yield bias(name('ffn_up'), feedForward);
      yield bias(name('ffn_down'), embedding);
    }
  }
}

interface Makers {
  readonly matrix: (name: string, columns: number, rows: number, gain?: number) => GgufTensorSource;
  readonly stack: (name: string, columns: number, rows: number, count: number) => GgufTensorSource;
  readonly bias: (name: string, size: number) => GgufTensorSource;
}

function* expertLayer(
  { family, embedding, feedForward, expertLength }: Shape,
  count: number,
  name: (part: string) => string,
  { matrix, stack, bias }: Makers,
): Generator<GgufTensorSource> {
  const width = family === 'llama' ? feedForward : expertLength;
  // Clear choices: a router whose logits nearly tie would choose by rounding.
  const router = matrix(name('ffn_gate_inp'), embedding, count, 4);
  yield router;
  yield stack(name('ffn_gate_exps'), embedding, width, count);
  yield stack(name('ffn_up_exps'), embedding, width, count);
  yield stack(name('ffn_down_exps'), width, embedding, count);
  if (family === 'gpt-oss') {
    yield bias(name('ffn_gate_inp'), count);
    for (const [part, size] of [
      ['ffn_gate_exps', width],
      ['ffn_up_exps', width],
      ['ffn_down_exps', embedding],
    ] as const) {
      const flat = bias(name(part), size * count);
      yield { ...flat, ne: [size, count] };
    }
  }
  if (family !== 'qwen2moe') return;
  const shared = matrix(name('ffn_gate_inp_shexp'), embedding, 1);
  yield { ...shared, ne: [embedding] };
  yield matrix(name('ffn_gate_shexp'), embedding, 2 * embedding);
  yield matrix(name('ffn_up_shexp'), embedding, 2 * embedding);
  yield matrix(name('ffn_down_shexp'), 2 * embedding, embedding);
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
