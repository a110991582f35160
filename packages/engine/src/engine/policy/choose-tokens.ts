/** Which tokens of a prompt's context are computed again. Knows numbers per token and where blocks begin; not how states are written. */
import { requestAborted } from '../../abort.ts';
import {
  type AttentionFactory,
  type Flops,
  type Model,
  markedRuns,
  observeContext,
  type Run,
  recomputeFlops,
  type Sequence,
} from '../../model/index.ts';
import type { Runner } from '../schedule/runner.ts';

/** Tokens of one batch: as many as the scheduler gives a prompt. */
export const recomputeBatch = 512;

/** The first tokens of every block but the first. @param blocks their token ids */
export function headRuns(blocks: readonly Int32Array[], most: number): Run[] {
  return blocks.flatMap((tokens, block) => {
    const count = Math.min(most, tokens.length);
    return block === 0 || count === 0 ? [] : [{ block, first: 0, count }];
  });
}

/** All tokens of every block but the first. */
export function wholeRuns(blocks: readonly Int32Array[]): Run[] {
  return blocks.flatMap(({ length }, block) => (block === 0 ? [] : [{ block, first: 0, count: length }]));
}

/** The share of tokens after the first block whose values are largest; of equal ones the earlier. @param values of every block but the first */
export function runsOfMost(values: readonly Float64Array[], share: number): Run[] {
  const all = values.flatMap((list, block) => Array.from(list, (value, at) => ({ value, block, at })));
  const marked = values.map((list) => Array.from(list, () => false));
  all.sort((left, right) => right.value - left.value);
  for (const { block, at } of all.slice(0, Math.round(share * all.length))) {
    const flags = marked[block];
    if (flags) flags[at] = true;
  }
  return markedRuns([[], ...marked]);
}

export interface Observing {
  readonly model: Model;
  readonly runner: Runner;
  readonly attention: AttentionFactory;
  readonly signal: AbortSignal;
}

/**
 * The share of tokens after the first block that the question attends to most: one pass of it behind the context as it is
 * stored, up to the last layer's states.
 * @param sequence behind the context, empty and with room for the question; it comes back empty
 * @throws ABORTED
 */
export async function attendedRuns(
  { model, runner, attention, signal }: Observing,
  sequence: Sequence,
  question: Int32Array,
  share: number,
  count: (cost: Flops) => void,
): Promise<Run[]> {
  const start = sequence.mark();
  const sums = sequence.blocks.map(({ tokens }) => new Float64Array(tokens));
  const most = Math.min(recomputeBatch, runner.mostTokens(sequence.keys + question.length));
  for (let first = 0; first < question.length; first += most) {
    if (signal.aborted) throw requestAborted(signal);
    const tokens = question.subarray(first, first + most);
    count(recomputeFlops(model.hyperParameters, sequence.position, tokens.length));
    const found = await runner.exclusive((allocator) =>
      observeContext(model, attention, allocator, { sequence, tokens }),
    );
    for (const [block, weights] of found.entries()) {
      const sum = sums[block];
      weights.forEach((weight, at) => {
        if (sum) sum[at] = (sum[at] ?? 0) + weight;
      });
    }
  }
  sequence.rewind(start);
  return runsOfMost(sums.slice(1), share);
}
