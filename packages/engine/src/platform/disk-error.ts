/** What the system says when files cannot be written, as errors of this package. */
import { BlockAttentionError } from '../errors.ts';

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
      `'${folder}' cannot be written (${code}): make it writable, or point BLOCK_ATTENTION_CACHE at a folder that is`,
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
