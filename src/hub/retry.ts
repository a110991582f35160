/**
 * Asking a source again after a failure that may pass, with growing pauses. Knows nothing of HTTP.
 *
 * By hand, since p-retry counts failures in all and sets its pauses itself: here a transfer that goes on for hours, losing
 * its connection now and then, is given up only when bytes no longer come, and a server's Retry-After is kept to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SourceError, throwIfAborted } from './source-error.ts';

/** How patient a pull is. Every field has a default that suits people waiting at a terminal. */
export interface NetworkLimits {
  /** The hub has to answer within this time; then the next source is tried. Defaults to 5,000 ms. */
  readonly connectTimeoutMs: number;
  /** A transfer that sends nothing for this long is cut and continued. Defaults to 30,000 ms. */
  readonly stallTimeoutMs: number;
  /** Attempts in a row that may fail without a new byte before a source is given up, beyond the first. Defaults to 4. */
  readonly retries: number;
  /** First pause; each further one doubles, up to 16 times this. Defaults to 500 ms. */
  readonly retryDelayMs: number;
}

export const defaultNetworkLimits: NetworkLimits = {
  connectTimeoutMs: 5_000,
  stallTimeoutMs: 30_000,
  retries: 4,
  retryDelayMs: 500,
};

/** A server may ask for more patience than the pauses have, but not without bound. */
const maxPauseMs = 30_000;
/** A server that sends a few bytes per connection makes progress for ever; this ends it. */
const maxAttempts = 200;

/**
 * Runs `attempt` until it succeeds, fails for good, or fails too often in a row without progress.
 * @param progress a number that only useful attempts raise; without it every failure counts
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: { limits: NetworkLimits; signal?: AbortSignal | undefined; progress?: () => number },
): Promise<T> {
  const { limits, signal, progress = () => 0 } = options;
  let reached = progress();
  let failures = 0;
  for (let attempts = 1; ; attempts++) {
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof SourceError) || !error.transient) throw error;
      const now = progress();
      failures = now > reached ? 1 : failures + 1;
      reached = Math.max(reached, now);
      if (failures > limits.retries || attempts >= maxAttempts) {
        throw new SourceError(`${error.message} (given up after ${attempts} attempts)`, {
          code: error.code,
          cause: error,
        });
      }
      const pause = limits.retryDelayMs * Math.min(16, 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      await pauseFor(Math.min(maxPauseMs, Math.max(pause, error.retryAfterMs ?? 0)), signal);
    }
  }
}

async function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    throwIfAborted(signal);
  }
}
