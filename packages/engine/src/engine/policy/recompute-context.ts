/**
 * Selective recomputation of a prompt's context: copies of the blocks, private to the request, in which some tokens are
 * computed again with full attention over everything before them. Stored blocks are only read.
 *
 * The tokens' own positions count: each sees the recomputed tokens before it, and the stored states of the others. With
 * all tokens recomputed the states are full attention's own. The first block has nothing before it and stays as it is.
 */

import { requestAborted } from '../../abort.ts';
import type { TensorMemory } from '../../ggml/device/backend.ts';
import {
  type AttentionFactory,
  batchRuns,
  type ContextBlock,
  type ContextStates,
  type Flops,
  forwardStep,
  KvLayout,
  type Model,
  type Run,
  recomputeFlops,
  recomputeSteps,
  Sequence,
  stateDeviation,
} from '../../model/index.ts';
import type { Runner } from '../schedule/runner.ts';
import { attendedRuns, headRuns, recomputeBatch, runsOfMost, wholeRuns } from './choose-tokens.ts';
import type { Hideable } from './hide.ts';
import type { Recomputation } from './recompute.ts';

export interface RecomputeOptions {
  readonly model: Model;
  readonly runner: Runner;
  /** How a model of this engine attends. */
  readonly attention: (model: Model, layout: KvLayout) => AttentionFactory;
  /** Layout of the stored blocks, and of those that are written to. */
  readonly layout: KvLayout;
  readonly growingLayout: KvLayout;
  readonly signal: AbortSignal;
  /** Token ids of the final block. */
  readonly question: Int32Array;
}

export interface StoredContext extends Hideable {
  readonly memory: TensorMemory;
  readonly tokens: Int32Array;
}

export interface RecomputedContext extends Disposable {
  /** What the final block attends to. Valid until disposed. */
  readonly blocks: readonly Omit<ContextBlock, 'start'>[];
  /** Tokens computed again, those only looked at not counted. */
  readonly tokens: number;
  readonly flops: Pick<Flops, 'linear' | 'total'>;
}

/**
 * The layer whose states tell how far a token is from full attention: the first whose states depend on other tokens
 * (CacheBlend measures there, too).
 */
export const probedLayer = 1;

/** A model that ends with that layer, or with the last one, and the layout of its states. */
export function probedPart(model: Model, type: KvLayout['type']) {
  const layer = Math.min(probedLayer, model.hyperParameters.layers - 1);
  const part = model.firstLayers(layer + 1);
  return { layer, part, layout: new KvLayout(part.hyperParameters, type) };
}

/** What passes cost in all. `count` adds one. */
export function costs() {
  const flops = { linear: 0, total: 0 };
  const count = (cost: Flops): void => {
    flops.linear += cost.linear;
    flops.total += cost.total;
  };
  return { flops, count };
}

/** Where each block begins in the prompt. */
export function startsOf(blocks: readonly Int32Array[]): number[] {
  let end = 0;
  return blocks.map(({ length }) => {
    end += length;
    return end - length;
  });
}

/** Most bytes that recomputing tokens of these blocks takes. */
export function recomputeBytes(
  { growingLayout, question }: Pick<RecomputeOptions, 'growingLayout' | 'question'>,
  how: Recomputation,
  blocks: readonly Int32Array[],
): number {
  const copies = blocks.slice(1).reduce((sum, tokens) => sum + growingLayout.blockBytes(tokens.length), 0);
  if (how.method === 'head') return copies;
  // What choosing takes is free before the copies are made.
  if (how.method === 'attention') return Math.max(copies, growingLayout.blockBytes(question.length));
  return Math.ceil(copies * (1 + Math.min(1, (probedLayer + 1) / growingLayout.slots.length)));
}

/** @param context blocks in the order of the prompt, the final one not among them. @throws ABORTED */
export async function recomputeContext(
  options: RecomputeOptions,
  how: Recomputation,
  context: readonly StoredContext[],
): Promise<RecomputedContext> {
  const { model, runner, layout, growingLayout } = options;
  const { flops, count } = costs();
  const stored = context.map((block) => ({ ...block, layout }));
  const runs = await chosenRuns(options, how, stored, count);
  const copied = new Set(runs.map(({ block }) => block));
  const memories: { free(): void }[] = [];
  const dispose = () => {
    for (const memory of memories.splice(0)) memory.free();
  };
  try {
    const blocks = [...stored];
    for (const index of copied) {
      const block = stored[index];
      if (block === undefined) continue;
      const memory = model.backend.allocateMemory(growingLayout.blockBytes(block.tokens.length));
      memories.push(memory);
      const copy = { ...block, memory, layout: growingLayout };
      await runner.convert(block, copy, block.tokens.length);
      blocks[index] = copy;
    }
    await recompute(options, model, blocks, runs, count);
    return {
      blocks: blocks.map((block) => ({ ...block, tokens: block.tokens.length })),
      tokens: runs.reduce((sum, run) => sum + run.count, 0),
      flops,
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function chosenRuns(
  options: RecomputeOptions,
  how: Recomputation,
  stored: readonly (ContextStates & StoredContext)[],
  count: (cost: Flops) => void,
): Promise<Run[]> {
  if (how.method === 'deviation') return deviating(options, stored, how.share, count);
  if (how.method === 'head') {
    const tokens = stored.map((block) => block.tokens);
    return headRuns(tokens, how.tokens);
  }
  const { model, growingLayout, question } = options;
  const context = stored.map((block) => ({ ...block, tokens: block.tokens.length }));
  const sequence = new Sequence(model.backend, growingLayout, context, question.length);
  try {
    const attention = options.attention(model, growingLayout);
    return await attendedRuns({ ...options, attention }, sequence, question, how.share, count);
  } finally {
    sequence.dispose();
  }
}

/** The share of tokens whose states of the probed layer full attention over the whole context changes most. */
async function deviating(
  options: RecomputeOptions,
  stored: readonly ContextStates[],
  share: number,
  count: (cost: Flops) => void,
): Promise<Run[]> {
  const { model, runner, growingLayout } = options;
  const { layer, part, layout } = probedPart(model, growingLayout.type);
  const memories: { free(): void }[] = [];
  try {
    const fresh = stored.map((block, index): ContextStates => {
      // Layers lie one after the other: a stored block is one of fewer layers, too.
      if (index === 0) return block;
      const memory = model.backend.allocateMemory(layout.blockBytes(block.tokens.length));
      memories.push(memory);
      return { memory, layout, tokens: block.tokens };
    });
    const all = wholeRuns(fresh.map(({ tokens }) => tokens));
    await recompute(options, part, fresh, all, count);
    const pairs = stored.slice(1).map((block, i) => ({
      fresh: fresh[i + 1] ?? block,
      stored: block,
      tokens: block.tokens.length,
    }));
    const deviations = await runner.exclusive((allocator) => stateDeviation(model, allocator, pairs, layer));
    return runsOfMost(deviations, share);
  } finally {
    for (const memory of memories) memory.free();
  }
}

async function recompute(
  { model: { backend }, runner, attention, growingLayout, signal }: RecomputeOptions,
  model: Model,
  blocks: readonly ContextStates[],
  runs: readonly Run[],
  count: (cost: Flops) => void,
): Promise<void> {
  const starts = startsOf(blocks.map(({ tokens }) => tokens));
  const position = ({ block, first }: Run) => (starts[block] ?? 0) + first;
  const factory = attention(model, growingLayout);
  const piece = (run: Run) => runner.mostTokens(position(run) + run.count);
  for (const batch of batchRuns(runs, recomputeBatch, piece)) {
    if (signal.aborted) throw requestAborted(signal);
    const steps = recomputeSteps(backend, blocks, batch);
    await runner.exclusive((allocator) => forwardStep(model, factory, allocator, steps));
    for (const run of batch) count(recomputeFlops(model.hyperParameters, position(run), run.count));
  }
}
