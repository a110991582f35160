/**
 * Attention of final blocks over context blocks by the fused kernel in native/ (docs/decisions/0001): two graph nodes
 * per layer whatever the number of blocks, which are read where they lie. CPU only.
 *
 * The query, rotated to its place in the prompt, is turned back by each block's offset inside the kernel: one vector of
 * cosines and sines per block and kind of rotary embedding. Nothing in the graph depends on which blocks there are, so
 * a kept graph only gets new numbers in its parameters.
 */

import type { Backend } from '../../ggml/device/backend.ts';
import { allocateMemory, type NativeMemory } from '../../ggml/ffi/memory.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import {
  AttentionArguments,
  type AttentionBlock,
  type AttentionCapacity,
} from '../../ggml/native/attention-arguments.ts';
import type { NativeKernel } from '../../ggml/native/native-kernel.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';
import { QueryTemperature } from '../architecture/query-temperature.ts';
import { angularFrequencies, type Rope, rotation } from '../architecture/rope.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { Attention } from '../graph/forward.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import type { KvLayout } from '../kv/kv-layout.ts';
import { kvTensors, ownPlaces, writeKv, writeKvAt } from '../kv/kv-tensors.ts';
import type { Model } from '../model.ts';
import { attentionLayers } from '../weights/layers.ts';
import { rotate, rotateQuery, tokenRange } from './attention-heads.ts';
import { rowPositions, type SequenceRows } from './attention-portable.ts';
import { SequenceConvolution } from './sequence-convolution.ts';

/** What the kernel needs of a model, kept across graphs: angles per rotary embedding. */
export class KernelModel {
  readonly kernel: NativeKernel;
  readonly model: Model;
  readonly #frequencies = new Map<Rope, Float64Array>();
  /** By slot, f32 [heads]; empty for a model without. */
  readonly sinks = new Map<number, Float32Array>();

  constructor(kernel: NativeKernel, model: Model) {
    this.kernel = kernel;
    this.model = model;
    for (const { rope, ropeFactors, sinks, slot } of attentionLayers(model.weights)) {
      if (sinks !== undefined) {
        const values = new Float32Array(sinks.ne[0]);
        model.backend.read(sinks, values);
        this.sinks.set(slot, values);
      }
      if (rope === undefined || this.#frequencies.has(rope)) continue;
      const factors = ropeFactors && new Float32Array(ropeFactors.ne[0]);
      if (ropeFactors && factors) model.backend.read(ropeFactors, factors);
      this.#frequencies.set(rope, angularFrequencies(rope, factors));
    }
  }

  /** The rotary embeddings the layers use, each once. */
  get ropes(): Rope[] {
    return [...this.#frequencies.keys()];
  }

  /** cos and sin of turning back by `start` positions, f32 [dims / 2] each. */
  turnBack(rope: Rope, start: number): { cos: Float32Array; sin: Float32Array } {
    return rotation(this.#frequencies.get(rope) ?? new Float64Array(0), -start);
  }
}

/** Where the cosines and sines of one rotary embedding lie, per context block of the batch. */
type Turns = ReadonlyMap<Rope, readonly { readonly cos: bigint; readonly sin: bigint }[]>;

export class NativeAttention implements Attention {
  readonly #g: GraphContext;
  readonly #inputs: GraphInputs;
  readonly #source: KernelModel;
  readonly #backend: Backend;
  readonly #layout: KvLayout;
  readonly #rows: readonly SequenceRows[];
  readonly #positions: Tensor;
  readonly #temperature: QueryTemperature;
  readonly #places: readonly ReturnType<typeof ownPlaces>[] | undefined;
  readonly #convolution: SequenceConvolution;
  readonly #turns: Turns;
  readonly #capacity: AttentionCapacity;
  /** Of every layer, one after the other. */
  readonly #parameters: NativeMemory;
  /** [layers][heads], undefined for a model without. */
  readonly #sinks: NativeMemory | undefined;
  /** Layers of the graph so far. */
  #layers = 0;
  /** By its size. */
  readonly #scratch = new Map<number, NativeMemory>();

  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    source: KernelModel,
    layout: KvLayout,
    rows: readonly SequenceRows[],
    reusable: boolean,
  ) {
    this.#g = g;
    this.#inputs = inputs;
    this.#source = source;
    this.#backend = source.model.backend;
    this.#layout = layout;
    this.#rows = rows;
    const total = rows.reduce((sum, { tokens }) => sum + tokens, 0);
    const positions = () => rowPositions(rows);
    this.#positions = inputs.integers(total, positions);
    const { attention } = source.model.hyperParameters;
    this.#temperature = new QueryTemperature(g, inputs, attention, total, positions);
    this.#places = reusable ? rows.map(({ sequence }) => ownPlaces(inputs, sequence)) : undefined;
    const { hyperParameters, backend } = source.model;
    this.#convolution = new SequenceConvolution(g, inputs, rows, { hyperParameters, backend, layout, reusable });
    this.#turns = this.#makeTurns();
    const blocks = rows.reduce((sum, { sequence }) => sum + sequence.blocks.length, 0);
    this.#capacity = { sequences: rows.length, blocks };
    const { layers } = source.model.hyperParameters;
    const parameters = allocateMemory(layers * AttentionArguments.bytes(this.#capacity));
    inputs.onDispose(() => parameters.free());
    this.#parameters = parameters;
    this.#sinks = this.#placeSinks();
  }

  attend(layer: LayerAttention, q: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    const g = this.#g;
    const { kernel } = this.#source;
    const { valueDim, heads } = layer;
    const rotatedQ = rotateQuery(g, layer, this.#temperature.apply(layer, q), this.#positions);
    if (k !== undefined && v !== undefined) this.#write(layer, rotate(g, layer, k, this.#positions), v);
    const op = this.#arguments(layer);
    // The writes above were expanded into the graph: nodes run in order, so they are done when the kernel reads.
    const partial = g.custom([valueDim, heads, q.ne[2], 1], [rotatedQ], kernel.attend, op);
    const merged = g.custom([valueDim, heads, q.ne[2], 1], [partial], kernel.merge, op);
    return g.reshape(merged, valueDim * heads, q.ne[2]);
  }

  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    return this.#convolution.convolve(layer, x);
  }

  /** @param k rotated */
  #write(layer: LayerAttention, k: Tensor, v: Tensor): void {
    const g = this.#g;
    for (const [i, { sequence, row, tokens }] of this.#rows.entries()) {
      const own = kvTensors(g, this.#backend, sequence.layout, sequence.memory, sequence.capacity, layer.slot);
      const ownK = tokenRange(g, k, row, tokens);
      const ownV = tokenRange(g, v, row, tokens);
      const places = this.#places?.[i];
      if (places) writeKvAt(g, own, ownK, ownV, places);
      else writeKv(g, own, ownK, ownV, sequence.length);
    }
  }

  #placeSinks(): NativeMemory | undefined {
    const { sinks, model } = this.#source;
    if (sinks.size === 0) return undefined;
    const { layers, heads } = model.hyperParameters;
    const memory = allocateMemory(layers * heads * 4);
    this.#inputs.onDispose(() => memory.free());
    const values = new Float32Array(memory.bytes.buffer, memory.bytes.byteOffset, layers * heads);
    for (const [slot, own] of sinks) values.set(own, slot * heads);
    return memory;
  }

  #sinksOf(slot: number): bigint | null {
    if (this.#sinks === undefined || !this.#source.sinks.has(slot)) return null;
    return this.#sinks.address + BigInt(slot * this.#source.model.hyperParameters.heads * 4);
  }

  /** Parameters of one layer, written before every compute. @returns the address of its ba_op */
  #arguments(layer: LayerAttention): bigint {
    const { kernel } = this.#source;
    const { headDim, valueDim, valuesInKeys, heads, kvHeads, rope, window, scale, softcap, slot } = layer;
    const capacity = this.#capacity;
    const parameters = new AttentionArguments(
      {
        headDim,
        heads,
        kvHeads,
        rotated: rope?.dims ?? 0,
        neox: rope?.mode === 2,
        window,
        scale,
        cut: this.#backend.threads,
        softcap,
        sinks: this.#sinksOf(slot),
        latent: valuesInKeys ? valueDim : 0,
      },
      capacity,
      { memory: this.#parameters, offset: this.#layers++ * AttentionArguments.bytes(capacity) },
    );
    parameters.write(this.#sequences(slot, rope));
    parameters.setScratch(this.#scratchOf(kernel.scratchBytes(parameters.params, this.#backend.threads)));
    this.#inputs.refresh(() => {
      this.#rows.forEach(({ sequence, tokens }, i) => {
        parameters.grow(i, sequence.position, sequence.length + tokens);
      });
    });
    return parameters.op;
  }

  /** Layers run one after the other, and those whose heads have the same shape need the same. */
  #scratchOf(bytes: number): NativeMemory {
    const known = this.#scratch.get(bytes);
    if (known !== undefined) return known;
    const scratch = allocateMemory(bytes);
    this.#inputs.onDispose(() => scratch.free());
    this.#scratch.set(bytes, scratch);
    return scratch;
  }

  #sequences(slot: number, rope: Rope | undefined) {
    const turns = rope && this.#turns.get(rope);
    let index = 0;
    return this.#rows.map(({ sequence, row, tokens }) => ({
      row,
      queries: tokens,
      position: sequence.position,
      blocks: sequence.blocks.map(({ memory, layout = this.#layout, tokens: count, start, hidden }): AttentionBlock => {
        const turn = turns?.[index++];
        return {
          keys: memory.address + BigInt(layout.keyOffset(slot, count)),
          values: memory.address + BigInt(layout.valueOffset(slot, count)),
          cos: start === 0 ? null : (turn?.cos ?? null),
          sin: start === 0 ? null : (turn?.sin ?? null),
          tokens: count,
          paddedTokens: layout.padded(count),
          start,
          type: layout.tensorType,
          hidden,
        };
      }),
      own: {
        keys: sequence.memory.address + BigInt(sequence.layout.keyOffset(slot, sequence.capacity)),
        values: sequence.memory.address + BigInt(sequence.layout.valueOffset(slot, sequence.capacity)),
        cos: null,
        sin: null,
        tokens: sequence.length + tokens,
        paddedTokens: sequence.capacity,
        start: sequence.contextTokens,
        type: sequence.layout.tensorType,
      },
    }));
  }

  #makeTurns(): Turns {
    const starts = this.#rows.flatMap(({ sequence }) => sequence.blocks.map((block) => block.start));
    const turns = new Map<Rope, { cos: bigint; sin: bigint }[]>();
    for (const rope of starts.length > 0 ? this.#source.ropes : []) {
      const half = rope.dims / 2;
      const memory = allocateMemory(starts.length * rope.dims * 4);
      this.#inputs.onDispose(() => memory.free());
      const values = new Float32Array(memory.bytes.buffer, memory.bytes.byteOffset, starts.length * rope.dims);
      const known = new Map<number, { cos: Float32Array; sin: Float32Array }>();
      const places = starts.map((start, i) => {
        let turn = known.get(start);
        if (turn === undefined) {
          turn = this.#source.turnBack(rope, start);
          known.set(start, turn);
        }
        values.set(turn.cos, i * rope.dims);
        values.set(turn.sin, i * rope.dims + half);
        const at = memory.address + BigInt(i * rope.dims * 4);
        return { cos: at, sin: at + BigInt(half * 4) };
      });
      turns.set(rope, places);
    }
    return turns;
  }
}
