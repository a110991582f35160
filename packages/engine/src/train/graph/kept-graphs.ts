/**
 * Placed graphs of one backend that share their scratch memory, so that a step of another shape does not ask the system
 * for gigabytes of fresh pages: clearing those took a fifth of the time of training on sequences of all lengths.
 */
import type { Backend, GraphAllocator } from '../../ggml/device/backend.ts';

export class KeptGraphs<Graph extends { dispose(): void }> {
  readonly #backend: Backend;
  readonly #most: number;
  readonly #graphs = new Map<string, Graph>();
  #allocator: GraphAllocator | undefined;

  /** @param most graphs that are kept for the next time */
  constructor(backend: Backend, most: number) {
    this.#backend = backend;
    this.#most = most;
  }

  /** @param build places the graph with this allocator. @returns the graph kept under `key`, or built now */
  get(key: string, build: (allocator: GraphAllocator) => Graph): Graph {
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      this.#allocator ??= this.#backend.allocator();
      const { bytes, alternates } = this.#allocator;
      this.#drop(alternates ? this.#most - 1 : 0);
      try {
        graph = build(this.#allocator);
      } finally {
        // Memory that grew has moved, and with it what the other graphs point to.
        if (this.#allocator.bytes !== bytes) this.#drop(0);
      }
    }
    this.#graphs.delete(key);
    this.#graphs.set(key, graph); // last used, last dropped
    return graph;
  }

  /** Drops the graphs used longest ago until `left` are left. */
  #drop(left: number): void {
    for (const [key, graph] of this.#graphs) {
      if (this.#graphs.size <= left) return;
      this.#graphs.delete(key);
      graph.dispose();
    }
  }

  dispose(): void {
    this.#drop(0);
    this.#allocator?.dispose();
    this.#allocator = undefined;
  }
}
