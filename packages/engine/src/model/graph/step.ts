/**
 * Running new tokens of sequences: prompts in one-off graphs, single tokens in graphs that are kept.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { entriesFor, type TokenLogits } from '../../ggml/llama/shortlist.ts';
import type { NativeKernel } from '../../ggml/native/native-kernel.ts';
import { GatheredAttention, gatheredTensors } from '../attention/attention-gathered.ts';
import { KernelModel, NativeAttention } from '../attention/attention-native.ts';
import { PortableAttention, type SequenceRows } from '../attention/attention-portable.ts';
import type { ContextWeights } from '../attention/context-weights.ts';
import type { KvLayout } from '../kv/kv-layout.ts';
import type { Sequence } from '../kv/sequence.ts';
import type { Model } from '../model.ts';
import type { Attention } from './forward.ts';
import type { GraphInputs } from './graph-inputs.ts';
import { concatenate, ForwardGraph, runOnce } from './graph-run.ts';

/** How new tokens attend: chosen per engine. */
export interface AttentionFactory {
  (g: GraphContext, inputs: GraphInputs, rows: readonly SequenceRows[], reuseUpTo?: number): Attention;
  /** Whether sequences are to lie as rows, and then the most tensors per layer and sequence. Defaults to no. */
  readonly readsRows?: { readonly tensors: number };
  /** The same attention of one sequence in one graph, by operations that have the weights, which it tells of every layer. */
  readonly observed: (
    g: GraphContext,
    inputs: GraphInputs,
    rows: readonly SequenceRows[],
    weights: ContextWeights,
  ) => Attention;
}

/** The path of stock operations. */
export function portableAttention(model: Model, layout: KvLayout): AttentionFactory {
  const path: Path = (g, inputs, rows, reuseUpTo, weights) =>
    new PortableAttention(g, inputs, model, model.backend, layout, rows, reuseUpTo, weights);
  return factoryOf(path);
}

/** The path of the fused kernel. CPU only. */
export function nativeAttention(kernel: NativeKernel): (model: Model, layout: KvLayout) => AttentionFactory {
  return (model, layout) => {
    const source = new KernelModel(kernel, model);
    const native: Path = (g, inputs, rows, reuseUpTo) =>
      new NativeAttention(g, inputs, source, layout, rows, reuseUpTo !== undefined);
    return factoryOf(native, portableAttention(model, layout).observed);
  };
}

/** The path of devices, over sequences of rows. Runs on the CPU, too. */
export function gatheredAttention(model: Model): AttentionFactory {
  const path: Path = (g, inputs, rows, reuseUpTo, weights) =>
    new GatheredAttention(g, inputs, model, model.backend, rows, reuseUpTo, weights);
  return Object.assign(factoryOf(path), { readsRows: { tensors: gatheredTensors } });
}

type Path = (
  g: GraphContext,
  inputs: GraphInputs,
  rows: readonly SequenceRows[],
  reuseUpTo?: number,
  weights?: ContextWeights,
) => Attention;

/** @param observed where the path itself has no weights */
function factoryOf(path: Path, observed?: AttentionFactory['observed']): AttentionFactory {
  const factory = (g: GraphContext, inputs: GraphInputs, rows: readonly SequenceRows[], reuseUpTo?: number) =>
    path(g, inputs, rows, reuseUpTo);
  const own: AttentionFactory['observed'] = (g, inputs, rows, weights) => path(g, inputs, rows, undefined, weights);
  return Object.assign(factory, { observed: observed ?? own });
}

/** Which tokens want logits: none, the last one, all, or so many at the end. */
export type WantedLogits = 'none' | 'last' | 'all' | number;

/** Tokens at the end of so many that want logits. */
export function wantedRows(logits: WantedLogits, tokens: number): number {
  if (typeof logits === 'number') return Math.min(logits, tokens);
  return logits === 'none' ? 0 : logits === 'last' ? Math.min(1, tokens) : tokens;
}

/** New tokens of one sequence, and which of them want logits. */
export interface Step {
  readonly sequence: Sequence;
  readonly tokens: Int32Array;
  readonly logits: WantedLogits;
  /** Where the tokens lie, if they are none of its own: see SequenceRows. The sequence is not advanced then. */
  readonly recomputed?: Int32Array | undefined;
}

/** Upper bound of tensors per layer. */
export function tensorBound({ readsRows }: AttentionFactory, sequences: readonly Sequence[]): number {
  if (readsRows !== undefined) return sequences.length * readsRows.tensors;
  return sequences.reduce((sum, { blocks }) => sum + blocks.length * 20 + 56, 0);
}

/**
 * Runs new tokens of several sequences in one batch and advances the sequences.
 * @param writes whether the model's writer acts, on all of them: no step wants logits then. Defaults to false
 * @returns per step its logits, [vocabulary] per wanted token, concatenated
 */
export async function forwardStep(
  model: Model,
  attention: AttentionFactory,
  allocator: GraphAllocator,
  steps: readonly Step[],
  writes = false,
): Promise<Float32Array[]> {
  const tokens = concatenate(steps.map((step) => step.tokens));
  const rows: SequenceRows[] = [];
  const wanted: number[] = [];
  let row = 0;
  for (const { sequence, tokens: own, logits, recomputed } of steps) {
    rows.push({ sequence, row, tokens: own.length, recomputed });
    for (let i = own.length - wantedRows(logits, own.length); i < own.length; i++) wanted.push(row + i);
    row += own.length;
  }
  const values = await runOnce(
    {
      model,
      attentionTensors: tensorBound(
        attention,
        steps.map((step) => step.sequence),
      ),
      tokens: { length: tokens.length, data: () => tokens },
      prompt: true,
      outputs: wanted.length > 0 ? Int32Array.from(wanted) : null,
      attention: (g, inputs) => attention(g, inputs, rows),
      gate: writes ? 'all' : undefined,
    },
    allocator,
  );
  for (const { sequence, tokens: own, recomputed } of steps) if (recomputed === undefined) sequence.advance(own.length);
  const { vocabulary } = model.hyperParameters;
  let at = 0;
  return steps.map(({ tokens: own, logits }) => {
    const count = wantedRows(logits, own.length);
    const part = values.subarray(at, at + count * vocabulary);
    at += count * vocabulary;
    return part;
  });
}

/** Own tokens by which a kept graph may grow before it is built again. */
const growth = 128;

/** A graph that runs one token of each of a fixed list of sequences, again and again. */
export class DecodeGraph {
  readonly #model: Model;
  readonly #sequences: readonly Sequence[];
  readonly #graph: ForwardGraph;
  readonly #allocator: GraphAllocator;
  readonly #tokens: Int32Array;
  readonly #limit: number;
  readonly #entries: number;

  /**
   * @param shortlist most tokens of the shortlists that runShort() may be asked for. Defaults to none
   * @param allocator disposed with the graph. Defaults to one of its own
   */
  constructor(
    model: Model,
    attention: AttentionFactory,
    sequences: readonly Sequence[],
    shortlist = 0,
    allocator = model.backend.allocator(),
  ) {
    this.#entries = shortlist === 0 ? 0 : entriesFor(shortlist);
    this.#model = model;
    this.#sequences = sequences;
    this.#tokens = new Int32Array(sequences.length);
    const longest = Math.max(...sequences.map((sequence) => sequence.length));
    this.#limit = Math.ceil((longest + 1) / growth) * growth;
    this.#allocator = allocator;
    try {
      this.#graph = new ForwardGraph(
        {
          model,
          attentionTensors: tensorBound(attention, sequences),
          tokens: { length: sequences.length, data: () => this.#tokens },
          prompt: false,
          outputs: Int32Array.from(sequences, (_, row) => row),
          ...(this.#entries > 0 && { entries: this.#entries }),
          attention: (g, inputs) =>
            attention(
              g,
              inputs,
              sequences.map((sequence, row) => ({ sequence, row, tokens: 1 })),
              this.#limit,
            ),
        },
        this.#allocator,
      );
    } catch (error) {
      this.#allocator.dispose();
      throw error;
    }
  }

  /** Of its intermediate results. */
  get bytes(): number {
    return this.#allocator.bytes;
  }

  /** Whether the graph fits the next step of exactly these sequences, with shortlists of up to so many tokens. */
  serves(sequences: readonly Sequence[], shortlist = 0): boolean {
    return (
      shortlist < Math.max(1, this.#entries) &&
      sequences.length === this.#sequences.length &&
      sequences.every((sequence, i) => sequence === this.#sequences[i] && sequence.length < this.#limit)
    );
  }

  /**
   * Runs one token per sequence and advances them.
   * @returns logits per sequence, [vocabulary]
   */
  async run(tokens: Int32Array): Promise<Float32Array[]> {
    this.#tokens.set(tokens);
    const values = await this.#graph.run();
    for (const sequence of this.#sequences) sequence.advance(1);
    const { vocabulary } = this.#model.hyperParameters;
    return this.#sequences.map((_, i) => values.subarray(i * vocabulary, (i + 1) * vocabulary));
  }

  /** The same for sequences of which some want a shortlist of so many tokens alone. */
  async runShort(tokens: Int32Array, wanted: readonly (number | undefined)[]): Promise<TokenLogits[]> {
    this.#tokens.set(tokens);
    const rows = await this.#graph.runShort(wanted);
    for (const sequence of this.#sequences) sequence.advance(1);
    return rows;
  }

  dispose(): void {
    this.#graph.dispose();
    this.#allocator.dispose();
  }
}
