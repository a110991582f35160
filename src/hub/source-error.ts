/**
 * Why one source of a model failed, inside this folder only: callers meet `BlockAttentionError`.
 *
 * `code` is what the caller sees when every source failed alike. Errors that another source could not mend (a full
 * disk, an abort) are never wrapped in this class.
 */
import { BlockAttentionError, type ErrorCode, throwIfAborted as throwIf } from '@block-attention/engine/internal/base';

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

/** The error for a write that failed: coded, with the folder and the remedy. Anything else is returned as it is. */
export function diskError(cause: unknown, folder: string): unknown {
  const code = systemCode(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new BlockAttentionError(
      'DISK_FULL',
      `No room left in '${folder}' (${code}): free some, or point BLOCK_ATTENTION_CACHE at a larger disk`,
      { cause },
    );
  }
  if (
    code === 'EACCES' ||
    code === 'EPERM' ||
    code === 'EROFS' ||
    code === 'ENOTDIR' ||
    code === 'ENOENT' ||
    code === 'EEXIST'
  ) {
    return new BlockAttentionError(
      'INVALID_ARGUMENT',
      `The model cache '${folder}' cannot be written (${code}): point BLOCK_ATTENTION_CACHE at a folder that can`,
      { cause },
    );
  }
  return cause;
}

/** The `code` of a system error, also of one wrapped as a cause, as `fetch` does. */
export function systemCode(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    if ('code' in current && typeof current.code === 'string') return current.code;
    // Happy-eyeballs connects to several addresses and reports them together.
    if (current instanceof AggregateError && current.errors.length > 0) return systemCode(current.errors[0]);
  }
  return undefined;
}

/** @throws ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  throwIf(signal, 'The download was cancelled; asking again continues where it stopped');
}
