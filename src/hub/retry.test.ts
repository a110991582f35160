import { describe, expect, it } from 'vitest';
import { defaultNetworkLimits, withRetries } from './retry.ts';
import { SourceError } from './source-error.ts';

const limits = { ...defaultNetworkLimits, retries: 3, retryDelayMs: 1 };
const passing = (): SourceError => new SourceError('busy', { transient: true, code: 'DOWNLOAD_FAILED' });

describe('withRetries', () => {
  it('returns what a later attempt gives', async () => {
    let calls = 0;
    const attempt = async (): Promise<number> => {
      if (++calls < 4) throw passing();
      return calls;
    };
    expect(await withRetries(attempt, { limits })).toBe(4);
  });

  it('counts failures in a row only: progress starts the count again', async () => {
    let calls = 0;
    let bytes = 0;
    const attempt = async (): Promise<number> => {
      calls++;
      if (calls % 3 === 0) bytes++;
      if (calls < 20) throw passing();
      return calls;
    };
    expect(await withRetries(attempt, { limits, progress: () => bytes })).toBe(20);
  });

  it('does not take falling back and catching up for progress', async () => {
    const reached = [0, 50, 0, 50, 0, 50, 0, 50];
    let calls = 0;
    const attempt = (): Promise<never> => {
      calls++;
      return Promise.reject(passing());
    };
    const running = withRetries(attempt, { limits, progress: () => reached[calls] ?? 0 });
    await expect(running).rejects.toThrow('busy (given up after 4 attempts)');
  });

  it('ends against a server that trickles for ever', async () => {
    let bytes = 0;
    const attempt = (): Promise<never> => {
      bytes++;
      return Promise.reject(passing());
    };
    const running = withRetries(attempt, { limits: { ...limits, retryDelayMs: 0 }, progress: () => bytes });
    await expect(running).rejects.toThrow(/given up after 200 attempts/);
  });

  it('throws at once what will not pass, and stops a pause when cancelled', async () => {
    let calls = 0;
    const lasting = new SourceError('gone');
    const fail = (error: Error) => (): Promise<never> => {
      calls++;
      return Promise.reject(error);
    };
    await expect(withRetries(fail(lasting), { limits })).rejects.toBe(lasting);
    await expect(withRetries(fail(new TypeError('bug')), { limits })).rejects.toThrow('bug');
    expect(calls).toBe(2);
    const signal = AbortSignal.timeout(20);
    const slow = { ...limits, retryDelayMs: 60_000 };
    await expect(withRetries(fail(passing()), { limits: slow, signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
