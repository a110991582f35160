/**
 * Inputs of a graph together with where their data comes from: declared while building, written before every compute.
 *
 * Data is asked for again at each write, so that a graph whose shapes repeat (decoding) is built once and run often.
 */
import { Cleanup } from '../../cleanup.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';

export class GraphInputs {
  readonly #graph: GraphContext;
  readonly #updates: (() => void)[] = [];
  readonly #cleanup = new Cleanup();
  readonly #sources: { readonly tensor: Tensor; readonly data: () => ArrayBufferView }[] = [];

  constructor(graph: GraphContext) {
    this.#graph = graph;
  }

  /** An i32 vector, e.g. token ids or positions. */
  integers(length: number, data: () => Int32Array): Tensor {
    return this.#add(this.#graph.input(TensorType.I32, length), data);
  }

  /** An i64 vector of row numbers. */
  rows(length: number, data: () => BigInt64Array): Tensor {
    return this.#add(this.#graph.input(TensorType.I64, length), data);
  }

  /** An f16 matrix given as bits, [columns, rows]. */
  half(columns: number, rows: number, data: () => Uint16Array): Tensor {
    return this.#add(this.#graph.input(TensorType.F16, columns, rows), data);
  }

  /** An f32 tensor of up to three dimensions. */
  floats(ne: readonly [number, number?, number?], data: () => Float32Array): Tensor {
    return this.#add(this.#graph.input(TensorType.F32, ne[0], ne[1], ne[2]), data);
  }

  /** Something to bring up to date before each compute that is not a tensor of the graph. */
  refresh(update: () => void): void {
    this.#updates.push(update);
  }

  /** Uninitialised f32 memory that nodes write to and read from in the order of the graph. CPU only. */
  storage(elements: number): Tensor {
    return this.#graph.tensor(TensorType.F32, elements);
  }

  /** Ties the life of something to the graph's. */
  onDispose(release: () => void): void {
    this.#cleanup.defer(release);
  }

  #add(tensor: Tensor, data: () => ArrayBufferView): Tensor {
    this.#sources.push({ tensor, data });
    // Part of the graph even if no node reads it: only what is in the graph gets a place to be written to.
    return this.#graph.expand(tensor);
  }

  /** Copies all data into the placed graph. */
  write(backend: Backend): void {
    for (const update of this.#updates) update();
    for (const { tensor, data } of this.#sources) backend.write(tensor, data());
  }

  /** Frees what was tied to the graph. The graph must not be computed any more. */
  dispose(): void {
    this.#cleanup[Symbol.dispose]();
  }
}
