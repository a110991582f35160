/**
 * What an HTTP answer, or the lack of one, means for a download. Pure functions over headers, statuses and errors.
 */
import { systemCode } from '@block-attention/engine/internal/platform';
import { SourceError } from './source-error.ts';

/** Connections that may succeed a moment later. Unknown hosts and bad certificates stay what they are. */
const passing = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_SOCKET',
]);

/** The reason `fetch`, or reading its body, failed. */
export function connectionError(error: unknown, host: string): SourceError {
  const code = systemCode(error);
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
  const message = code === undefined ? `${host} cannot be reached: ${inner}` : `${host} cannot be reached (${code})`;
  return new SourceError(message, { transient: code !== undefined && passing.has(code), cause: error });
}

/** The reason a status other than 200 and 206 is a failure. */
export function statusError(status: number, host: string, retryAfter: string | null): SourceError {
  const transient = status === 408 || status === 425 || status === 429 || status >= 500;
  const hint =
    status === 401 || status === 403
      ? ': it asks for an account, a token (HF_TOKEN for the hub) or an accepted licence'
      : status === 404 || status === 410
        ? ': there is no such file'
        : '';
  return new SourceError(`${host} answered ${status}${hint}`, {
    transient,
    retryAfterMs: transient ? parseRetryAfter(retryAfter) : undefined,
  });
}

/** `Retry-After` in ms from now: seconds or a date. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** `Content-Range: bytes 5-9/10`; the total is undefined when the server does not know it. */
export function parseContentRange(value: string | null): { start: number; totalBytes: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  return { start: Number(match[1]), totalBytes: match[2] === '*' ? undefined : Number(match[2]) };
}

/** Size of the whole body; undefined when it comes in chunks, or compressed against what was asked. */
export function parseContentLength(headers: Headers): number | undefined {
  const value = headers.get('content-length');
  const coded = headers.get('content-encoding') ?? 'identity';
  return value !== null && /^\d+$/.test(value) && coded === 'identity' ? Number(value) : undefined;
}

/** What names this version of the file in `If-Range`: a strong entity tag, else the date. A weak tag may not be used. */
export function versionOf(headers: Headers): string | undefined {
  const etag = headers.get('etag');
  if (etag?.startsWith('"')) return etag;
  return headers.get('last-modified') ?? undefined;
}
