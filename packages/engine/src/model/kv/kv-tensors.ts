/**
 * Stored keys and values as tensors of a graph: views over a block's memory in kv-layout.ts's layout.
 */
import type { Backend, TensorMemory } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { rowBytes, type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import type { KvLayout } from './kv-layout.ts';
import type { Sequence } from './sequence.ts';

export interface KvTensors {
  readonly keys: Tensor; // [headDim, paddedTokens, kvHeads]
  readonly values: Tensor | undefined; // [paddedTokens, valueDim, kvHeads]; undefined where they lie in the keys
}

/** Tensors over one slot of a block (or of a sequence's own cache) in `memory`. */
export function kvTensors(
  g: GraphContext,
  backend: Backend,
  layout: KvLayout,
  memory: TensorMemory,
  tokens: number,
  slot: number,
): KvTensors {
  const padded = layout.padded(tokens);
  const { tensorType } = layout;
  const { headDim, valueDim, kvHeads, valuesInKeys } = layout.shape(slot);
  const placed = (ne0: number, ne1: number, offset: number) =>
    backend.placed(g, tensorType, [ne0, ne1, kvHeads, 1], memory, offset);
  return {
    keys: placed(headDim, padded, layout.keyOffset(slot, tokens)),
    values: valuesInKeys ? undefined : placed(padded, valueDim, layout.valueOffset(slot, tokens)),
  };
}

/**
 * Values that lie in keys [headDim, tokens, kvHeads], copied out to where a product with weights reads them.
 * @returns [tokens, valueDim, kvHeads]
 */
export function valuesOfKeys(g: GraphContext, keys: Tensor, valueDim: number): Tensor {
  const { type, ne, nb } = keys;
  const offset = rowBytes(type, ne[0] - valueDim);
  const part = g.view(keys, [valueDim, ne[1], ne[2], 1], nb[1], nb[2], nb[3], offset);
  const plain = type === TensorType.Q8_0 ? g.copy(part, g.tensor(TensorType.F32, ...part.ne)) : part;
  return g.cont(g.permute(plain, 1, 0, 2, 3));
}

/**
 * Adds nodes that write `k` [headDim, kvHeads, n] (rotated) and `v` [valueDim, kvHeads, n] as tokens [first, first + n)
 * of an own cache, which is never quantised. Values that lie in the keys are written with them.
 */
export function writeKv(g: GraphContext, { keys, values }: KvTensors, k: Tensor, v: Tensor, first: number): void {
  const n = k.ne[2];
  const rows = g.view(keys, [keys.ne[0], n, keys.ne[2], 1], keys.nb[1], keys.nb[2], keys.nb[3], first * keys.nb[1]);
  g.expand(g.copy(g.permute(k, 0, 2, 1, 3), rows));
  if (values === undefined) return;
  const columns = g.view(
    values,
    [n, values.ne[1], values.ne[2], 1],
    values.nb[1],
    values.nb[2],
    values.nb[3],
    first * values.nb[0],
  );
  g.expand(g.copy(g.cont(g.permute(v, 1, 2, 0, 3)), columns)); // [n, valueDim, kvHeads]
}

/** Like writeKv() for one token whose place is an input, so that the graph can be reused for every token. */
export function writeKvAt(g: GraphContext, target: KvTensors, k: Tensor, v: Tensor, places: OwnPlaces): void {
  const { keys, values } = target;
  g.expand(g.setRows(keys, g.permute(k, 0, 2, 1, 3), places.keyRow));
  if (values === undefined) return;
  const flat = values.ne[0] * values.ne[1] * values.ne[2];
  const elements = v.ne[0] * v.ne[1] * v.ne[2];
  const valueRows = places.valueRows.get(elements);
  if (valueRows === undefined) throw new Error(`no place for ${elements} elements of a value`);
  g.expand(g.setRows(g.reshape(values, 1, flat), g.reshape(g.contiguous(v), 1, elements), valueRows));
}

/** Where writeKvAt() puts the next token of a sequence. */
export interface OwnPlaces {
  readonly keyRow: Tensor;
  /** By the elements that a slot has per token. */
  readonly valueRows: ReadonlyMap<number, Tensor>;
}

export function ownPlaces(inputs: GraphInputs, sequence: Sequence): OwnPlaces {
  const keyRow = inputs.rows(1, () => BigInt64Array.of(BigInt(sequence.length)));
  const apart = sequence.layout.slots.filter(({ valuesInKeys }) => !valuesInKeys);
  const counts = new Set(apart.map(({ kvHeads, valueDim }) => kvHeads * valueDim));
  // V is transposed: element (head, dim) of the token lies `capacity` elements after the previous one.
  const rowsOf = (count: number) =>
    inputs.rows(count, () =>
      BigInt64Array.from({ length: count }, (_, i) => BigInt(i * sequence.capacity + sequence.length)),
    );
  return { keyRow, valueRows: new Map(Array.from(counts, (count) => [count, rowsOf(count)])) };
}
