/**
 * Models of known shapes with random weights, for measuring time before anything is downloaded: how long a first token
 * takes depends on the shape and the element type alone.
 *
 * All are written as `llama`, mixtures of experts as `qwen3moe`, in q4_0 unless told otherwise, embedding and head included; Qwen's biases, which cost nothing that shows, are left
 * out. One stretch of random weights is repeated through each matrix, so that writing takes as long as the disk does.
 */

import { type Device, loadLibrary } from '../../packages/engine/src/ggml/ffi/library.ts';
import { type GgufEntry, type GgufTensorSource, writeGguf } from '../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { quantize } from '../../packages/engine/src/ggml/graph/quantize.ts';
import { byteSize, TensorType } from '../../packages/engine/src/ggml/graph/tensor.ts';
import { vocabulary } from '../../tests/support/models/random-vocabulary.ts';
import { createPrng } from '../../tests/support/prng.ts';

interface ModelShape {
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Whether the embedding is the head, too. */
  readonly tied: boolean;
  readonly trainedContext: number;
  readonly ropeBase: number;
  /** In place of one feed-forward in each layer. */
  readonly experts?: { readonly count: number; readonly used: number; readonly feedForward: number };
}

/** Qwen 3 30B-A3B, of whose 48 layers there are so many. */
export function mixtureShape(layers: number): ModelShape {
  const rest = { tied: false, trainedContext: 40_960, ropeBase: 1e6 };
  return {
    ...shape([layers, 2048, 32, 4, 128, 6144, 151_936], rest),
    experts: { count: 128, used: 8, feedForward: 768 },
  };
}

/** By name, as in docs/scaling.md. */
export const shapes: Readonly<Record<string, ModelShape>> = {
  /** Right or wrong shows in it at once; no real model has it. */
  tiny: shape([4, 256, 4, 2, 64, 512, 1024], { tied: true, trainedContext: 32_768, ropeBase: 1e5 }),
  'smollm2-135m': shape([30, 576, 9, 3, 64, 1536, 49_152], { tied: true, trainedContext: 8192, ropeBase: 1e5 }),
  'smollm2-360m': shape([32, 960, 15, 5, 64, 2560, 49_152], { tied: true, trainedContext: 8192, ropeBase: 1e5 }),
  'qwen2.5-0.5b': shape([24, 896, 14, 2, 64, 4864, 151_936], { tied: true, trainedContext: 32_768, ropeBase: 1e6 }),
  'llama-3.2-1b': shape([16, 2048, 32, 8, 64, 8192, 128_256], { tied: true, trainedContext: 131_072, ropeBase: 5e5 }),
  'qwen2.5-7b': shape([28, 3584, 28, 4, 128, 18_944, 152_064], {
    tied: false,
    trainedContext: 131_072,
    ropeBase: 1e6,
  }),
  'llama-3.1-8b': shape([32, 4096, 32, 8, 128, 14_336, 128_256], {
    tied: false,
    trainedContext: 131_072,
    ropeBase: 5e5,
  }),
};

type Numbers = readonly [number, number, number, number, number, number, number];

function shape(numbers: Numbers, rest: Pick<ModelShape, 'tied' | 'trainedContext' | 'ropeBase'>): ModelShape {
  const [layers, embedding, heads, kvHeads, headDim, feedForward, size] = numbers;
  return { layers, embedding, heads, kvHeads, headDim, feedForward, vocabulary: size, ...rest };
}

const weightTypes: Readonly<Record<string, TensorType>> = {
  q4_0: TensorType.Q4_0,
  q4_1: TensorType.Q4_1,
  q5_0: TensorType.Q5_0,
  q5_1: TensorType.Q5_1,
  q8_0: TensorType.Q8_0,
  q4_k: TensorType.Q4_K,
  q5_k: TensorType.Q5_K,
  q6_k: TensorType.Q6_K,
  mxfp4: TensorType.MXFP4,
  f16: TensorType.F16,
  bf16: TensorType.BF16,
  f32: TensorType.F32,
};

/** A type of weights by its name on a command line. Ends the process with the choices where there is none of that name. */
export function weightType(name: string): TensorType {
  const type = weightTypes[name.toLowerCase()];
  if (type !== undefined) return type;
  console.error(`type ${name} is not known: use one of ${Object.keys(weightTypes).join(', ')}`);
  process.exit(2);
}

/** Writes the model. @param type of all matrices. Defaults to q4_0 @throws INVALID_ARGUMENT when names or shapes do not fit; what the file system says */
export async function writeShape(
  path: string,
  name: string,
  model: ModelShape,
  { type = TensorType.Q4_0, device = 'cpu' }: { readonly type?: TensorType; readonly device?: Device } = {},
): Promise<void> {
  await loadLibrary(device);
  await writeGguf(path, metadata(name, model), [...tensors(model, type)]);
}

function metadata(name: string, model: ModelShape): Map<string, GgufEntry> {
  const { experts } = model;
  const family = experts === undefined ? 'llama' : 'qwen3moe';
  const numbers: Record<string, number> = {
    block_count: model.layers,
    context_length: model.trainedContext,
    embedding_length: model.embedding,
    feed_forward_length: model.feedForward,
    'attention.head_count': model.heads,
    'attention.head_count_kv': model.kvHeads,
    'attention.key_length': model.headDim,
    'attention.value_length': model.headDim,
    'rope.dimension_count': model.headDim,
    ...(experts && {
      expert_count: experts.count,
      expert_used_count: experts.used,
      expert_feed_forward_length: experts.feedForward,
    }),
  };
  return new Map<string, GgufEntry>([
    ['general.architecture', { string: family }],
    ['general.name', { string: `${name}, random weights` }],
    ...Object.entries(numbers).map(([key, value]): [string, GgufEntry] => [`${family}.${key}`, { u32: value }]),
    [`${family}.attention.layer_norm_rms_epsilon`, { f32: 1e-5 }],
    [`${family}.rope.freq_base`, { f32: model.ropeBase }],
    ...words(model.vocabulary),
  ]);
}

/** A small vocabulary that spells every text, filled up with tokens that no text makes. */
function words(size: number): Map<string, GgufEntry> {
  const { entries, size: own } = vocabulary('bpe');
  const grow = (key: string, more: GgufEntry): void => {
    entries.set(key, more);
  };
  const tokens = entries.get('tokenizer.ggml.tokens');
  const types = entries.get('tokenizer.ggml.token_type');
  if (!tokens || !('array' in tokens) || !('string' in tokens.array)) throw new Error('the vocabulary has no tokens');
  if (!types || !('array' in types) || !('i32' in types.array)) throw new Error('the vocabulary has no types');
  const fillers = Array.from({ length: size - own }, (_, i) => `<filler ${i}>`);
  grow('tokenizer.ggml.tokens', { array: { string: [...tokens.array.string, ...fillers] } });
  grow('tokenizer.ggml.token_type', { array: { i32: [...types.array.i32, ...fillers.map(() => 1)] } });
  return entries;
}

/** Rows of weights that are made and then repeated. */
const distinctRows = 64;

function* tensors(model: ModelShape, type: TensorType): Generator<GgufTensorSource> {
  const { embedding, heads, kvHeads, headDim, feedForward } = model;
  const prng = createPrng(7);
  const made = new Map<number, Uint8Array>();
  const rowsOf = (columns: number): Uint8Array => {
    const rows =
      made.get(columns) ?? quantize(type, prng.normal(columns * distinctRows, 1 / Math.sqrt(columns)), columns);
    made.set(columns, rows);
    return rows;
  };
  const matrix = (name: string, columns: number, rows: number, count = 1): GgufTensorSource => ({
    name: `${name}.weight`,
    type,
    ne: count === 1 ? [columns, rows] : [columns, rows, count],
    data: () => repeated(rowsOf(columns), byteSize({ type, ne: [columns, rows, count, 1] })),
  });
  const floats = (name: string, ne: number[], values: () => Float32Array): GgufTensorSource => ({
    name: `${name}.weight`,
    type: TensorType.F32,
    ne,
    data: () => new Uint8Array(values().buffer),
  });
  const norm = (name: string, width = embedding) => floats(name, [width], () => new Float32Array(width).fill(1));
  yield matrix('token_embd', embedding, model.vocabulary);
  yield norm('output_norm');
  if (!model.tied) yield matrix('output', embedding, model.vocabulary);
  for (let layer = 0; layer < model.layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    yield norm(name('attn_norm'));
    yield matrix(name('attn_q'), embedding, heads * headDim);
    yield matrix(name('attn_k'), embedding, kvHeads * headDim);
    yield matrix(name('attn_v'), embedding, kvHeads * headDim);
    yield matrix(name('attn_output'), heads * headDim, embedding);
    yield norm(name('ffn_norm'));
    if (model.experts === undefined) {
      yield matrix(name('ffn_gate'), embedding, feedForward);
      yield matrix(name('ffn_up'), embedding, feedForward);
      yield matrix(name('ffn_down'), feedForward, embedding);
      continue;
    }
    const { count, feedForward: width } = model.experts;
    yield norm(name('attn_q_norm'), headDim);
    yield norm(name('attn_k_norm'), headDim);
    // No two rows alike: experts with the same scores would be chosen in pairs.
    const router = prng.normal(embedding * count, 2 / Math.sqrt(embedding));
    yield floats(name('ffn_gate_inp'), [embedding, count], () => router);
    yield matrix(name('ffn_gate_exps'), embedding, width, count);
    yield matrix(name('ffn_up_exps'), embedding, width, count);
    yield matrix(name('ffn_down_exps'), width, embedding, count);
  }
}

function* repeated(piece: Uint8Array, bytes: number): Generator<Uint8Array> {
  // Of a size that writes well.
  const times = Math.max(1, Math.floor((16 << 20) / piece.length));
  const large = Buffer.alloc(piece.length * times, piece);
  for (let at = 0; at < bytes; at += large.length) yield large.subarray(0, Math.min(large.length, bytes - at));
}
