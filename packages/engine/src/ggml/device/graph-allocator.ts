/**
 * Memory for the intermediate results of graphs, and computing them: on one device, or split between a device and the
 * CPU, which takes what the device cannot do.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Bindings } from '../ffi/bindings.ts';
import { call } from '../ffi/call.ts';
import type { GraphContext } from '../graph/graph-context.ts';
import type { MemoryAccount } from './memory-account.ts';
import type { NodeTimes } from './node-times.ts';

/** Places graphs in scratch memory, which grows to the largest it has seen, and computes them. */
export interface GraphAllocator {
  /**
   * Places every tensor of the graph. Invalidates placements of graphs placed before, but see `alternates`.
   * @throws MODEL_TOO_LARGE, with a Shortage: then all of the memory was given back, and the graph has to be built again
   */
  place(graph: GraphContext): void;
  /** Computes the graph placed last. @throws COMPUTE_FAILED; MODEL_TOO_LARGE, with a Shortage */
  compute(graph: GraphContext): Promise<void>;
  readonly bytes: number;
  /** Whether graphs placed before can be computed, too, in the same memory, for as long as `bytes` is the same. */
  readonly alternates: boolean;
  /** Gives the memory back, until the next graph is placed. Graphs placed before must not be computed any more. */
  release(): void;
  dispose(): void;
}

/** One of ggml's two ways to place graphs. */
interface Placer {
  readonly alternates: boolean;
  open(): bigint;
  free(handle: bigint): void;
  place(handle: bigint, graph: GraphContext): boolean;
  bytes(handle: bigint): number;
  compute(handle: bigint, graph: GraphContext): Promise<number>;
}

/** @param times whoever computes instead, and measures */
export function plainAllocator(
  calls: Bindings,
  account: MemoryAccount,
  backend: bigint,
  name: string,
  times?: NodeTimes,
): GraphAllocator {
  const placer: Placer = {
    alternates: true,
    open: () => calls.gallocr_new(calls.backend_get_default_buffer_type(backend)),
    free: (handle) => calls.gallocr_free(handle),
    place: (handle, graph) => calls.gallocr_alloc_graph(handle, graph.graph),
    bytes: (handle) => Number(calls.gallocr_get_buffer_size(handle, 0)),
    compute: async (_, graph) =>
      times?.compute(graph) ?? (await call(calls.backend_graph_compute, backend, graph.graph)),
  };
  return new Scratch(calls, account, placer, backend, name);
}

/** @param backends the device's, and the CPU's @param graphSize upper bound of a graph's tensors */
export function splittingAllocator(
  calls: Bindings,
  account: MemoryAccount,
  backends: readonly [bigint, bigint],
  graphSize: number,
  name: string,
): GraphAllocator {
  const list = BigUint64Array.from(backends);
  const [device] = backends;
  const placer: Placer = {
    alternates: false,
    open: () => calls.backend_sched_new(list, null, backends.length, graphSize, false, false),
    free: (handle) => calls.backend_sched_free(handle),
    place(handle, graph) {
      calls.backend_sched_reset(handle);
      return calls.backend_sched_alloc_graph(handle, graph.graph);
    },
    bytes: (handle) => Number(calls.backend_sched_get_buffer_size(handle, device)),
    compute: (handle, graph) => call(calls.backend_sched_graph_compute, handle, graph.graph),
  };
  return new Scratch(calls, account, placer, device, name);
}

/** GGML_STATUS_ALLOC_FAILED. */
const outOfMemory = -2;
/** Backends that compute at this moment: two graphs at once would overwrite each other's work without a word. */
const busy = new Set<bigint>();

class Scratch implements GraphAllocator {
  readonly alternates: boolean;
  readonly #calls: Bindings;
  readonly #account: MemoryAccount;
  readonly #placer: Placer;
  readonly #backend: bigint;
  readonly #name: string;
  #handle: bigint;
  /** As counted: what `bytes` was when a graph was placed last. */
  #held = 0;
  #disposed = false;

  constructor(calls: Bindings, account: MemoryAccount, placer: Placer, backend: bigint, name: string) {
    this.alternates = placer.alternates;
    this.#calls = calls;
    this.#account = account;
    this.#placer = placer;
    this.#backend = backend;
    this.#name = name;
    this.#handle = placer.open();
  }

  get bytes(): number {
    return this.#held;
  }

  place(graph: GraphContext): void {
    this.#mustBeOpen();
    const placed = this.#placer.place(this.#handle, graph);
    if (placed) {
      const bytes = this.#placer.bytes(this.#handle);
      if (this.#account.count(bytes - this.#held)) {
        this.#held = bytes;
        return;
      }
    }
    const wanted = placed ? this.#placer.bytes(this.#handle) : this.#wanted(graph);
    // ggml takes a graph that it could not place for placed when it comes again.
    this.release();
    throw this.#account.refusal(wanted, 'intermediate results');
  }

  /** Bytes that a graph would take on the device alone. To be asked before the handle goes: it owns parts of the graph. */
  #wanted(graph: GraphContext): number {
    const calls = this.#calls;
    const probe = calls.gallocr_new(calls.backend_get_default_buffer_type(this.#backend));
    const sizes = new BigUint64Array(1);
    calls.gallocr_reserve_n_size(probe, graph.graph, null, null, sizes);
    calls.gallocr_free(probe);
    return Number(sizes[0]);
  }

  /** Bad use would reach native code as an address of memory that was given back. */
  #mustBeOpen(): void {
    if (!this.#disposed) return;
    throw new BlockAttentionError('COMPUTE_FAILED', `memory of graphs on ${this.#name} is disposed: open another one`);
  }

  async compute(graph: GraphContext): Promise<void> {
    this.#mustBeOpen();
    const name = this.#name;
    if (busy.has(this.#backend)) {
      const what = `${name} is computing already: wait for one graph before the next`;
      throw new BlockAttentionError('COMPUTE_FAILED', what);
    }
    busy.add(this.#backend);
    try {
      const status = await this.#placer.compute(this.#handle, graph);
      if (status === outOfMemory) throw this.#account.refusalWhileComputing();
      if (status !== 0)
        throw new BlockAttentionError('COMPUTE_FAILED', `${name} reported status ${status} while computing`);
    } finally {
      busy.delete(this.#backend);
    }
  }

  release(): void {
    this.#placer.free(this.#handle);
    this.#account.giveBack(this.#held);
    this.#held = 0;
    this.#handle = this.#placer.open();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#placer.free(this.#handle);
    this.#account.giveBack(this.#held);
  }
}
