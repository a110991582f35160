/**
 * Why one source of a model failed, inside this folder only: callers meet `BlockAttentionError`.
 *
 * `code` is what the caller sees when every source failed alike. Errors that another source could not mend (a full
 * disk, an abort) are never wrapped in this class.
 */
import { type ErrorCode, throwIfAborted as throwIf } from '@block-attention/engine/internal/base';

export type SourceErrorCode = Extract<ErrorCode, 'DOWNLOAD_FAILED' | 'CHECKSUM_MISMATCH' | 'MODEL_INVALID'>;

export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly code: SourceErrorCode;
  /** Worth asking the same source again. */
  readonly transient: boolean;
  /** What the source asked to wait before that, in ms. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: { code?: SourceErrorCode; transient?: boolean; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = options.code ?? 'DOWNLOAD_FAILED';
    this.transient = options.transient ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** @throws ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  throwIf(signal, 'The download was cancelled; asking again continues where it stopped');
}
