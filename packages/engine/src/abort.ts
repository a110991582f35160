/** Cancellation as this package reports it. */
import { BlockAttentionError } from './errors.ts';

/** @param message what was cancelled, and what is left of it */
export function abortError(signal: AbortSignal | undefined, message = 'cancelled'): BlockAttentionError {
  return new BlockAttentionError('ABORTED', message, { cause: signal?.reason });
}

/** The same for a request to an engine, a store or a server. */
export function requestAborted(signal?: AbortSignal): BlockAttentionError {
  return abortError(signal, 'the request was cancelled');
}

/** @throws ABORTED once the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined, message?: string): void {
  if (signal?.aborted) throw abortError(signal, message);
}
