/**
 * The weights that training starts from: random, but with the shape of a reader.
 *
 * A Llama of this size takes very long to find out that it can look things up. It starts at once when its attention heads
 * begin near the patterns that reading needs (see docs/reproduction.md for the comparison); everything is trained on:
 *   - the first half of the residual stream holds the token, the rest one constant, what the token before was, and a mean
 *     of the tokens nearby;
 *   - heads of the first layer attend to the token before (head 0) and to the neighbourhood, narrow (1) and wide (2);
 *   - heads of the other layers look for a token that was preceded by this one (0, 1), or for a neighbourhood like this
 *     one (2, 3), and copy what they find.
 * Only the faster half of the rotary frequencies is used, by Llama's own `rope_freqs`: the other dimensions match
 * contents at any distance.
 */

import { createRandom, type Random } from '@block-attention/engine/internal/base';
import { type GgufEntry, type GgufTensorSource, writeGguf } from '../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface ModelShape {
  readonly layers: number;
  /** Dimensions per head; there are four heads, so the model is four times as wide. */
  readonly headDim: number;
  readonly feedForward: number;
  readonly contextTokens: number;
}

const heads = 4;
/** The slowest of the rotations in use tells apart positions of some 600 tokens. */
const ropeBase = 200_000;
/** Turns a rotation off for every length that occurs. */
const still = 1e9;

/** Deviation of the token embeddings, and the gains that were found to start well. */
const embeddingScale = 0.1;
const constantShare = 0.5;
const gains = { sharp: 5, broad: 2, before: 0.6, nearby: 1.5, match: 2, copy: 0.8 } as const;

export async function writeInitialWeights(path: string, shape: ModelShape, vocabulary: Vocabulary, seed: number) {
  const { layers, headDim, feedForward, contextTokens } = shape;
  const width = heads * headDim;
  const half = width / 2;
  const random = new Gaussian(seed);
  const plain = (inputs: number, outputs: number, gain = 1) =>
    Matrix.random(inputs, outputs, (0.7 * gain) / Math.sqrt(inputs), random);
  const residual = 1 / Math.sqrt(2 * layers);

  const embedding = Matrix.random(width, vocabulary.size, embeddingScale, random);
  const constant = Math.sqrt(half) * embeddingScale * constantShare;
  for (let token = 0; token < vocabulary.size; token++) {
    for (let i = half; i < width; i++) embedding.scale(token, i, 0.03);
    embedding.set(token, half, constant);
  }
  // What the constant is after the norm in front of the first layer.
  const normed = (Math.sqrt(width) * constant) / Math.sqrt(half * embeddingScale ** 2 + constant ** 2);
  const before = random.orthonormal(half, headDim);
  const nearby = random.orthonormal(half, headDim);

  const sources: GgufTensorSource[] = [embedding.tensor('token_embd.weight'), ones('output_norm.weight', width)];
  for (let layer = 0; layer < layers; layer++) {
    const q = plain(width, width);
    const k = plain(width, width);
    const v = plain(width, width);
    const output = plain(width, width, residual);
    for (let head = 0; head < heads; head++) {
      const row = head * headDim;
      if (layer > 0) {
        for (const matrix of [q, k]) matrix.scaleRows(row, headDim, 0.3);
        v.scaleRows(row, headDim, 0.1);
        output.scaleColumns(row, headDim, 0.3);
        // The first half of the dimensions rotates. Two heads together look at all of what they match.
        const part = head % 2 === 0 ? 0 : headDim / 2 - 1;
        for (let j = 0; j < headDim / 2; j++) {
          const dimension = row + headDim / 2 + j;
          if (head < 2) {
            for (let i = 0; i < half; i++) q.add(dimension, i, (before[part + j]?.[i] ?? 0) * gains.match);
            k.add(dimension, half + 1 + part + j, gains.match);
          } else {
            for (const matrix of [q, k]) matrix.add(dimension, half + headDim + part + j, gains.match);
          }
        }
        // Two heads together copy the whole token.
        for (let j = 0; j < headDim; j++) {
          const dimension = (head % 2) * headDim + j;
          v.add(row + j, dimension, 1);
          output.add(dimension, row + j, gains.copy * embeddingScale);
        }
      } else if (head < 3) {
        const pattern = patterns[head] ?? patterns[0];
        for (const matrix of [q, k]) matrix.scaleRows(row, headDim, 0.1);
        v.scaleRows(row, headDim, 0);
        output.scaleColumns(row, headDim, 0);
        for (let pair = pattern.from; pair < Math.min(pattern.to, headDim / 4); pair++) {
          // The score is largest for keys `offset` tokens away.
          const angle = -pattern.offset * ropeBase ** (-pair / (headDim / 2));
          q.add(row + 2 * pair, half, pattern.gain / normed);
          k.add(row + 2 * pair, half, (pattern.gain / normed) * Math.cos(angle));
          k.add(row + 2 * pair + 1, half, (pattern.gain / normed) * Math.sin(angle));
        }
        const basis = head === 0 ? before : nearby;
        for (let j = 0; j < headDim; j++) {
          for (let i = 0; i < half; i++) v.set(row + j, i, basis[j]?.[i] ?? 0);
          const target = head === 0 ? half + 1 + j : half + headDim + j;
          const gain = head === 0 ? gains.before : gains.nearby;
          if (head > 0 || j < headDim - 1) output.set(target, row + j, gain * embeddingScale);
        }
      }
    }
    const name = (part: string) => `blk.${layer}.${part}.weight`;
    sources.push(
      ones(name('attn_norm'), width),
      q.tensor(name('attn_q')),
      k.tensor(name('attn_k')),
      v.tensor(name('attn_v')),
      output.tensor(name('attn_output')),
      ones(name('ffn_norm'), width),
      plain(width, feedForward).tensor(name('ffn_gate')),
      plain(width, feedForward).tensor(name('ffn_up')),
      plain(feedForward, width, residual).tensor(name('ffn_down')),
    );
  }
  const pairs = headDim / 2;
  sources.push(
    vector(
      'rope_freqs.weight',
      Float32Array.from({ length: pairs }, (_, i) => (i < pairs / 2 ? 1 : still)),
    ),
  );
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { string: 'llama' }],
    ['general.name', { string: 'Block-Attention reader' }],
    ['general.license', { string: 'MIT' }],
    ['llama.block_count', { u32: layers }],
    ['llama.context_length', { u32: contextTokens }],
    ['llama.embedding_length', { u32: width }],
    ['llama.feed_forward_length', { u32: feedForward }],
    ['llama.attention.head_count', { u32: heads }],
    ['llama.attention.head_count_kv', { u32: heads }],
    ['llama.attention.layer_norm_rms_epsilon', { f32: 1e-5 }],
    ['llama.rope.freq_base', { f32: ropeBase }],
    ['llama.rope.dimension_count', { u32: headDim }],
    ['llama.vocab_size', { u32: vocabulary.size }],
    ...vocabulary.entries,
  ]);
  await writeGguf(path, metadata, sources);
}

interface Pattern {
  /** Where the head looks, relative to the query. */
  readonly offset: number;
  readonly gain: number;
  /** Pairs of rotated dimensions that it uses: fast ones are sharp. */
  readonly from: number;
  readonly to: number;
}

const patterns: readonly [Pattern, Pattern, Pattern] = [
  { offset: -1, gain: gains.sharp, from: 0, to: 4 },
  { offset: -2, gain: gains.broad, from: 1, to: Infinity },
  { offset: -8, gain: gains.broad, from: 2, to: Infinity },
];

/** Row-major [outputs][inputs], as GGUF has it. */
class Matrix {
  readonly #values: Float32Array;
  readonly #inputs: number;
  readonly #outputs: number;

  private constructor(inputs: number, outputs: number, values: Float32Array) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#values = values;
  }

  static random(inputs: number, outputs: number, deviation: number, random: Gaussian): Matrix {
    return new Matrix(
      inputs,
      outputs,
      Float32Array.from({ length: inputs * outputs }, () => deviation * random.next()),
    );
  }

  set(output: number, input: number, value: number): void {
    this.#values[output * this.#inputs + input] = value;
  }

  add(output: number, input: number, value: number): void {
    this.set(output, input, (this.#values[output * this.#inputs + input] ?? 0) + value);
  }

  scale(output: number, input: number, factor: number): void {
    this.set(output, input, (this.#values[output * this.#inputs + input] ?? 0) * factor);
  }

  scaleRows(first: number, count: number, factor: number): void {
    for (let output = first; output < first + count; output++) {
      for (let input = 0; input < this.#inputs; input++) this.scale(output, input, factor);
    }
  }

  scaleColumns(first: number, count: number, factor: number): void {
    for (let output = 0; output < this.#outputs; output++) {
      for (let input = first; input < first + count; input++) this.scale(output, input, factor);
    }
  }

  tensor(name: string): GgufTensorSource {
    return source(name, [this.#inputs, this.#outputs], this.#values);
  }
}

/** Normal numbers, by Box-Muller. */
class Gaussian {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  next(): number {
    const length = Math.sqrt(-2 * Math.log(1 - this.#random.uniform()));
    return length * Math.cos(2 * Math.PI * this.#random.uniform());
  }

  /** `count` orthonormal vectors of a length. */
  orthonormal(length: number, count: number): number[][] {
    const rows: number[][] = [];
    while (rows.length < count) {
      const row = Array.from({ length }, () => this.next());
      for (const other of rows) {
        const overlap = dot(row, other);
        other.forEach((value, i) => {
          row[i] = (row[i] ?? 0) - overlap * value;
        });
      }
      const norm = Math.sqrt(dot(row, row));
      rows.push(row.map((value) => value / norm));
    }
    return rows;
  }
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function ones(name: string, length: number): GgufTensorSource {
  return vector(name, new Float32Array(length).fill(1));
}

function vector(name: string, values: Float32Array): GgufTensorSource {
  return source(name, [values.length], values);
}

function source(name: string, ne: number[], values: Float32Array): GgufTensorSource {
  return { name, type: TensorType.F32, ne, data: () => new Uint8Array(values.buffer) };
}
