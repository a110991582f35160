/**
 * An embedding model as its makers publish it, to a GGUF:
 *   npx tsx scripts/bert-to-gguf.ts FOLDER OUT.gguf [--type f16|q8_0|f32]
 * FOLDER holds `config.json`, `model.safetensors` and `vocab.txt` of a BERT, such as all-MiniLM-L6-v2 or bge-small-en-v1.5,
 * and, of Sentence Transformers, `1_Pooling/config.json`; without that, token vectors are averaged. Matrices get the type,
 * everything else stays as it is. Names of tensors and keys are llama.cpp's.
 */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadLibrary } from '../packages/engine/src/ggml/ffi/library.ts';
import { type GgufEntry, type GgufTensorSource, writeGguf } from '../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { quantize } from '../packages/engine/src/ggml/graph/quantize.ts';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { type: { type: 'string', default: 'f16' } },
});
const [folder, out] = positionals;
if (folder === undefined || out === undefined) throw new Error('give the folder of the model, and the file to write');
const types = { f32: TensorType.F32, f16: TensorType.F16, q8_0: TensorType.Q8_0 } as const;
const type = types[values.type as keyof typeof types];
if (type === undefined) throw new Error(`--type is ${values.type}: give ${Object.keys(types).join(', ')}`);

const readJson = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const config: Record<string, unknown> = readJson('config.json');
if (config.model_type !== 'bert')
  throw new Error(`${folder} holds a model of type ${String(config.model_type)}, no bert`);
const number = (key: string): number => {
  const value = config[key];
  if (typeof value !== 'number') throw new Error(`config.json has no number ${key}`);
  return value;
};

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** The tensors of a safetensors file: a length, JSON of that length, data. */
function readTensors(path: string): Map<string, { shape: readonly number[]; values: () => Float32Array }> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header: Record<string, Stored> = JSON.parse(file.subarray(8, 8 + length).toString('utf8'));
  const tensors = new Map<string, { shape: readonly number[]; values: () => Float32Array }>();
  for (const [name, stored] of Object.entries(header)) {
    if (name === '__metadata__' || name.endsWith('position_ids')) continue;
    const {
      dtype,
      shape,
      data_offsets: [from, to],
    } = stored;
    const bytes = file.subarray(8 + length + from, 8 + length + to);
    tensors.set(name.replace(/^bert\./, ''), { shape, values: () => floats(name, dtype, bytes) });
  }
  return tensors;
}

function floats(name: string, dtype: string, bytes: Buffer): Float32Array {
  if (dtype === 'F32') return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  if (dtype !== 'BF16') throw new Error(`${name} is of type ${dtype}: only F32 and BF16 are read`);
  const bits = Uint32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i) << 16);
  return new Float32Array(bits.buffer);
}

const layerParts: Readonly<Record<string, string>> = {
  'attention.self.query': 'attn_q',
  'attention.self.key': 'attn_k',
  'attention.self.value': 'attn_v',
  'attention.output.dense': 'attn_output',
  'attention.output.LayerNorm': 'attn_output_norm',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
  'output.LayerNorm': 'layer_output_norm',
};
const parts: [from: string, to: string][] = [
  ['embeddings.word_embeddings.weight', 'token_embd.weight'],
  ['embeddings.position_embeddings.weight', 'position_embd.weight'],
  ['embeddings.token_type_embeddings.weight', 'token_types.weight'],
  ['embeddings.LayerNorm.weight', 'token_embd_norm.weight'],
  ['embeddings.LayerNorm.bias', 'token_embd_norm.bias'],
];
for (let layer = 0; layer < number('num_hidden_layers'); layer++) {
  for (const [from, to] of Object.entries(layerParts)) {
    for (const kind of ['weight', 'bias'])
      parts.push([`encoder.layer.${layer}.${from}.${kind}`, `blk.${layer}.${to}.${kind}`]);
  }
}
/** Small, and added to what is computed: kept whole. */
const whole = new Set(['position_embd.weight', 'token_types.weight']);
await loadLibrary();
const stored = readTensors(join(folder, 'model.safetensors'));
const tensors = parts.map(([from, to]): GgufTensorSource => {
  const found = stored.get(from);
  if (found === undefined) throw new Error(`model.safetensors has no ${from}`);
  const ne = found.shape.toReversed();
  const own = ne.length === 2 && !whole.has(to) ? type : TensorType.F32;
  return { name: to, type: own, ne, data: () => quantize(own, found.values(), ne[0] ?? 1) };
});

/** 1: the mean of all tokens' vectors; 2: the first one's. */
function pooling(): number {
  try {
    return readJson('1_Pooling/config.json').pooling_mode_cls_token === true ? 2 : 1;
  } catch {
    return 1;
  }
}

// llama.cpp marks where a word begins, WordPiece where one goes on.
const vocabulary = readFileSync(join(folder, 'vocab.txt'), 'utf8').replace(/\n$/, '').split('\n');
const special = /^\[.*\]$/;
const tokens = vocabulary.map((token) => {
  if (special.test(token)) return token;
  return token.startsWith('##') ? token.slice(2) : `▁${token}`;
});
const idOf = (token: string) => {
  const id = vocabulary.indexOf(token);
  if (id < 0) throw new Error(`vocab.txt has no ${token}`);
  return { u32: id };
};
const metadata = new Map<string, GgufEntry>([
  ['general.architecture', { string: 'bert' }],
  ['general.name', { string: basename(resolve(folder)) }],
  ['bert.block_count', { u32: number('num_hidden_layers') }],
  ['bert.context_length', { u32: number('max_position_embeddings') }],
  ['bert.embedding_length', { u32: number('hidden_size') }],
  ['bert.feed_forward_length', { u32: number('intermediate_size') }],
  ['bert.attention.head_count', { u32: number('num_attention_heads') }],
  ['bert.attention.layer_norm_epsilon', { f32: number('layer_norm_eps') }],
  ['bert.attention.causal', { bool: false }],
  ['bert.pooling_type', { u32: pooling() }],
  ['tokenizer.ggml.model', { string: 'bert' }],
  ['tokenizer.ggml.tokens', { array: { string: tokens } }],
  ['tokenizer.ggml.scores', { array: { f32: tokens.map(() => 0) } }],
  ['tokenizer.ggml.token_type', { array: { i32: vocabulary.map((token) => (special.test(token) ? 3 : 1)) } }],
  ['tokenizer.ggml.token_type_count', { u32: number('type_vocab_size') }],
  ['tokenizer.ggml.unknown_token_id', idOf('[UNK]')],
  // Spelled so by llama.cpp.
  ['tokenizer.ggml.seperator_token_id', idOf('[SEP]')],
  ['tokenizer.ggml.padding_token_id', idOf('[PAD]')],
  ['tokenizer.ggml.cls_token_id', idOf('[CLS]')],
  ['tokenizer.ggml.mask_token_id', idOf('[MASK]')],
  ['tokenizer.ggml.bos_token_id', idOf('[CLS]')],
  ['tokenizer.ggml.eos_token_id', idOf('[SEP]')],
]);
await writeGguf(out, metadata, tensors);
console.log(`${out}: ${tensors.length} tensors, matrices in ${values.type}`);
