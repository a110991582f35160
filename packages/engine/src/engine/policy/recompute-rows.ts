/**
 * Selective recomputation where a sequence's context lies in rows of its own: the tokens are computed again in place, all
 * of a batch as one step whatever blocks they are of. What is computed is what recompute-context.ts computes.
 */
import { requestAborted } from '../../abort.ts';
import {
  batchRuns,
  concatenate,
  copyRows,
  type Flops,
  forwardStep,
  gatheredAttention,
  type KvLayout,
  type Model,
  type Run,
  recomputeFlops,
  rowDeviation,
  rowsBytes,
  Sequence,
} from '../../model/index.ts';
import type { Runner } from '../schedule/runner.ts';
import { attendedRuns, headRuns, recomputeBatch, runsOfMost, wholeRuns } from './choose-tokens.ts';
import type { Recomputation } from './recompute.ts';
import { costs, probedPart, type RecomputedContext, startsOf } from './recompute-context.ts';

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
  return how.method !== 'deviation' ? 0 : rowsBytes(probedPart(model, type).layout, tokens);
}

/** @throws ABORTED, MODEL_TOO_LARGE */
export async function recomputeRows(
  work: RowsToRecompute,
  how: Recomputation,
): Promise<Pick<RecomputedContext, 'tokens' | 'flops'>> {
  const { model, sequence } = work;
  const { flops, count } = costs();
  const runs = await chosenRuns(work, how, count);
  await compute(work, model, sequence, runs, count);
  return { tokens: runs.reduce((sum, run) => sum + run.count, 0), flops };
}

async function chosenRuns(work: RowsToRecompute, how: Recomputation, count: (cost: Flops) => void): Promise<Run[]> {
  if (how.method === 'head') return headRuns(work.context, how.tokens);
  if (how.method === 'deviation') return deviating(work, how.share, count);
  const attention = gatheredAttention(work.model);
  return attendedRuns({ ...work, attention }, work.sequence, work.question, how.share, count);
}

/** The share of tokens whose states full attention over the whole context changes most. */
async function deviating(work: RowsToRecompute, share: number, count: (cost: Flops) => void): Promise<Run[]> {
  const { model, runner, sequence, context } = work;
  const { backend } = model;
  const stored = sequence.rows;
  const { layer, part, layout } = probedPart(model, sequence.layout.type);
  const total = sequence.contextRows;
  const first = context[0]?.length ?? 0;
  const later = total - first;
  if (stored === undefined || later <= 0) return [];
  const fresh = await runner.rows(layout, total);
  try {
    const rows = Int32Array.from({ length: total }, (_, i) => i);
    await runner.exclusive((allocator) => copyRows(part, allocator, { source: stored, rows, target: fresh, at: 0 }));
    const probe = new Sequence(backend, layout, sequence.blocks, 0, fresh);
    await compute(work, part, probe, wholeRuns(context), count);
    const shares = await runner.exclusive((allocator) =>
      rowDeviation(model, allocator, { fresh, stored }, { layer, first, count: later }),
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
  count: (cost: Flops) => void,
): Promise<void> {
  const tokens = concatenate(context);
  const starts = startsOf(context);
  const position = ({ block, first }: Run) => (starts[block] ?? 0) + first;
  const attention = gatheredAttention(model);
  for (const batch of batchRuns(runs, recomputeBatch, () => recomputeBatch)) {
    if (signal.aborted) throw requestAborted(signal);
    const recomputed = concatenate(
      batch.map((run) => Int32Array.from({ length: run.count }, (_, i) => position(run) + i)),
    );
    const ids = recomputed.map((row) => tokens[row] ?? 0);
    const step = { sequence, tokens: ids, logits: 'none' as const, recomputed };
    await runner.exclusive((allocator) => forwardStep(model, attention, allocator, [step]));
    for (const run of batch) count(recomputeFlops(model.hyperParameters, position(run), run.count));
  }
}
