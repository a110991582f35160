/**
 * Keys and values as rows, one per token, in memory of the device: the form that flash attention reads and that rows can
 * be picked from and written to by number. A pool of blocks lies so, and a sequence's context with its own tokens behind.
 *
 * Per slot: K [capacity][kvHeads * headDim], then V [capacity][kvHeads * valueDim] unless values lie in the keys. Slots share buffers as long as the
 * device gives so much at once. Owns its memory; valid until freed.
 */
import type { Backend, OwnedMemory, TensorMemory } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { rowBytes, type Shape, type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { KvLayout } from './kv-layout.ts';

/** Attention of CUDA takes its fast ways where the number of keys is a multiple of this. */
export const rowPadding = 256;

interface Place {
  readonly memory: TensorMemory;
  readonly keys: number;
  readonly values: number;
}

export class RowStates {
  readonly layout: KvLayout;
  /** Rows of each slot: a multiple of 256. */
  readonly capacity: number;
  readonly bytes: number;
  readonly #backend: Backend;
  readonly #memories: OwnedMemory[] = [];
  readonly #places: readonly Place[];

  /**
   * Zeroed rows. @param layout says type and shapes. @param rows at least so many
   * @throws MODEL_TOO_LARGE when the device has no room
   */
  constructor(backend: Backend, layout: KvLayout, rows: number) {
    this.layout = layout;
    this.capacity = paddedRows(rows);
    this.bytes = rowsBytes(layout, rows);
    this.#backend = backend;
    try {
      this.#places = this.#allocate();
    } catch (error) {
      this.free();
      throw error;
    }
  }

  #allocate(): Place[] {
    const { layout, capacity } = this;
    const most = this.#backend.mostBytes;
    const sizes = layout.slots.map((_, slot) => [this.#keyBytes(slot), this.#valueBytes(slot)] as const);
    const groups: { readonly first: number; bytes: number }[] = [];
    sizes.forEach(([keys, values], slot) => {
      const last = groups.at(-1);
      if (last === undefined || last.bytes + keys + values > most) groups.push({ first: slot, bytes: keys + values });
      else last.bytes += keys + values;
    });
    if (capacity === 0) return [];
    return groups.flatMap(({ first, bytes }, index) => {
      const memory = this.#backend.allocateMemory(bytes, `${this.capacity} rows of keys and values`);
      this.#memories.push(memory);
      let at = 0;
      return sizes.slice(first, groups[index + 1]?.first).map(([keys, values]) => {
        const place = { memory, keys: at, values: at + keys };
        at += keys + values;
        return place;
      });
    });
  }

  /** The first of its memories: what says that these bytes lie on the device. */
  get memory(): TensorMemory | undefined {
    return this.#memories[0];
  }

  /** Keys of a slot: [kvHeads * headDim, capacity]. */
  keys(g: GraphContext, slot: number): Tensor {
    return this.#placed(g, this.layout.tensorType, slot, 'keys');
  }

  /** Values of a slot that lie apart: [kvHeads * valueDim, capacity]. */
  values(g: GraphContext, slot: number): Tensor {
    return this.#placed(g, this.layout.tensorType, slot, 'values');
  }

  /** The same bytes as 32-bit integers, which are moved as they are: [bytes of a row / 4, capacity]. */
  bits(g: GraphContext, slot: number, which: 'keys' | 'values'): Tensor {
    return this.#placed(g, TensorType.I32, slot, which);
  }

  /** Makes a node of integers write `count` rows from `first` on. @param node i32 [bytes of a row / 4, count] */
  assignBits(node: Tensor, slot: number, which: 'keys' | 'values', first: number): Tensor {
    const { memory, [which]: offset } = this.#place(slot);
    return this.#backend.assign(node, memory, offset + first * this.#rowBytes(slot, which));
  }

  /** `count` rows from `first` on of keys or values: [elements of a row, count]. */
  window(g: GraphContext, slot: number, which: 'keys' | 'values', first: number, count: number): Tensor {
    const all = which === 'keys' ? this.keys(g, slot) : this.values(g, slot);
    return g.view(all, [all.ne[0], count, 1, 1], all.nb[1], all.nb[1] * count, all.nb[1] * count, first * all.nb[1]);
  }

  free(): void {
    for (const memory of this.#memories.splice(0)) memory.free();
  }

  #placed(g: GraphContext, type: TensorType, slot: number, which: 'keys' | 'values'): Tensor {
    const { memory, [which]: offset } = this.#place(slot);
    const bytes = this.#rowBytes(slot, which);
    const elements = type === TensorType.I32 ? bytes / 4 : rowElements(this.layout, slot, which);
    const ne: Shape = [elements, this.capacity, 1, 1];
    return this.#backend.placed(g, type, ne, memory, offset);
  }

  #place(slot: number): Place {
    const place = this.#places[slot];
    if (place === undefined) throw new Error(`slot ${slot} of ${this.#places.length}`);
    return place;
  }

  #rowBytes(slot: number, which: 'keys' | 'values'): number {
    return rowBytes(this.layout.tensorType, rowElements(this.layout, slot, which));
  }

  #keyBytes(slot: number): number {
    return this.capacity * this.#rowBytes(slot, 'keys');
  }

  #valueBytes(slot: number): number {
    return this.capacity * this.#rowBytes(slot, 'values');
  }
}

/** Elements of one token's keys or values in a slot, as they are stored. */
export function rowElements(layout: KvLayout, slot: number, which: 'keys' | 'values'): number {
  const { kvHeads, headDim, valueDim, valuesInKeys } = layout.shape(slot);
  return kvHeads * (which === 'keys' ? headDim : valuesInKeys ? 0 : valueDim);
}

/** What is stored of a slot. */
export function sidesOf(layout: KvLayout, slot: number): readonly ('keys' | 'values')[] {
  return layout.shape(slot).valuesInKeys ? ['keys'] : ['keys', 'values'];
}

/** Values [valueDim, rows] that lie in rows of keys [headDim, rows] of one head, as a window on them. */
export function valuesInRows(g: GraphContext, keys: Tensor, valueDim: number): Tensor {
  const { ne, nb, type } = keys;
  return g.view(keys, [valueDim, ne[1], 1, 1], nb[1], nb[2], nb[3], rowBytes(type, ne[0] - valueDim));
}

export function paddedRows(rows: number): number {
  return Math.ceil(Math.max(rows, 1) / rowPadding) * rowPadding;
}

/** Bytes of so many rows of all slots. */
export function rowsBytes(layout: KvLayout, rows: number): number {
  return paddedRows(rows) * layout.bytesPerToken;
}

/** Why blocks of a layout cannot lie as rows; undefined where they can. */
export function rowsRefusal(layout: KvLayout): string | undefined {
  for (const slot of layout.slots.keys()) {
    for (const which of sidesOf(layout, slot)) {
      const elements = rowElements(layout, slot, which);
      const bytes = rowBytes(layout.tensorType, elements);
      if (bytes % 4 !== 0)
        return `${elements} elements of ${layout.type} for a token are not a whole number of 32 bits`;
    }
  }
  return undefined;
}
