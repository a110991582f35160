/**
 * Several jobs in flight, in order of their list. The first failure stops what has not begun and is thrown once
 * everything in flight has ended.
 */
import { setMaxListeners } from 'node:events';
import { throwIfAborted } from '../abort.ts';

export interface JobsOptions {
  /** Most jobs in flight. */
  readonly parallel: number;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ABORTED; what a job throws */
export async function runJobs<T>(
  jobs: readonly T[],
  { parallel, signal }: JobsOptions,
  run: (job: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const either = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  // Every block that a job in flight encodes listens to it.
  setMaxListeners(0, either);
  const queue = jobs[Symbol.iterator]();
  let first: { readonly error: unknown } | undefined;
  const work = async () => {
    for (const job of queue) {
      if (either.aborted) return;
      try {
        await run(job, either);
      } catch (error) {
        first ??= { error };
        failure.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  throwIfAborted(signal, 'the evaluation was cancelled');
  if (first !== undefined) throw first.error;
}
