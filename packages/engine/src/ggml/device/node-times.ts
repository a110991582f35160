/**
 * How long each node of a graph takes: computed one by one, each as a graph of its own. For benchmarks; CPU only.
 *
 * A node's time is the shortest of all computations of graphs with as many nodes, less what a graph of nothing takes, so
 * that a machine that is busy now and then shows in no figure.
 */
import koffi from 'koffi';
import type { Bindings } from '../ffi/bindings.ts';
import { GraphBase } from '../graph/graph-base.ts';
import type { GraphContext } from '../graph/graph-context.ts';

/** `op_params` of a ggml tensor, where a custom node has its function: behind type, buffer, ne, nb and op. */
const parametersOffset = 84;

export interface NodeTime {
  /** ggml's name of the operation, for custom nodes `CUSTOM`. */
  readonly operation: string;
  /** Of a custom node: the address of its function. */
  readonly function: bigint | undefined;
  readonly ms: number;
}

export class NodeTimes {
  readonly #calls: Bindings;
  readonly #backend: bigint;
  /** By number of nodes. */
  readonly #fastest = new Map<number, Float64Array>();
  readonly #kinds = new Map<number, Pick<NodeTime, 'operation' | 'function'>[]>();
  #wholeMs = Number.POSITIVE_INFINITY;
  #byNodes = false;

  constructor(calls: Bindings, backend: bigint) {
    this.#calls = calls;
    this.#backend = backend;
  }

  /** Of the graph computed last, in their order; what computes nothing is left out. */
  nodes: readonly NodeTime[] = [];

  /** The shortest time of such graphs as a whole, ms: what it has beyond its nodes are barriers, and caches that one node left for the next. */
  get wholeMs(): number {
    return this.#wholeMs;
  }

  /** Computes a placed graph, in turn as a whole and by its nodes: its inputs last for one of both. @returns ggml's status */
  compute(graph: GraphContext): number {
    this.#byNodes = !this.#byNodes;
    if (this.#byNodes) return this.#computeNodes(graph);
    const { ms, status } = this.#time(graph.graph);
    this.#wholeMs = Math.min(this.#wholeMs, ms);
    return status;
  }

  #computeNodes(graph: GraphContext): number {
    const calls = this.#calls;
    const parts = nodesOf(calls, graph.graph);
    const fastest = this.#fastest.get(parts.length) ?? new Float64Array(parts.length + 1).fill(Infinity);
    this.#fastest.set(parts.length, fastest);
    using single = new SingleNodes(calls, parts);
    for (let i = 0; i <= parts.length; i++) {
      const { ms, status } = this.#time(single.graphs[i] ?? 0n);
      if (status !== 0) return status;
      fastest[i] = Math.min(fastest[i] ?? Infinity, ms);
    }
    const nothing = fastest[parts.length] ?? 0;
    const kinds = this.#kinds.get(parts.length) ?? parts.map(([node = 0n]) => kindOf(calls, node));
    this.#kinds.set(parts.length, kinds);
    this.nodes = kinds.map((kind, i) => ({ ...kind, ms: Math.max(0, (fastest[i] ?? 0) - nothing) }));
    return 0;
  }

  #time(graph: bigint): { ms: number; status: number } {
    const started = performance.now();
    const status = this.#calls.backend_graph_compute(this.#backend, graph);
    return { ms: performance.now() - started, status };
  }
}

/** A graph for each part, and one of nothing behind them. */
class SingleNodes extends GraphBase {
  readonly graphs: bigint[];

  constructor(calls: Bindings, parts: readonly (readonly bigint[])[]) {
    const each = Number(calls.graph_overhead_custom(2, false)) / Number(calls.tensor_overhead());
    super(Math.ceil(each + 1) * (parts.length + 1));
    this.graphs = [...parts, []].map((nodes) => {
      const graph = calls.new_graph_custom(this.address, 2, false);
      for (const node of nodes) calls.graph_add_node(graph, node);
      return graph;
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const nothing = new Set(['NONE', 'RESHAPE', 'VIEW', 'PERMUTE', 'TRANSPOSE']);

/** Nodes that compute something; a norm together with the product behind it, which ggml computes as one. */
function nodesOf(calls: Bindings, graph: bigint): bigint[][] {
  const parts: bigint[][] = [];
  let before = '';
  for (let i = 0; i < calls.graph_n_nodes(graph); i++) {
    const node = calls.graph_node(graph, i);
    const operation = calls.op_desc(node);
    if (nothing.has(operation)) continue;
    if (operation === 'MUL' && before === 'RMS_NORM') parts.at(-1)?.push(node);
    else parts.push([node]);
    before = operation;
  }
  return parts;
}

function kindOf(calls: Bindings, node: bigint): Pick<NodeTime, 'operation' | 'function'> {
  const operation = calls.op_desc(node);
  if (operation !== 'CUSTOM') return { operation, function: undefined };
  return { operation, function: BigInt(koffi.decode(node, parametersOffset, 'uint64_t') as number | bigint) };
}
