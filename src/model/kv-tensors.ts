/**
 * Stored keys and values as tensors of a graph: views over a block's memory in kv-layout.ts's layout.
 */
import type { Backend, TensorMemory } from '../ggml/backend.ts';
import type { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import type { GraphInputs } from './graph-inputs.ts';
import type { KvLayout } from './kv-layout.ts';
import type { Sequence } from './sequence.ts';

export interface KvTensors {
  readonly keys: Tensor; // [headDim, paddedTokens, kvHeads]
  readonly values: Tensor; // [paddedTokens, headDim, kvHeads]
}

/** Tensors over one layer of a block (or of a sequence's own cache) in `memory`. */
export function kvTensors(
  g: GraphContext,
  backend: Backend,
  layout: KvLayout,
  memory: TensorMemory,
  tokens: number,
  layer: number,
): KvTensors {
  const padded = layout.padded(tokens);
  const { headDim, kvHeads, tensorType } = layout;
  return {
    keys: backend.placed(g, tensorType, [headDim, padded, kvHeads, 1], memory, layout.keyOffset(layer, tokens)),
    values: backend.placed(g, tensorType, [padded, headDim, kvHeads, 1], memory, layout.valueOffset(layer, tokens)),
  };
}

/**
 * Adds nodes that write `k` [headDim, kvHeads, n] (rotated) and `v` [headDim, kvHeads, n] as tokens [first, first + n)
 * of an own cache, which is never quantised.
 */
export function writeKv(g: GraphContext, { keys, values }: KvTensors, k: Tensor, v: Tensor, first: number): void {
  const n = k.ne[2];
  const rows = g.view(keys, [keys.ne[0], n, keys.ne[2], 1], keys.nb[1], keys.nb[2], keys.nb[3], first * keys.nb[1]);
  const columns = g.view(
    values,
    [n, values.ne[1], values.ne[2], 1],
    values.nb[1],
    values.nb[2],
    values.nb[3],
    first * values.nb[0],
  );
  g.expand(g.copy(g.permute(k, 0, 2, 1, 3), rows));
  g.expand(g.copy(g.cont(g.permute(v, 1, 2, 0, 3)), columns)); // [n, headDim, kvHeads]
}

/** Like writeKv() for one token whose place is an input, so that the graph can be reused for every token. */
export function writeKvAt(
  g: GraphContext,
  target: KvTensors,
  k: Tensor,
  v: Tensor,
  keyRow: Tensor,
  valueRows: Tensor,
): void {
  const { keys, values } = target;
  g.expand(g.setRows(keys, g.permute(k, 0, 2, 1, 3), keyRow));
  const flat = values.ne[0] * values.ne[1] * values.ne[2];
  const elements = v.ne[0] * v.ne[1] * v.ne[2];
  g.expand(g.setRows(g.reshape(values, 1, flat), g.reshape(g.contiguous(v), 1, elements), valueRows));
}

/** The inputs of writeKvAt() for the next token of a sequence. */
export function ownPlaces(inputs: GraphInputs, sequence: Sequence): { keyRow: Tensor; valueRows: Tensor } {
  const { kvHeads, headDim } = sequence.layout;
  const keyRow = inputs.rows(1, () => BigInt64Array.of(BigInt(sequence.length)));
  // V is transposed: element (head, dim) of the token lies `capacity` elements after the previous one.
  const valueRows = inputs.rows(kvHeads * headDim, () =>
    BigInt64Array.from({ length: kvHeads * headDim }, (_, i) => BigInt(i * sequence.capacity + sequence.length)),
  );
  return { keyRow, valueRows };
}
