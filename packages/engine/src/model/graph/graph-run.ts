/**
 * Graphs with their inputs: built once, placed, then filled, computed and read, once or many times.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { TokenLogits } from '../../ggml/llama/shortlist.ts';
import type { Model } from '../model.ts';
import { type Attention, buildForward } from './forward.ts';
import { GraphInputs } from './graph-inputs.ts';
import { ShortRows } from './short-rows.ts';

/** Tensors per layer outside attention, generously. */
const tensorsPerLayer = 80;
/** What an adapter adds to them. */
const adapterTensors = 56;
/** What routing over experts adds, and each chosen one. */
const expertTensors = { routing: 48, each: 2 };

/** Rows that decoding's products are measured for, and some more. */
const fewRows = 16;
const rowsOf = (count: number) => (count > 1 ? 'few' : 'one');

export interface GraphRequest {
  readonly model: Model;
  /** Upper bound of the tensors that attention adds per layer. */
  readonly attentionTensors: number;
  readonly tokens: { readonly length: number; readonly data: () => Int32Array };
  /** Rows whose logits are wanted; null when only keys and values matter. */
  readonly outputs: Int32Array | null;
  readonly attention: (g: GraphContext, inputs: GraphInputs) => Attention;
  /** Whether this is a prompt, or a token of each of some sequences. */
  readonly prompt: boolean;
  /** Where the model's writer acts. Defaults to nowhere. */
  readonly gate?: 'all' | ((inputs: GraphInputs) => Tensor) | undefined;
  /** Entries of shortlists to be found among the logits of each row: see runShort(). Defaults to none. */
  readonly entries?: number | undefined;
}

/** A placed graph of the forward pass. Valid until disposed, or until its allocator places another graph. */
export class ForwardGraph {
  readonly #model: Model;
  readonly #context: GraphContext;
  readonly #inputs: GraphInputs;
  readonly #logits: Tensor | null;
  readonly #short: ShortRows | undefined;
  readonly #allocator: GraphAllocator;

  constructor(request: GraphRequest, allocator: GraphAllocator) {
    const { model, attentionTensors, tokens, outputs, attention, prompt, gate, entries } = request;
    this.#model = model;
    this.#allocator = allocator;
    const perLayer = attentionTensors + tensorsPerLayer + adapterTensors * model.adapters.length;
    const { layers, experts } = model.hyperParameters;
    const routed = experts === undefined ? 0 : expertTensors.routing + expertTensors.each * experts.used;
    const g = new GraphContext((perLayer + routed) * layers + 64);
    this.#context = g;
    this.#inputs = new GraphInputs(g);
    try {
      const tokenInput = this.#inputs.integers(tokens.length, tokens.data);
      const outputInput = outputs === null ? null : this.#inputs.integers(outputs.length, () => outputs);
      this.#logits = buildForward(
        g,
        model,
        tokenInput,
        outputInput,
        attention(g, this.#inputs),
        {
          all: model.linear?.(g, prompt ? undefined : rowsOf(tokens.length)),
          // Of the logits of a whole prompt nobody waits for: ggml's.
          wanted: outputs !== null && outputs.length <= fewRows ? model.linear?.(g, rowsOf(outputs.length)) : undefined,
        },
        typeof gate === 'function' ? gate(this.#inputs) : gate,
      );
      if (this.#logits !== null) g.output(this.#logits);
      if (this.#logits !== null && entries !== undefined) this.#short = new ShortRows(g, this.#logits, entries);
      allocator.place(g);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Fills the inputs, computes, and copies out the logits: [vocabulary] per wanted row, concatenated. */
  async run(): Promise<Float32Array> {
    await this.#compute();
    if (this.#logits === null) return new Float32Array(0);
    const values = new Float32Array(this.#logits.ne[0] * this.#logits.ne[1]);
    this.#model.backend.read(this.#logits, values);
    return values;
  }

  async #compute(): Promise<void> {
    this.#inputs.write(this.#model.backend);
    await this.#allocator.compute(this.#context);
  }

  /** The same, but of a row that wants a shortlist of so many tokens only that is copied, where one can be had. */
  async runShort(wanted: readonly (number | undefined)[]): Promise<TokenLogits[]> {
    await this.#compute();
    const { backend } = this.#model;
    const logits = this.#logits;
    if (logits === null) return [];
    const short = this.#short?.read(backend, wanted) ?? [];
    return wanted.map((_, row) => {
      const found = short[row];
      if (found !== undefined) return found;
      const values = new Float32Array(logits.ne[0]);
      backend.read(logits, values, row * values.byteLength);
      return values;
    });
  }

  dispose(): void {
    this.#inputs.dispose();
    this.#context.dispose();
  }
}

/** Builds, runs and disposes a graph. */
export async function runOnce(request: GraphRequest, allocator: GraphAllocator): Promise<Float32Array> {
  const graph = new ForwardGraph(request, allocator);
  try {
    return await graph.run();
  } finally {
    graph.dispose();
  }
}

/** One vector after the other. */
export function concatenate(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
