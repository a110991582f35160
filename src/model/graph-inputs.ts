/**
 * Inputs of a graph together with their data: declared while building, written after the graph was placed.
 */
import type { Backend } from '../ggml/backend.ts';
import type { GraphContext } from '../ggml/graph-context.ts';
import { type Tensor, TensorType } from '../ggml/tensor.ts';

export class GraphInputs {
  readonly #graph: GraphContext;
  readonly #pending: { readonly tensor: Tensor; readonly data: ArrayBufferView }[] = [];

  constructor(graph: GraphContext) {
    this.#graph = graph;
  }

  /** An i32 vector, e.g. token ids or positions. */
  integers(values: Int32Array): Tensor {
    return this.#add(this.#graph.input(TensorType.I32, values.length), values);
  }

  /** An i64 vector of row numbers. */
  rows(values: BigInt64Array): Tensor {
    return this.#add(this.#graph.input(TensorType.I64, values.length), values);
  }

  /** An f16 matrix given as bits, [columns, rows]. */
  half(values: Uint16Array, columns: number): Tensor {
    return this.#add(this.#graph.input(TensorType.F16, columns, values.length / columns), values);
  }

  #add(tensor: Tensor, data: ArrayBufferView): Tensor {
    this.#pending.push({ tensor, data });
    return tensor;
  }

  /** Copies all data into the placed graph. Inputs that no node uses are skipped: they have no place. */
  write(backend: Backend): void {
    for (const { tensor, data } of this.#pending) backend.write(tensor, data);
  }
}
