/**
 * One file over HTTP into a partial file, continued where an earlier attempt, or process, stopped.
 *
 * A part is only continued when the server vouches that the file is still the same one (`If-Range`), or when a known
 * checksum will tell. Redirects are followed; authorization does not follow them to another origin. Connects directly:
 * Node's `fetch` uses no proxy settings.
 */
import { dirname } from 'node:path';
import { ensureRoom } from './disk-room.ts';
import { checkGgufMagic } from './gguf-check.ts';
import { connectionError, parseContentLength, parseContentRange, statusError, versionOf } from './http-response.ts';
import type { PartialFile } from './partial-file.ts';
import { type NetworkLimits, withRetries } from './retry.ts';
import { SourceError, throwIfAborted } from './source-error.ts';

/** A file that is to be had at a URL, with what is known about it beforehand. */
export interface RemoteFile {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sha256: string | undefined;
  readonly bytes: number | undefined;
}

export interface TransferOptions {
  readonly limits: NetworkLimits;
  readonly signal: AbortSignal | undefined;
  /** Called after each piece, with the bytes on disk and the size of the whole where it is known. */
  readonly onBytes: (doneBytes: number, totalBytes: number | undefined) => void;
}

/**
 * Completes `partial`. On any failure what has arrived stays, unless it is known to be useless.
 * @throws SourceError when the source fails; ABORTED; DISK_FULL when the rest will not fit
 */
export async function downloadFile(file: RemoteFile, partial: PartialFile, options: TransferOptions): Promise<void> {
  const { sha256 } = file;
  const { state } = partial;
  if (state !== undefined && (state.sha256 !== sha256 || (state.validator === undefined && sha256 === undefined))) {
    await partial.clear();
  }
  await withRetries(() => attempt(file, partial, options), { ...options, progress: () => partial.bytes });
}

async function attempt(file: RemoteFile, partial: PartialFile, options: TransferOptions): Promise<void> {
  if (partial.bytes > 0 && partial.bytes === partial.state?.totalBytes) return;
  const host = new URL(file.url).host;
  const watchdog = new Watchdog(host, options.limits.stallTimeoutMs, options.signal);
  try {
    const response = await watchdog.guard(() =>
      fetch(file.url, { headers: requestHeaders(file, partial), signal: watchdog.signal }),
    );
    const totalBytes = await acceptResponse(response, file, partial);
    await ensureRoom(dirname(partial.path), (totalBytes ?? 0) - partial.bytes);
    options.onBytes(partial.bytes, totalBytes);
    if (response.body === null) throw new SourceError(`${host} sent no body`, { transient: true });
    const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
    for (;;) {
      const { done, value } = await watchdog.guard(() => reader.read());
      if (done) break;
      if (partial.bytes === 0 && value.length >= 4) checkGgufMagic(value);
      await partial.append(value);
      options.onBytes(partial.bytes, totalBytes);
      if (partial.bytes > (totalBytes ?? file.bytes ?? Number.POSITIVE_INFINITY)) {
        await partial.clear();
        throw new SourceError(`${host} sent more than the ${totalBytes ?? file.bytes} bytes it announced`);
      }
    }
    if (totalBytes !== undefined && partial.bytes < totalBytes) {
      throw new SourceError(`${host} ended after ${partial.bytes} of ${totalBytes} bytes`, { transient: true });
    }
  } finally {
    watchdog.stop();
  }
}

function requestHeaders(file: RemoteFile, partial: PartialFile): Record<string, string> {
  const headers: Record<string, string> = { ...file.headers, 'accept-encoding': 'identity' };
  if (partial.bytes === 0) return headers;
  headers.range = `bytes=${partial.bytes}-`;
  if (partial.state?.validator !== undefined) headers['if-range'] = partial.state.validator;
  return headers;
}

/** Decides what the body is, and leaves `partial` at the byte it begins with. Returns the size of the whole file. */
async function acceptResponse(response: Response, file: RemoteFile, partial: PartialFile): Promise<number | undefined> {
  const host = new URL(response.url).host;
  if (file.url.startsWith('https:') && !response.url.startsWith('https:')) {
    throw new SourceError(`it redirects to ${host} without encryption`);
  }
  const validator = versionOf(response.headers);
  if (response.status === 206) {
    const range = parseContentRange(response.headers.get('content-range'));
    const known = partial.state;
    const changed =
      (known?.validator !== undefined && validator !== undefined && known.validator !== validator) ||
      (known?.totalBytes !== undefined && range?.totalBytes !== undefined && known.totalBytes !== range.totalBytes);
    if (known === undefined || range === undefined || range.start !== partial.bytes || changed) {
      await partial.clear();
      throw new SourceError(`${host} continued with another part or version than asked for`, { transient: true });
    }
    return range.totalBytes ?? known.totalBytes;
  }
  if (response.status === 416 && partial.bytes > 0) {
    await partial.clear();
    throw new SourceError(`${host} has a shorter file than before`, { transient: true });
  }
  if (response.status !== 200) throw statusError(response.status, host, response.headers.get('retry-after'));
  const totalBytes = parseContentLength(response.headers) ?? file.bytes;
  if (file.bytes !== undefined && totalBytes !== file.bytes) {
    throw new SourceError(`${host} sends ${totalBytes} bytes where ${file.bytes} were announced`);
  }
  await partial.restart({
    ...(validator === undefined ? {} : { validator }),
    ...(totalBytes === undefined ? {} : { totalBytes }),
    ...(file.sha256 === undefined ? {} : { sha256: file.sha256 }),
  });
  return totalBytes;
}

/** Cuts a connection that sends nothing. The clock runs only while something is awaited from the network. */
class Watchdog {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #host: string;
  readonly #timeoutMs: number;
  readonly #cancel: AbortSignal | undefined;

  constructor(host: string, timeoutMs: number, cancel: AbortSignal | undefined) {
    this.#host = host;
    this.#timeoutMs = timeoutMs;
    this.#cancel = cancel;
    this.signal = cancel === undefined ? this.#controller.signal : AbortSignal.any([this.#controller.signal, cancel]);
  }

  /** Awaits the network. @throws SourceError for whatever the connection does; ABORTED */
  async guard<T>(wait: () => Promise<T>): Promise<T> {
    let fired = false;
    const timer = setTimeout(() => {
      fired = true;
      this.#controller.abort();
    }, this.#timeoutMs);
    try {
      return await wait();
    } catch (error) {
      throwIfAborted(this.#cancel);
      if (fired)
        throw new SourceError(`${this.#host} sent nothing for ${this.#timeoutMs / 1000} s`, { transient: true });
      throw connectionError(error, this.#host);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection, whatever is left to read. */
  stop(): void {
    this.#controller.abort();
  }
}
