/** Models, sequences and comparisons for tests of the forward pass. */

import {
  type AdapterOptions,
  type AttentionFactory,
  convertBlock,
  copyRows,
  DecodeGraph,
  denseForward,
  forwardStep,
  KvLayout,
  type KvType,
  Model,
  portableAttention,
  RowStates,
  rowsToBlock,
  Sequence,
} from '@block-attention/engine/internal/model';
import type { BlockKey } from '@block-attention/engine/internal/store';
import { DevicePool } from '../../../packages/engine/src/engine/blocks/device-pool.ts';
import { Backend, type GraphAllocator } from '../../../packages/engine/src/ggml/device/backend.ts';
import { allocateMemory, type NativeMemory } from '../../../packages/engine/src/ggml/ffi/memory.ts';
import type { Prng } from '../prng.ts';

/** Euclidean distance from `b`, relative to the length of `b`. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += ((a[i] ?? Number.NaN) - (b[i] ?? 0)) ** 2;
    norm += (b[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / norm);
}

export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** Ids of ordinary tokens. */
export function randomTokens(prng: Prng, vocabulary: number, count: number): Int32Array {
  const first = Math.min(260, vocabulary >> 1);
  return Int32Array.from({ length: count }, () => first + prng.integer(vocabulary - first));
}

export interface EncodedBlock {
  readonly tokens: Int32Array;
  readonly memory: NativeMemory;
}

export type AttentionPath = (model: Model, layout: KvLayout) => AttentionFactory;

/** One loaded model with one way to attend. */
export class ForwardHarness {
  readonly model: Model;
  readonly allocator: GraphAllocator;
  readonly layout: KvLayout;
  readonly growing: KvLayout;
  readonly attention: AttentionFactory;
  /** How other models over these weights attend. */
  readonly path: AttentionPath;
  /** Of the pool that contexts are gathered from, where the path reads rows. */
  poolBytes = 2 ** 20;
  readonly #backend: Backend;
  readonly #cleanup: (() => void)[] = [];

  private constructor(backend: Backend, model: Model, kvType: KvType, attention: AttentionPath) {
    this.#backend = backend;
    this.model = model;
    this.allocator = backend.allocator();
    this.layout = new KvLayout(model.hyperParameters, kvType);
    const readsRows = attention(model, this.layout).readsRows !== undefined;
    this.growing = kvType === 'q8_0' && !readsRows ? new KvLayout(model.hyperParameters, 'f16') : this.layout;
    this.path = attention;
    this.attention = attention(model, this.layout);
  }

  static async open(
    path: string,
    kvType: KvType,
    attention: AttentionPath = portableAttention,
    options: {
      readonly threads?: number;
      readonly repack?: boolean;
      readonly linear?: 'auto' | 'ggml';
      readonly adapter?: AdapterOptions | readonly AdapterOptions[];
    } = {},
  ): Promise<ForwardHarness> {
    const backend = await Backend.open({ device: 'cpu', threads: options.threads ?? 1 });
    return new ForwardHarness(
      backend,
      await Model.load(path, backend, {
        repack: options.repack ?? false,
        linear: options.linear === 'auto' ? 'native' : options.linear,
        adapter: options.adapter,
      }),
      kvType,
      attention,
    );
  }

  get vocabulary(): number {
    return this.model.hyperParameters.vocabulary;
  }

  #place(memory: NativeMemory) {
    return this.#backend.hostMemory(memory.address);
  }

  get #readsRows(): boolean {
    return this.attention.readsRows !== undefined;
  }

  /** @param hidden per block, how many of its first tokens the sequence does not see; none by default */
  async sequence(blocks: readonly EncodedBlock[], capacity: number, hidden: readonly number[] = []): Promise<Sequence> {
    const context = blocks.map(({ memory, tokens }, index) => ({
      memory: this.#place(memory),
      tokens: tokens.length,
      hidden: hidden[index],
    }));
    const rows = this.#readsRows ? await this.#gathered(blocks, capacity) : undefined;
    const sequence = new Sequence(this.#backend, this.growing, context, capacity, rows);
    this.#cleanup.push(() => sequence.dispose());
    return sequence;
  }

  async #gathered(blocks: readonly EncodedBlock[], capacity: number): Promise<RowStates> {
    const total = blocks.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const rows = new RowStates(this.#backend, this.layout, total + capacity);
    let start = 0;
    const pooled = blocks.map(({ memory, tokens }) => {
      const block = { key: memory.address.toString() as BlockKey, memory, tokens: tokens.length, start };
      start += tokens.length;
      return block;
    });
    // Addresses are used again, so a pool lives as long as a sequence takes to gather.
    const pool = new DevicePool(this.model, this.layout, (work) => work(this.allocator), this.poolBytes);
    await pool.gather(pooled, rows);
    pool.checkIntegrity();
    pool.dispose();
    return rows;
  }

  /**
   * Encodes blocks, all in one batch.
   * @param anchor what each is encoded behind; nothing by default
   * @param writes whether the model's writer acts on them. Defaults to false
   */
  async encode(
    blocks: readonly Int32Array[],
    anchor: Int32Array = new Int32Array(0),
    writes = false,
  ): Promise<EncodedBlock[]> {
    const before = anchor.length === 0 ? undefined : await this.#anchor(anchor);
    const context = before === undefined ? [] : [before.block];
    const direct = this.growing === this.layout && !this.#readsRows;
    const encoded = blocks.map((tokens) => ({ tokens, memory: allocateMemory(this.layout.blockBytes(tokens.length)) }));
    for (const { memory } of encoded) this.#cleanup.push(() => memory.free());
    const sequences: Sequence[] = [];
    for (const { tokens, memory } of encoded) {
      const rows = this.#readsRows ? await this.#rowsBehind(before?.rows, anchor.length, tokens.length) : undefined;
      const target = direct ? this.#place(memory) : rows;
      const places = { starts: context.map(({ tokens: count }) => -count), first: 0 };
      sequences.push(new Sequence(this.#backend, this.growing, context, tokens.length, target, places));
    }
    await forwardStep(
      this.model,
      this.attention,
      this.allocator,
      sequences.map((sequence, i) => ({ sequence, tokens: blocks[i] ?? new Int32Array(0), logits: 'none' })),
      writes,
    );
    for (const [i, { tokens, memory }] of encoded.entries()) {
      const from = sequences[i];
      if (from === undefined || direct) continue;
      const target = { layout: this.layout, memory: this.#place(memory) };
      if (from.rows) {
        await rowsToBlock(this.model, this.allocator, from.rows, from.contextRows, target, tokens.length);
        continue;
      }
      const source = { layout: this.growing, memory: from.memory };
      await convertBlock(this.model, this.allocator, source, target, tokens.length);
    }
    for (const sequence of sequences) sequence.dispose();
    return encoded;
  }

  async #anchor(tokens: Int32Array) {
    const rows = this.#readsRows ? new RowStates(this.#backend, this.layout, tokens.length) : undefined;
    const sequence = new Sequence(this.#backend, this.growing, [], tokens.length, rows);
    this.#cleanup.push(() => sequence.dispose());
    await forwardStep(this.model, this.attention, this.allocator, [{ sequence, tokens, logits: 'none' }]);
    const memory = rows?.memory ?? sequence.memory;
    return { rows, block: { memory, layout: this.growing, tokens: tokens.length } };
  }

  /** Rows for `count` tokens behind those of an anchor, if there is one. */
  async #rowsBehind(source: RowStates | undefined, before: number, count: number): Promise<RowStates> {
    const target = new RowStates(this.#backend, this.layout, before + count);
    if (source === undefined) return target;
    const rows = Int32Array.from({ length: before }, (_, i) => i);
    await copyRows(this.model, this.allocator, {
      source,
      rows,
      turns: new Int32Array(before).fill(-before),
      target,
      at: 0,
    });
    return target;
  }

  /** Appends tokens; returns the logits of the last. */
  async append(sequence: Sequence, tokens: Int32Array): Promise<Float32Array> {
    const [logits] = await forwardStep(this.model, this.attention, this.allocator, [
      { sequence, tokens, logits: 'last' },
    ]);
    return logits ?? new Float32Array(0);
  }

  /** The likeliest token `count` times, starting from the logits of a prompt, through kept decode graphs. */
  async greedy(sequence: Sequence, logits: Float32Array, count: number): Promise<Int32Array> {
    const out = new Int32Array(count);
    await this.#decode(sequence, logits, count, (row, step) => (out[step] = argmax(row)));
    return out;
  }

  /** Logits of every step of a path when the model is led along it, the prompt's first, through kept decode graphs. */
  async follow(sequence: Sequence, logits: Float32Array, { tokens }: { readonly tokens: Int32Array }) {
    const rows: Float32Array[] = [];
    await this.#decode(sequence, logits, tokens.length, (row, step) => {
      rows.push(row.slice());
      return tokens[step] ?? 0;
    });
    return rows;
  }

  async #decode(
    sequence: Sequence,
    logits: Float32Array,
    count: number,
    choose: (row: Float32Array, step: number) => number,
  ): Promise<void> {
    let graph: DecodeGraph | undefined;
    let row: Float32Array | undefined = logits;
    for (let step = 0; step < count; step++) {
      const token = choose(row ?? new Float32Array(0), step);
      if (step === count - 1) break;
      if (!graph?.serves([sequence])) {
        graph?.dispose();
        graph = new DecodeGraph(this.model, this.attention, [sequence]);
      }
      [row] = await graph.run(Int32Array.of(token));
    }
    graph?.dispose();
  }

  dense(blocks: readonly Int32Array[]): Promise<Float32Array> {
    return denseForward(this.model, this.allocator, blocks);
  }

  /** Frees all blocks and sequences made so far. */
  clear(): void {
    for (const release of this.#cleanup.splice(0)) release();
  }

  dispose(): void {
    this.clear();
    this.allocator.dispose();
    this.model.dispose();
    this.#backend.dispose();
  }
}
