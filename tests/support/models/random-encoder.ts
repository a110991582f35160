/** A small BERT with seeded random weights, as a GGUF that libllama loads, and what of it a reference needs. For tests. */

import {
  type GgufEntry,
  type GgufTensorSource,
  writeGguf,
} from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { createPrng } from '../prng.ts';

export const encoderShape = {
  embedding: 32,
  heads: 4,
  layers: 2,
  feedForward: 64,
  context: 64,
  epsilon: 1e-12,
} as const;

const words = ['the', 'bridge', 'was', 'opened', 'in', 'key', 'keys', 'harbour', 'mayor', 'by', 'and', '.'];
export const vocabulary = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  ...words.map((word) => (word === '.' ? '.' : `▁${word}`)),
];

export interface EncoderWeights {
  readonly get: (name: string) => Float32Array;
}

/** Writes the model. @param pooling llama.cpp's number: 1 mean, 2 CLS, 4 a head that ranks */
export async function writeRandomEncoder(path: string, seed: number, pooling: 1 | 2 | 4 = 1): Promise<EncoderWeights> {
  const { embedding, heads, layers, feedForward, context, epsilon } = encoderShape;
  const prng = createPrng(seed);
  const weights = new Map<string, Float32Array>();
  const tensors: GgufTensorSource[] = [];
  const add = (name: string, ne: readonly number[], deviation: number, mean = 0) => {
    const values = prng.normal(
      ne.reduce((product, n) => product * n, 1),
      deviation,
      mean,
    );
    weights.set(name, values);
    tensors.push({ name, type: TensorType.F32, ne: [...ne], data: () => new Uint8Array(values.buffer) });
  };
  const linear = (name: string, columns: number, rows: number) => {
    add(`${name}.weight`, [columns, rows], 1.2 / Math.sqrt(columns));
    add(`${name}.bias`, [rows], 0.2);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [embedding], 0.2, 1);
    add(`${name}.bias`, [embedding], 0.2);
  };
  add('token_embd.weight', [embedding, vocabulary.length], 1);
  add('position_embd.weight', [embedding, context], 0.5);
  add('token_types.weight', [embedding, 2], 0.3);
  norm('token_embd_norm');
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['attn_q', 'attn_k', 'attn_v', 'attn_output'])
      linear(`blk.${layer}.${part}`, embedding, embedding);
    norm(`blk.${layer}.attn_output_norm`);
    linear(`blk.${layer}.ffn_up`, embedding, feedForward);
    linear(`blk.${layer}.ffn_down`, feedForward, embedding);
    norm(`blk.${layer}.layer_output_norm`);
  }
  if (pooling === 4) {
    linear('cls', embedding, embedding);
    linear('cls.output', embedding, 1);
  }
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { string: 'bert' }],
    ['general.name', { string: 'random bert' }],
    ['bert.block_count', { u32: layers }],
    ['bert.context_length', { u32: context }],
    ['bert.embedding_length', { u32: embedding }],
    ['bert.feed_forward_length', { u32: feedForward }],
    ['bert.attention.head_count', { u32: heads }],
    ['bert.attention.layer_norm_epsilon', { f32: epsilon }],
    ['bert.attention.causal', { bool: false }],
    ['bert.pooling_type', { u32: pooling }],
    ['tokenizer.ggml.model', { string: 'bert' }],
    ['tokenizer.ggml.tokens', { array: { string: vocabulary } }],
    ['tokenizer.ggml.scores', { array: { f32: vocabulary.map(() => 0) } }],
    ['tokenizer.ggml.token_type', { array: { i32: vocabulary.map((_, i) => (i < 5 ? 3 : 1)) } }],
    ['tokenizer.ggml.token_type_count', { u32: 2 }],
    ['tokenizer.ggml.unknown_token_id', { u32: 1 }],
    ['tokenizer.ggml.seperator_token_id', { u32: 3 }],
    ['tokenizer.ggml.padding_token_id', { u32: 0 }],
    ['tokenizer.ggml.cls_token_id', { u32: 2 }],
    ['tokenizer.ggml.mask_token_id', { u32: 4 }],
    ['tokenizer.ggml.bos_token_id', { u32: 2 }],
    ['tokenizer.ggml.eos_token_id', { u32: 3 }],
  ]);
  await writeGguf(path, metadata, tensors);
  return {
    get: (name) => {
      const found = weights.get(name);
      if (found === undefined) throw new Error(`no weights ${name}`);
      return found;
    },
  };
}

/** The encoder in float64, by its definition: the mean of the last hidden states, of length 1. */
export function encodeByDefinition(weights: EncoderWeights, ids: readonly number[]): number[] {
  const states = statesByDefinition(weights, ids);
  const mean = states[0]?.map((_, d) => states.reduce((sum, x) => sum + (x[d] ?? 0), 0) / states.length) ?? [];
  const length = Math.hypot(...mean);
  return mean.map((value) => value / length);
}

/** What the head that ranks gives for these tokens, in float64. */
export function rankByDefinition(weights: EncoderWeights, ids: readonly number[]): number {
  const [first = []] = statesByDefinition(weights, ids);
  const [rank = Number.NaN] = linearOf(weights, 'cls.output', linearOf(weights, 'cls', first).map(Math.tanh));
  return rank;
}

function linearOf({ get }: EncoderWeights, name: string, x: readonly number[]): number[] {
  const [w, b] = [get(`${name}.weight`), get(`${name}.bias`)];
  return Array.from(b, (bias, r) => x.reduce((sum, value, c) => sum + value * (w[r * x.length + c] ?? 0), bias));
}

/** The last hidden states, `[tokens][embedding]`. */
function statesByDefinition(weights: EncoderWeights, ids: readonly number[]): number[][] {
  const { get } = weights;
  const { embedding, heads, layers, epsilon } = encoderShape;
  const headDim = embedding / heads;
  const row = (name: string, index: number) =>
    Array.from(get(name).subarray(index * embedding, (index + 1) * embedding));
  const linear = (name: string, x: readonly number[]) => linearOf(weights, name, x);
  const normalise = (name: string, x: readonly number[]) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const [w, b] = [get(`${name}.weight`), get(`${name}.bias`)];
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * (w[i] ?? 0) + (b[i] ?? 0));
  };
  const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + (b[i] ?? 0));
  const type = row('token_types.weight', 0);
  let states = ids.map((id, position) =>
    normalise('token_embd_norm', plus(plus(row('token_embd.weight', id), type), row('position_embd.weight', position))),
  );
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    const [q, k, v] = ['attn_q', 'attn_k', 'attn_v'].map((part) => states.map((x) => linear(name(part), x)));
    const attended = states.map((_, i) => {
      const out = Array.from({ length: embedding }, () => 0);
      for (let head = 0; head < heads; head++) {
        const part = (x: readonly number[] | undefined) => (x ?? []).slice(head * headDim, (head + 1) * headDim);
        const query = part(q?.[i]);
        const scores = states.map((__, j) => {
          const key = part(k?.[j]);
          return query.reduce((sum, value, d) => sum + value * (key[d] ?? 0), 0) / Math.sqrt(headDim);
        });
        const top = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - top));
        const all = shares.reduce((sum, share) => sum + share, 0);
        for (const [j, share] of shares.entries()) {
          const value = part(v?.[j]);
          for (let d = 0; d < headDim; d++)
            out[head * headDim + d] = (out[head * headDim + d] ?? 0) + (share / all) * (value[d] ?? 0);
        }
      }
      return out;
    });
    states = states.map((x, i) =>
      normalise(name('attn_output_norm'), plus(linear(name('attn_output'), attended[i] ?? []), x)),
    );
    states = states.map((x) => {
      const up = linear(name('ffn_up'), x).map(
        (value) => 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3))),
      );
      return normalise(name('layer_output_norm'), plus(linear(name('ffn_down'), up), x));
    });
  }
  return states;
}
