/**
 * Selective recomputation where a sequence's context lies in rows of its own: the tokens are computed again in place, all
 * of a batch as one step whatever blocks they are of. What is computed is what recompute-context.ts computes.
 */
import { requestAborted } from '../../abort.ts';
import {
  batchRuns,
  concatenate,
  copyRows,
  forwardStep,
  gatheredAttention,
  KvLayout,
  type Model,
  type Run,
  recomputeFlops,
  rowDeviation,
  rowsBytes,
  Sequence,
} from '../../model/index.ts';
import type { Runner } from '../schedule/runner.ts';
import { attendedRuns, headRuns, recomputeBatch, runsOfMost } from './choose-tokens.ts';
import type { Recomputation } from './recompute.ts';
import { probedLayer, type RecomputedContext } from './recompute-context.ts';

export interface RowsToRecompute {
  readonly model: Model;
  readonly runner: Runner;
  /** Of rows. */
  readonly sequence: Sequence;
  /** Token ids of the context blocks, in order. */
  readonly context: readonly Int32Array[];
  /** Token ids of the final block, for which the sequence has room. */
  readonly question: Int32Array;
  readonly signal: AbortSignal;
}

/** Most bytes that it takes besides the rows themselves. */
export function recomputeRowsBytes(model: Model, type: KvLayout['type'], how: Recomputation, tokens: number): number {
  return how.method !== 'deviation' ? 0 : rowsBytes(probedLayout(model, type).layout, tokens);
}

/** @throws ABORTED, MODEL_TOO_LARGE */
export async function recomputeRows(
  work: RowsToRecompute,
  how: Recomputation,
): Promise<Pick<RecomputedContext, 'tokens' | 'flops'>> {
  const { model, sequence } = work;
  const flops = { linear: 0, total: 0 };
  const runs = await chosenRuns(work, how, flops);
  await compute(work, model, sequence, runs, flops);
  return { tokens: runs.reduce((sum, { count }) => sum + count, 0), flops };
}

async function chosenRuns(
  work: RowsToRecompute,
  how: Recomputation,
  flops: { linear: number; total: number },
): Promise<Run[]> {
  if (how.method === 'head') return headRuns(work.context, how.tokens);
  if (how.method === 'deviation') return deviating(work, how.share, flops);
  const attention = gatheredAttention(work.model);
  return attendedRuns({ ...work, attention }, work.sequence, work.question, how.share, (cost) => {
    flops.linear += cost.linear;
    flops.total += cost.total;
  });
}

function probedLayout(model: Model, type: KvLayout['type']) {
  const layer = Math.min(probedLayer, model.hyperParameters.layers - 1);
  const part = model.firstLayers(layer + 1);
  return { layer, part, layout: new KvLayout(part.hyperParameters, type) };
}

/** The share of tokens whose states full attention over the whole context changes most. */
async function deviating(
  work: RowsToRecompute,
  share: number,
  flops: { linear: number; total: number },
): Promise<Run[]> {
  const { model, runner, sequence, context } = work;
  const { backend } = model;
  const stored = sequence.rows;
  const { layer, part, layout } = probedLayout(model, sequence.layout.type);
  const total = sequence.contextRows;
  const first = context[0]?.length ?? 0;
  const count = total - first;
  if (stored === undefined || count <= 0) return [];
  const fresh = await runner.rows(layout, total);
  try {
    const rows = Int32Array.from({ length: total }, (_, i) => i);
    await runner.exclusive((allocator) => copyRows(part, allocator, { source: stored, rows, target: fresh, at: 0 }));
    const probe = new Sequence(backend, layout, sequence.blocks, 0, fresh);
    const all = context.flatMap(({ length }, block) => (block === 0 ? [] : [{ block, first: 0, count: length }]));
    await compute(work, part, probe, all, flops);
    const shares = await runner.exclusive((allocator) =>
      rowDeviation(model, allocator, { fresh, stored }, { layer, first, count }),
    );
    let at = 0;
    const byBlock = context.slice(1).map(({ length }) => {
      at += length;
      return shares.subarray(at - length, at);
    });
    return runsOfMost(byBlock, share);
  } finally {
    fresh.free();
  }
}

async function compute(
  { runner, context, signal }: RowsToRecompute,
  model: Model,
  sequence: Sequence,
  runs: readonly Run[],
  flops: { linear: number; total: number },
): Promise<void> {
  const tokens = concatenate(context);
  const starts: number[] = [];
  context.reduce((end, { length }, block) => {
    starts[block] = end;
    return end + length;
  }, 0);
  const attention = gatheredAttention(model);
  for (const batch of batchRuns(runs, recomputeBatch, () => recomputeBatch)) {
    if (signal.aborted) throw requestAborted(signal);
    const recomputed = concatenate(
      batch.map(({ block, first, count }) =>
        Int32Array.from({ length: count }, (_, i) => (starts[block] ?? 0) + first + i),
      ),
    );
    const ids = recomputed.map((row) => tokens[row] ?? 0);
    const step = { sequence, tokens: ids, logits: 'none' as const, recomputed };
    await runner.exclusive((allocator) => forwardStep(model, attention, allocator, [step]));
    for (const { block, first, count } of batch) {
      const cost = recomputeFlops(model.hyperParameters, (starts[block] ?? 0) + first, count);
      flops.linear += cost.linear;
      flops.total += cost.total;
    }
  }
}
