import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runJobs } from './run-jobs.ts';

describe('runJobs', () => {
  it('keeps as many in flight as it may, and runs each once', async () => {
    let [inFlight, most] = [0, 0];
    const done: number[] = [];
    await runJobs([1, 2, 3, 4, 5, 6, 7], { parallel: 3 }, async (job) => {
      most = Math.max(most, ++inFlight);
      await sleep(2);
      inFlight--;
      done.push(job);
    });
    expect(most).toBe(3);
    expect(done.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('throws the first failure once what is in flight has ended, and begins nothing more', async () => {
    const ended: number[] = [];
    const run = runJobs([1, 2, 3, 4], { parallel: 2 }, async (job, signal) => {
      if (job === 1) throw new Error('first');
      await sleep(5);
      expect(signal.aborted).toBe(true);
      ended.push(job);
    });
    await expect(run).rejects.toThrow('first');
    expect(ended).toEqual([2]);
  });

  it('is cancelled', async () => {
    const controller = new AbortController();
    const run = runJobs([1, 2, 3], { parallel: 1, signal: controller.signal }, async (job) => {
      if (job === 2) controller.abort();
      expect(job).toBeLessThan(3);
    });
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
