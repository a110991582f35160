/**
 * How much one sequence's new tokens attend to each token of its context, for those who want to know. Knows softmax weights
 * and which columns of them are which tokens; not how they came about, nor in which layers.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';

interface Sums {
  /** f32 [1, columns] */
  readonly tensor: Tensor;
  readonly columns: ReadonlyMap<number, number>;
}

export class ContextWeights {
  readonly #sums: Sums[] = [];

  /**
   * Adds a layer's weights to the graph's outputs.
   * @param weights [columns, queries, heads], which add up to 1 over columns at most
   * @param columns by index of a context block, the column of its first token; negative where that is out of reach
   */
  add(g: GraphContext, inputs: GraphInputs, weights: Tensor, columns: ReadonlyMap<number, number>): void {
    const [width, queries, heads] = weights.ne;
    const rows = queries * heads;
    const byColumn = g.cont(g.permute(g.reshape(weights, width, rows), 1, 0, 2, 3)); // [queries * heads, columns]
    const ones = inputs.floats([rows, 1], () => new Float32Array(rows).fill(1));
    this.#sums.push({ tensor: g.expand(g.output(g.mulMat(ones, byColumn))), columns });
  }

  /**
   * Of a graph that was computed.
   * @returns per context block, per token: the sum over layers, queries and heads
   */
  read(backend: Backend, blocks: readonly { readonly tokens: number }[]): Float64Array[] {
    const totals = blocks.map(({ tokens }) => new Float64Array(tokens));
    for (const { tensor, columns } of this.#sums) {
      const sums = new Float32Array(tensor.ne[1]);
      backend.read(tensor, sums);
      for (const [index, first] of columns) {
        const total = totals[index] ?? new Float64Array(0);
        for (let at = Math.max(0, -first); at < total.length; at++) {
          total[at] = (total[at] ?? 0) + (sums[first + at] ?? 0);
        }
      }
    }
    return totals;
  }
}
