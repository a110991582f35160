/** Cancellation as this package reports it. */
import { BlockAttentionError } from '../errors.ts';

/** @throws ABORTED once the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new BlockAttentionError('ABORTED', 'cancelled', { cause: signal.reason });
}
