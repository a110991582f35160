/**
 * Long work on texts that stops now and then, as a generator does: run at once by whoever may wait for it, or in slices
 * by whoever shares its thread with others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work that yields after every few thousand steps. */
export type Work<T> = Generator<undefined, T, undefined>;

/** Steps between two stops: each is tens of nanoseconds, so a slice is about a millisecond. */
export const sliceSteps = 1 << 14;

export function runAtOnce<T>(work: Work<T>): T {
  for (let step = work.next(); ; step = work.next()) if (step.done) return step.value;
}

let last: Promise<unknown> = Promise.resolve();

/** One work at a time, in order of arrival: its memory may be many times the text's. */
export function runInSlices<T>(work: Work<T>): Promise<T> {
  const run = async () => {
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) return step.value;
      await nextTurn();
    }
  };
  const result = last.then(run);
  last = result.catch(() => undefined);
  return result;
}
