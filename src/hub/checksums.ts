/**
 * SHA-256 of files, and the two places where a Python package states them: `SHA256SUMS` and the wheel's own `RECORD`.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { throwIfAborted } from './source-error.ts';

const chunkBytes = 4 << 20;

/**
 * Hex SHA-256 of a file as it lies on disk. Hashing what was written, rather than what was received, also covers the
 * part that an earlier run downloaded.
 */
export async function sha256OfFile(
  file: FileHandle,
  options: { onBytes?: (doneBytes: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let position = 0; ; ) {
    throwIfAborted(options.signal);
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, position);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, bytesRead));
    position += bytesRead;
    options.onBytes?.(position);
  }
}

/** Lines of `sha256sum`: hex digest, blank, optional `*`, name. Keyed by the name without folders. */
export function parseSha256Sums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, digest, name] = /^([0-9a-fA-F]{64}) [ *](.+)$/.exec(line) ?? [];
    if (digest !== undefined && name !== undefined) sums.set(name.split('/').at(-1) ?? name, digest.toLowerCase());
  }
  return sums;
}

/** The `RECORD` of a wheel: `path,sha256=<base64url>,bytes` per line. Keyed by the path in the archive. */
export function parseWheelRecord(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    // A path with a comma is quoted as in CSV; model files are not named so, and unquoted lines suffice.
    const [, path, digest] = /^([^",]+),sha256=([A-Za-z0-9_-]{43}),\d*$/.exec(line) ?? [];
    if (path !== undefined && digest !== undefined) sums.set(path, Buffer.from(digest, 'base64url').toString('hex'));
  }
  return sums;
}
