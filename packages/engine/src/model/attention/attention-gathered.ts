/**
 * Attention of devices: stock flash attention over rows in which a sequence's context has been gathered
 * (row-copies.ts), the own tokens behind it (docs/gpu.md). As many graph nodes for any number of blocks.
 *
 * Each layer writes the new tokens' keys and values to their rows and attends to all rows up to a rounded-up number
 * under a mask. A reusable graph serves any number of steps: rows, positions and masks are inputs.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { type LayerAttention, windowsOf } from '../architecture/layer-attention.ts';
import { QueryTemperature } from '../architecture/query-temperature.ts';
import type { Attention, ForwardModel } from '../graph/forward.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import { type Join, joinFor } from '../graph/join.ts';
import { paddedRows, type RowStates, valuesInRows } from '../kv/row-states.ts';
import type { Sequence } from '../kv/sequence.ts';
import { attentionWeights, byHead, rotate, rotateQuery, tokenRange } from './attention-heads.ts';
import type { SequenceRows } from './attention-portable.ts';
import type { ContextWeights } from './context-weights.ts';
import { rowMask } from './row-mask.ts';

/** Tensors that a sequence adds per layer. */
export const gatheredTensors = 40;

/** The keys that layers with one sliding window, or without, look at: rows [first, first + mask.ne[0]). */
interface View {
  readonly first: number;
  readonly mask: Tensor;
}

interface Member extends SequenceRows {
  readonly states: RowStates;
  /** Rows that the new tokens are written to: i64 [tokens]. */
  readonly places: Tensor;
  readonly whole: View;
  /** By window. */
  readonly windowed: ReadonlyMap<number, View>;
}

/** Row of the sequence's memory that each new token takes. */
export function tokenRows({ sequence, tokens, recomputed }: SequenceRows): Int32Array {
  return recomputed ?? Int32Array.from({ length: tokens }, (_, i) => sequence.contextRows + sequence.length + i);
}

/** Positions in the prompt of the new tokens, by row of the graph. */
function positionsOf(members: readonly SequenceRows[]): Int32Array {
  const positions = new Int32Array(members.reduce((sum, { tokens }) => sum + tokens, 0));
  for (const member of members) {
    const base = firstPosition(member.sequence);
    tokenRows(member).forEach((row, i) => {
      positions[member.row + i] = base + row;
    });
  }
  return positions;
}

/** Position of the first row, the own tokens' being right behind the context. */
function firstPosition({ contextTokens, contextRows }: Sequence): number {
  return contextTokens - contextRows;
}

export class GatheredAttention implements Attention {
  readonly #g: GraphContext;
  readonly #inputs: GraphInputs;
  readonly #weights: ContextWeights | undefined;
  readonly #positions: Tensor;
  readonly #temperature: QueryTemperature;
  readonly #members: readonly Member[];
  readonly #join: Join;
  /** Of each slot of some rows, what was last written: whoever reads it depends on the writing. */
  readonly #written = new Map<RowStates, Map<number, { readonly keys: Tensor; readonly values: Tensor }>>();

  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    model: ForwardModel,
    backend: Backend,
    rows: readonly SequenceRows[],
    /** Own tokens each sequence may reach before the graph must be rebuilt; undefined: a graph for one step. */
    reuseUpTo?: number,
    /** Told of every layer's weights; of one sequence. */
    weights?: ContextWeights,
  ) {
    this.#g = g;
    this.#inputs = inputs;
    this.#weights = weights;
    const { attention } = model.hyperParameters;
    const total = rows.reduce((sum, { tokens }) => sum + tokens, 0);
    this.#positions = inputs.integers(total, () => positionsOf(rows));
    this.#temperature = new QueryTemperature(g, inputs, attention, total, () => positionsOf(rows));
    const windows = windowsOf(attention);
    this.#members = rows.map((entry) => memberOf(inputs, entry, windows, reuseUpTo));
    const widest = Math.max(...attention.map((layer) => layer.heads * layer.valueDim));
    this.#join = joinFor(g, inputs, backend, widest * total);
  }

  attend(layer: LayerAttention, query: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    const g = this.#g;
    const q = rotateQuery(g, layer, this.#temperature.apply(layer, query), this.#positions);
    if (k !== undefined && v !== undefined) this.#write(layer, rotate(g, layer, k, this.#positions), v);
    const parts = this.#members.map((member) => g.expand(this.#attended(layer, member, q)));
    if (this.#weights) for (const member of this.#members) this.#observe(this.#weights, layer, member, q);
    const width = layer.valueDim * layer.heads;
    const flat = parts.map((part) => g.reshape(part, width, part.ne[2]));
    const [alone, ...others] = flat;
    return alone !== undefined && others.length === 0 ? alone : this.#join(flat, 1);
  }

  convolve(): never {
    throw new Error('rows are of tokens, and hold no tails: see gatheredRefusal()');
  }

  /** @param k rotated */
  #write(layer: LayerAttention, k: Tensor, v: Tensor): void {
    const g = this.#g;
    const [flatK, flatV] = [k, v].map((t) => g.reshape(g.contiguous(t), t.ne[0] * t.ne[1], 1, t.ne[2]));
    if (flatK === undefined || flatV === undefined) return;
    for (const { states, row, tokens, places } of this.#members) {
      const { keys, values } = this.#states(states, layer);
      const part = (t: Tensor) => g.reshape(tokenRange(g, t, row, tokens), t.ne[0], tokens);
      const writtenKeys = g.expand(g.setRows(keys, part(flatK), places));
      const writtenValues = layer.valuesInKeys
        ? valuesInRows(g, writtenKeys, layer.valueDim)
        : g.expand(g.setRows(values, part(flatV), places));
      this.#slots(states).set(layer.slot, { keys: writtenKeys, values: writtenValues });
    }
  }

  #slots(states: RowStates) {
    const known = this.#written.get(states) ?? new Map<number, { readonly keys: Tensor; readonly values: Tensor }>();
    this.#written.set(states, known);
    return known;
  }

  #states(states: RowStates, { slot, valuesInKeys, valueDim }: LayerAttention) {
    const g = this.#g;
    const known = this.#slots(states).get(slot);
    if (known !== undefined) return known;
    const keys = states.keys(g, slot);
    return { keys, values: valuesInKeys ? valuesInRows(g, keys, valueDim) : states.values(g, slot) };
  }

  /** Flash attention keeps no weights: they are computed beside it, from keys as f32, which every device multiplies. */
  #observe(weights: ContextWeights, layer: LayerAttention, { row, tokens, ...member }: Member, q: Tensor): void {
    const g = this.#g;
    const { first, mask } = member.windowed.get(layer.window) ?? member.whole;
    const { keys } = this.#states(member.states, layer);
    const [width, count] = [keys.ne[0], mask.ne[0]];
    const seen = g.view(keys, [width, count, 1, 1], keys.nb[1], keys.nb[2], keys.nb[3], first * keys.nb[1]);
    const plain = g.reshape(g.copy(seen, g.tensor(TensorType.F32, width, count)), layer.headDim, layer.kvHeads, count);
    const scores = g.mulMat(g.cont(byHead(g, plain)), byHead(g, tokenRange(g, q, row, tokens)));
    let start = 0;
    const columns = member.sequence.blocks.map(({ tokens: length }, index): [number, number] => {
      start += length;
      return [index, start - length - first];
    });
    weights.add(g, this.#inputs, attentionWeights(g, layer, scores, mask), new Map(columns));
  }

  /** @returns [valueDim, heads, tokens] */
  #attended(layer: LayerAttention, member: Member, q: Tensor): Tensor {
    const g = this.#g;
    const { row, tokens, states } = member;
    const { first, mask } = member.windowed.get(layer.window) ?? member.whole;
    const { keys, values } = this.#states(states, layer);
    const count = mask.ne[0];
    const rowsByHead = (t: Tensor, dims: number) => {
      const head = t.nb[1] / layer.kvHeads;
      return g.view(t, [dims, count, layer.kvHeads, 1], t.nb[1], head, t.nb[1] * t.ne[1], first * t.nb[1]);
    };
    return g.flashAttention(
      g.permute(tokenRange(g, q, row, tokens), 0, 2, 1, 3),
      rowsByHead(keys, layer.headDim),
      rowsByHead(values, layer.valueDim),
      mask,
      layer.scale,
      { softcap: layer.softcap, sinks: layer.sinks },
    );
  }
}

function memberOf(
  inputs: GraphInputs,
  rows: SequenceRows,
  windows: readonly number[],
  reuseUpTo: number | undefined,
): Member {
  const { sequence, tokens } = rows;
  const states = sequence.rows;
  if (states === undefined) throw new Error('this attention reads sequences of rows alone');
  const reach = reuseUpTo === undefined ? Math.max(...tokenRows(rows)) + 1 : sequence.contextRows + reuseUpTo;
  const end = Math.min(paddedRows(reach), states.capacity);
  const viewOf = (window: number): View => {
    const seen = window === 0 ? 0 : firstRowSeen(rows, window);
    const first = seen - (seen % paddedRows(1));
    const mask = inputs.half(end - first, tokens, () => rowMask(rows, tokenRows(rows), { first, end, window }));
    return { first, mask };
  };
  return {
    ...rows,
    states,
    places: inputs.rows(tokens, () => BigInt64Array.from(tokenRows(rows), BigInt)),
    whole: viewOf(0),
    windowed: new Map(windows.filter((window) => window < end).map((window) => [window, viewOf(window)])),
  };
}

/** The first row that a layer with a window sees now; later steps see later ones. */
function firstRowSeen(rows: SequenceRows, window: number): number {
  const { sequence } = rows;
  // Blocks may be placed anywhere: what row a position is at is known of the own tokens alone.
  if (!inOrder(sequence)) return 0;
  return Math.max(0, Math.min(...tokenRows(rows)) - window + 1);
}

/** Whether positions grow by one from row to row. */
export function inOrder(sequence: Sequence): boolean {
  let position = firstPosition(sequence);
  return sequence.blocks.every(({ start, tokens }) => {
    const fits = start === position;
    position += tokens;
    return fits;
  });
}
