/**
 * Attention of final blocks over context blocks where they lie, from stock ggml operations (docs/decisions/0001).
 *
 * For every context block the query is rotated to its position relative to the block's start, so the block's keys are
 * used as stored (the paper's position re-encoding, turned round). Scores of all blocks and of the sequence's own
 * tokens go into one softmax.
 *
 * A reusable graph serves any number of steps of one token per sequence: positions, masks and the places to write are
 * inputs, and the own cache is read up to a rounded-up length.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import { type LayerAttention, windowsOf } from '../architecture/layer-attention.ts';
import { QueryTemperature } from '../architecture/query-temperature.ts';
import { plainTurn } from '../architecture/rope.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { Attention, ForwardModel } from '../graph/forward.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import { type Join, joinFor } from '../graph/join.ts';
import { causalMask, hidesNothing, type KeyRun } from '../graph/mask.ts';
import type { KvLayout } from '../kv/kv-layout.ts';
import {
  type KvTensors,
  kvTensors,
  type OwnPlaces,
  ownPlaces,
  valuesOfKeys,
  writeKv,
  writeKvAt,
} from '../kv/kv-tensors.ts';
import type { Sequence } from '../kv/sequence.ts';
import { attentionLayers } from '../weights/layers.ts';
import { attentionWeights, byHead, mergeHeads, rotate, rotateQuery, tokenRange } from './attention-heads.ts';
import type { ContextWeights } from './context-weights.ts';
import { SequenceConvolution } from './sequence-convolution.ts';

/** One sequence of a batch: its new tokens are rows [row, row + tokens). */
export interface SequenceRows {
  readonly sequence: Sequence;
  readonly row: number;
  readonly tokens: number;
  /**
   * Tokens of the context that are computed again: the row of each, in ascending order. Only of sequences of rows whose
   * positions grow from row to row. Undefined for tokens that are the sequence's own.
   */
  readonly recomputed?: Int32Array | undefined;
}

/** The key runs that layers with one sliding window, or without, look at, as columns of one score matrix. */
interface View {
  /** Indexes of the context blocks in reach. */
  readonly blocks: readonly number[];
  readonly columns: number;
  readonly mask: Tensor | null;
}

interface Member extends SequenceRows {
  /**
   * How far queries are rotated for each context block, block by block: to their position relative to its start; where a
   * query is multiplied after its rotation, from their own position back by its start. i32 [tokens * blocks]
   */
  readonly relative: Tensor | undefined;
  /** Own columns of the scores: at least what the own cache holds after this step. */
  readonly ownColumns: number;
  /** Where a reusable graph writes: rows of K, elements of V. */
  readonly places: OwnPlaces | undefined;
  readonly whole: View;
  /** By window: those that hide something. */
  readonly windowed: ReadonlyMap<number, View>;
}

export class PortableAttention implements Attention {
  readonly #g: GraphContext;
  readonly #inputs: GraphInputs;
  readonly #weights: ContextWeights | undefined;
  readonly #model: ForwardModel;
  readonly #backend: Backend;
  readonly #layout: KvLayout;
  readonly #positions: Tensor;
  readonly #temperature: QueryTemperature;
  readonly #members: readonly Member[];
  readonly #joinScores: Join;
  readonly #joinRows: Join;
  readonly #convolution: SequenceConvolution;

  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    model: ForwardModel,
    backend: Backend,
    /** Layout of the context blocks that carry none of their own; own caches carry theirs. */
    layout: KvLayout,
    rows: readonly SequenceRows[],
    /** Own tokens each sequence may reach before the graph must be rebuilt; undefined: a graph for one step. */
    reuseUpTo?: number,
    /** Told of every layer's weights; of one sequence. */
    weights?: ContextWeights,
  ) {
    this.#g = g;
    this.#inputs = inputs;
    this.#weights = weights;
    this.#model = model;
    this.#backend = backend;
    this.#layout = layout;
    const total = rows.reduce((sum, { tokens }) => sum + tokens, 0);
    const positions = () => rowPositions(rows);
    this.#positions = inputs.integers(total, positions);
    this.#temperature = new QueryTemperature(g, inputs, model.hyperParameters.attention, total, positions);
    this.#members = rows.map((entry) => this.#member(inputs, entry, reuseUpTo));
    const { heads, attention } = model.hyperParameters;
    const scores = Math.max(...this.#members.map(({ whole, tokens }) => whole.columns * tokens * heads));
    this.#joinScores = joinFor(g, inputs, backend, scores);
    const widest = Math.max(...attention.map((layer) => layer.heads * layer.valueDim));
    this.#joinRows = joinFor(g, inputs, backend, widest * total);
    const { hyperParameters } = model;
    const reusable = reuseUpTo !== undefined;
    this.#convolution = new SequenceConvolution(g, inputs, rows, { hyperParameters, backend, layout, reusable });
  }

  #member(inputs: GraphInputs, rows: SequenceRows, reuseUpTo: number | undefined): Member {
    const { sequence, tokens } = rows;
    const { blocks } = sequence;
    const turnsBack = attentionLayers(this.#model.weights).some(({ queryGains }) => queryGains.length > 0);
    const relative = () => {
      const positions = new Int32Array(tokens * blocks.length);
      blocks.forEach((block, index) => {
        for (let i = 0; i < tokens; i++) {
          positions[index * tokens + i] = (turnsBack ? 0 : sequence.position + i) - block.start;
        }
      });
      return positions;
    };
    // Devices get the whole cache, masked: their matrix products go wrong on windows of transposed values.
    const reach = this.#backend.isCpu ? (reuseUpTo ?? sequence.length + tokens) : sequence.capacity;
    const ownColumns = sequence.layout.padded(Math.min(reach, sequence.capacity));
    const reusable = reuseUpTo !== undefined;
    const farthest = sequence.position + tokens - Math.min(sequence.contextTokens, ...blocks.map(({ start }) => start));
    const windows = windowsOf(this.#model.hyperParameters.attention).filter((window) => reusable || farthest > window);
    const viewOf = (window: number) => this.#view(inputs, rows, ownColumns, window, reusable);
    return {
      ...rows,
      relative: blocks.length > 0 ? inputs.integers(tokens * blocks.length, relative) : undefined,
      ownColumns,
      places: reusable ? ownPlaces(inputs, sequence) : undefined,
      whole: viewOf(0),
      windowed: new Map(windows.map((window) => [window, viewOf(window)])),
    };
  }

  #view(inputs: GraphInputs, rows: SequenceRows, ownColumns: number, window: number, reusable: boolean): View {
    const { sequence, tokens } = rows;
    const reached = [...sequence.blocks.entries()].filter(
      ([, block]) => window === 0 || block.start + block.tokens + window > sequence.position + 1,
    );
    const context: KeyRun[] = reached.map(([, block]) => ({ ...block, padded: this.#layout.padded(block.tokens) }));
    const columns = context.reduce((sum, run) => sum + run.padded, ownColumns);
    const makeMask = () => {
      const own = { tokens: sequence.length + tokens, padded: ownColumns, start: sequence.contextTokens };
      return causalMask([...context, own], sequence.position, tokens, window);
    };
    const first = makeMask();
    const mask =
      !reusable && hidesNothing(first) ? null : inputs.half(columns, tokens, reusable ? makeMask : () => first);
    return { blocks: reached.map(([index]) => index), columns, mask };
  }

  attend(layer: LayerAttention, query: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    const g = this.#g;
    const q = this.#temperature.apply(layer, query);
    const rotatedQ = rotateQuery(g, layer, q, this.#positions);
    const rotatedK = k && rotate(g, layer, k, this.#positions);
    const parts: Tensor[] = [];
    for (const member of this.#members) {
      const { sequence, row, tokens, places } = member;
      const own = kvTensors(g, this.#backend, sequence.layout, sequence.memory, sequence.capacity, layer.slot);
      if (rotatedK !== undefined && v !== undefined) {
        const ownK = tokenRange(g, rotatedK, row, tokens);
        const ownV = tokenRange(g, v, row, tokens);
        if (places) writeKvAt(g, own, ownK, ownV, places);
        else writeKv(g, own, ownK, ownV, sequence.length);
      }
      const attended = this.#attended(
        layer,
        member,
        own,
        tokenRange(g, q, row, tokens),
        tokenRange(g, rotatedQ, row, tokens),
      );
      // Before the next member's scores take the shared storage.
      parts.push(g.expand(attended));
    }
    const [alone, ...others] = parts;
    if (alone !== undefined && others.length === 0) return mergeHeads(g, alone);
    const byToken = parts.map((part) => g.permute(part, 0, 2, 1, 3)); // [headDim, heads, tokens]
    return g.reshape(this.#joinRows(byToken, 2), layer.valueDim * layer.heads, q.ne[2]);
  }

  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    return this.#convolution.convolve(layer, x);
  }

  /** @returns [valueDim, tokens, heads] */
  #attended(layer: LayerAttention, member: Member, own: KvTensors, q: Tensor, rotatedQ: Tensor): Tensor {
    const g = this.#g;
    const { sequence, tokens, ownColumns } = member;
    const { heads } = layer;
    const { blocks, mask } = member.windowed.get(layer.window) ?? member.whole;
    const runs: { readonly kv: KvTensors; readonly column: number; readonly padded: number }[] = [];
    const parts: Tensor[] = [];
    const columns = new Map<number, number>();
    let column = 0;
    const score = (kv: KvTensors, query: Tensor, padded: number) => {
      parts.push(g.mulMat(kv.keys, byHead(g, query))); // [padded, tokens, heads]
      runs.push({ kv, column, padded });
      column += padded;
    };
    const turned = this.#turned(layer, member, q, rotatedQ);
    for (const index of blocks) {
      const block = sequence.blocks[index];
      if (block === undefined) continue;
      const kv = kvTensors(g, this.#backend, block.layout ?? this.#layout, block.memory, block.tokens, layer.slot);
      const query = turned === undefined ? rotatedQ : tokenRange(g, turned, index * tokens, tokens);
      columns.set(index, column);
      score(kv, query, this.#layout.padded(block.tokens));
    }
    score(firstTokens(g, own, ownColumns), rotatedQ, ownColumns);
    const weights = g.expand(attentionWeights(g, layer, this.#joinScores(parts, 0), mask));
    this.#weights?.add(g, this.#inputs, weights, columns);
    let sum: Tensor | undefined;
    for (const { kv, column: first, padded } of runs) {
      const part = g.view(weights, [padded, tokens, heads, 1], weights.nb[1], weights.nb[2], weights.nb[3], first * 4);
      const value = g.mulMat(kv.values ?? valuesOfKeys(g, kv.keys, layer.valueDim), part); // [valueDim, tokens, heads]
      sum = sum === undefined ? value : g.add(sum, value);
    }
    return sum ?? q;
  }

  /** The query once per context block, rotated relative to that block's start: [headDim, heads, tokens * blocks]. */
  #turned(layer: LayerAttention, member: Member, q: Tensor, rotatedQ: Tensor): Tensor | undefined {
    const { relative, sequence } = member;
    const { rope, ropeFactors, queryGains } = layer;
    if (relative === undefined || rope === undefined) return undefined;
    const g = this.#g;
    const copies = (x: Tensor) => g.repeat(x, x.ne[0], x.ne[1], x.ne[2] * sequence.blocks.length);
    if (queryGains.length > 0) return g.rope(copies(rotatedQ), relative, ropeFactors ?? null, plainTurn(rope));
    return rotate(g, layer, copies(q), relative);
  }
}

/** Positions in the prompt, by row. */
export function rowPositions(rows: readonly SequenceRows[]): Int32Array {
  const positions = new Int32Array(rows.reduce((sum, { tokens }) => sum + tokens, 0));
  for (const { sequence, row, tokens } of rows) {
    for (let i = 0; i < tokens; i++) positions[row + i] = sequence.position + i;
  }
  return positions;
}

/** The first `columns` tokens of an own cache. */
function firstTokens(g: GraphContext, own: KvTensors, columns: number): KvTensors {
  const { keys, values } = own;
  if (columns === keys.ne[1]) return own;
  return {
    keys: g.view(keys, [keys.ne[0], columns, keys.ne[2], 1], keys.nb[1], keys.nb[2], keys.nb[3], 0),
    values:
      values && g.view(values, [columns, values.ne[1], values.ne[2], 1], values.nb[1], values.nb[2], values.nb[3], 0),
  };
}
