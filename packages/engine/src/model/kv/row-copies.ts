/**
 * Moving states between blocks as they are stored and rows, and between rows: on the device, by as many nodes per slot
 * whatever is moved.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';
import { plainTurn } from '../architecture/rope.ts';
import { GraphInputs } from '../graph/graph-inputs.ts';
import type { Model } from '../model.ts';
import { attentionLayers } from '../weights/layers.ts';
import type { StoredBlock } from './convert-kv.ts';
import { kvTensors } from './kv-tensors.ts';
import { type RowStates, sidesOf } from './row-states.ts';

/** What a graph of copies may need per slot. */
const tensorsPerSlot = 40;

/** Builds, fills and computes a graph over all slots. */
async function overSlots(
  model: Model,
  allocator: GraphAllocator,
  slots: number,
  build: (g: GraphContext, inputs: GraphInputs) => (slot: number) => void,
): Promise<number> {
  const g = new GraphContext(slots * tensorsPerSlot + 32);
  const inputs = new GraphInputs(g);
  try {
    const each = build(g, inputs);
    for (let slot = 0; slot < slots; slot++) each(slot);
    allocator.place(g);
    inputs.write(model.backend);
    await allocator.compute(g);
    return g.nodes;
  } finally {
    inputs.dispose();
    g.dispose();
  }
}

/** Writes a block as it is stored, which the device can read, to the rows of `places`, one per token. */
export async function blockToRows(
  model: Model,
  allocator: GraphAllocator,
  block: StoredBlock,
  target: RowStates,
  places: Int32Array,
): Promise<void> {
  const tokens = places.length;
  const { layout, memory } = block;
  await overSlots(model, allocator, layout.slots.length, (g, inputs) => {
    const rows = inputs.rows(tokens, () => BigInt64Array.from(places, BigInt));
    const write = (into: Tensor, byToken: Tensor) =>
      g.expand(g.setRows(into, g.reshape(g.cont(byToken), into.ne[0], tokens), rows));
    return (slot) => {
      const { keys, values } = kvTensors(g, model.backend, layout, memory, tokens, slot);
      const plain = (t: Tensor) => (layout.type === 'q8_0' ? asFloats(g, t) : t);
      const k = plain(keys);
      const first = g.view(k, [k.ne[0], tokens, k.ne[2], 1], k.nb[1], k.nb[2], k.nb[3], 0);
      write(target.keys(g, slot), g.permute(first, 0, 2, 1, 3)); // [headDim, kvHeads, tokens]
      if (values === undefined) return;
      const v = plain(values);
      const columns = g.view(v, [tokens, v.ne[1], v.ne[2], 1], v.nb[1], v.nb[2], v.nb[3], 0);
      write(target.values(g, slot), g.permute(columns, 2, 0, 1, 3)); // [valueDim, kvHeads, tokens]
    };
  });
}

/** Writes rows [first, first + tokens) as a stored block into zeroed memory. */
export async function rowsToBlock(
  model: Model,
  allocator: GraphAllocator,
  source: RowStates,
  first: number,
  block: StoredBlock,
  tokens: number,
): Promise<void> {
  const { layout, memory } = block;
  const quantised = layout.type === 'q8_0';
  await overSlots(model, allocator, layout.slots.length, (g) => (slot) => {
    const { headDim, valueDim, kvHeads } = layout.shape(slot);
    const { keys, values } = kvTensors(g, model.backend, layout, memory, tokens, slot);
    const read = (which: 'keys' | 'values', dims: number) => {
      const rows = source.window(g, slot, which, first, tokens);
      const plain = source.layout.type === 'q8_0' ? asFloats(g, rows) : g.contiguous(rows);
      return g.reshape(plain, dims, kvHeads, tokens);
    };
    const k = g.cont(g.permute(read('keys', headDim), 0, 2, 1, 3)); // [headDim, tokens, kvHeads]
    // Quantised states are only written whole.
    const padding = quantised ? keys.ne[1] - tokens : 0;
    const whole = (t: Tensor, p0: number, p1: number) => (padding === 0 ? t : g.pad(t, p0, p1));
    const part = (t: Tensor, ne0: number, ne1: number) =>
      quantised ? t : g.view(t, [ne0, ne1, kvHeads, 1], t.nb[1], t.nb[2], t.nb[3], 0);
    g.expand(g.copy(whole(k, 0, padding), part(keys, headDim, tokens)));
    if (values === undefined) return;
    const v = g.cont(g.permute(read('values', valueDim), 1, 2, 0, 3)); // [tokens, valueDim, kvHeads]
    g.expand(g.copy(whole(v, padding, 0), part(values, tokens, valueDim)));
  });
}

function asFloats(g: GraphContext, t: Tensor): Tensor {
  return g.copy(t, g.tensor(TensorType.F32, ...t.ne));
}

/** Which rows to copy, and how far their keys are turned. */
export interface RowCopy {
  readonly source: RowStates;
  /** Numbers of the rows, in the order in which they come to lie. */
  readonly rows: Int32Array;
  /** Positions by which the key of each row is turned; undefined for none. */
  readonly turns?: Int32Array | undefined;
  readonly target: RowStates;
  /** The first row that is written. */
  readonly at: number;
}

/**
 * Copies rows and turns their keys to where they are used, in one pass per slot over all of them.
 *
 * Bytes are moved as they are, then keys are turned in place; quantised keys are unpacked, turned and packed again.
 * @returns nodes of the graphs, by slot as many for any number of rows
 */
export async function copyRows(model: Model, allocator: GraphAllocator, copy: RowCopy): Promise<number> {
  const { source, target, rows, at } = copy;
  const slots = target.layout.slots.length;
  const quantised = source.layout.type === 'q8_0';
  const layers = layersOfSlots(model);
  const turns = copy.turns?.some((turn) => turn !== 0) === true ? copy.turns : undefined;
  const turned = (slot: number) => (turns === undefined ? undefined : layers.get(slot));
  const moved = await overSlots(model, allocator, slots, (g, inputs) => {
    const picked = inputs.integers(rows.length, () => rows);
    const positions = turns && inputs.integers(rows.length, () => turns);
    return (slot) => {
      const layer = turned(slot);
      const rope = quantised ? layer?.rope : undefined;
      for (const side of sidesOf(target.layout, slot)) {
        if (side === 'keys' && rope !== undefined && layer !== undefined && positions !== undefined) {
          const keys = g.getRows(source.keys(g, slot), picked);
          const { headDim, kvHeads } = target.layout.shape(slot);
          const shaped = g.reshape(keys, headDim, kvHeads, rows.length);
          const result = g.rope(shaped, positions, layer.ropeFactors ?? null, plainTurn(rope));
          const flat = g.reshape(result, keys.ne[0], rows.length);
          g.expand(g.copy(flat, target.window(g, slot, 'keys', at, rows.length)));
        } else {
          g.expand(target.assignBits(g.getRows(source.bits(g, slot, side), picked), slot, side, at));
        }
      }
    };
  });
  if (quantised || turns === undefined) return moved;
  // A graph of its own: nothing in a shared one would say that turning comes after moving.
  const turning = await overSlots(model, allocator, slots, (g, inputs) => {
    const positions = inputs.integers(rows.length, () => turns);
    return (slot) => {
      const { rope, ropeFactors } = turned(slot) ?? {};
      if (rope === undefined) return;
      const { headDim, kvHeads } = target.layout.shape(slot);
      const keys = g.reshape(target.window(g, slot, 'keys', at, rows.length), headDim, kvHeads, rows.length);
      g.expand(g.ropeInPlace(keys, positions, ropeFactors ?? null, plainTurn(rope)));
    };
  });
  return moved + turning;
}

/** The layer that writes each slot. */
function layersOfSlots(model: Model): ReadonlyMap<number, LayerAttention> {
  const layers = attentionLayers(model.weights).filter(({ borrows }) => !borrows);
  return new Map(layers.map((attention) => [attention.slot, attention]));
}
