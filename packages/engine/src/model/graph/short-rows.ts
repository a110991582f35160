/** Nodes that find the greatest of each row of logits on the device, so that these alone are copied. */
import type { Backend } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { entriesFor, mostShort, type Shortlist, shortlistOf } from '../../ggml/llama/shortlist.ts';

export class ShortRows {
  readonly #ids: Tensor; // i32 [entries, rows]
  readonly #values: Tensor; // f32 [1, entries, rows]
  /** Not a number, or infinite, where a logit is. */
  readonly #sums: Tensor; // f32 [1, rows]

  /** @param logits f32 [vocabulary, rows] */
  constructor(g: GraphContext, logits: Tensor, entries: number) {
    const { ids, values, sums } = nodes(g, logits, entries);
    this.#ids = g.output(ids);
    this.#values = g.output(values);
    this.#sums = g.output(sums);
  }

  /** @param wanted per row, tokens of its shortlist @returns per row its shortlist; undefined for none, or where none can be had */
  read(backend: Backend, wanted: readonly (number | undefined)[]): (Shortlist | undefined)[] {
    const [entries, rows] = this.#ids.ne;
    if (wanted.every((count) => count === undefined)) return [];
    const ids = new Int32Array(entries * rows);
    const values = new Float32Array(entries * rows);
    const sums = new Float32Array(rows);
    backend.read(this.#ids, ids);
    backend.read(this.#values, values);
    backend.read(this.#sums, sums);
    return wanted.map((count, row) => {
      const [from, to] = [row * entries, (row + 1) * entries];
      return count && shortlistOf(ids.subarray(from, to), values.subarray(from, to), sums[row] ?? Number.NaN, count);
    }) as (Shortlist | undefined)[];
  }
}

function nodes(g: GraphContext, logits: Tensor, entries: number) {
  const [vocabulary, rows] = logits.ne;
  const ids = g.topKUnsorted(logits, entries);
  return { ids, values: g.getRows(g.reshape(logits, 1, vocabulary, rows), ids), sums: g.sumRows(logits) };
}

/** Whether a device finds shortlists itself, for a vocabulary of so many tokens. */
export function findsShortlists(backend: Backend, vocabulary: number): boolean {
  const entries = entriesFor(mostShort);
  if (entries >= vocabulary) return false;
  const g = new GraphContext(16);
  try {
    const { ids, values, sums } = nodes(g, g.tensor(TensorType.F32, vocabulary, 2), entries);
    return [ids, values, sums].every((node) => backend.supports(node));
  } finally {
    g.dispose();
  }
}
