/**
 * Replacing a file: readers see what it was or all that it is to be, and a crash leaves one of the two. It is written
 * under another name, synced and renamed.
 *
 * By hand, since write-file-atomic and its like take the contents whole: models and blocks of gigabytes are written
 * here through a handle, piece by piece.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ReplaceOptions {
  /** Permissions, before the process's mask. Defaults to 0600: the owner's alone. */
  readonly mode?: number | undefined;
  /** Wait for the disk: else a crash of the machine may leave an empty file. Defaults to true. */
  readonly sync?: boolean | undefined;
  /** Path that it is written under, on the same file system. Defaults to one beside the file. */
  readonly temporary?: string | undefined;
}

/**
 * Writes a file, whole and durably, or leaves what was there.
 * @param contents or what writes them
 * @throws what the system or `contents` throws; nothing is left behind
 */
export async function replaceFile(
  path: string,
  contents: string | Uint8Array | ((file: FileHandle) => Promise<void>),
  { mode = 0o600, sync = true, temporary = `${path}.${randomBytes(8).toString('hex')}` }: ReplaceOptions = {},
): Promise<void> {
  const file = await open(temporary, 'wx', mode);
  try {
    try {
      if (typeof contents === 'function') await contents(file);
      else await writeAll(file, typeof contents === 'string' ? Buffer.from(contents) : contents);
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    await renameOver(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Longest single write: the system takes 2 GiB at most. */
const writeBytes = 8 << 20;

/** Writes all of some bytes where the file ends: a single write may take fewer. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(writeBytes, bytes.byteLength - at));
    at += bytesWritten;
  }
}

/** Windows refuses to replace a file that another process reads, as search services and virus scanners do for a moment. */
const busy = new Set(['EPERM', 'EACCES', 'EBUSY']);
const windowsPausesMs = [10, 20, 50, 100, 200, 400];

/** Renames a file to a name that may be taken. */
export async function renameOver(from: string, to: string): Promise<void> {
  const pauses = (process.platform === 'win32' ? windowsPausesMs : []).values();
  for (;;) {
    try {
      return await rename(from, to);
    } catch (error) {
      const pause = pauses.next();
      if (pause.done || !busy.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      await sleep(pause.value);
    }
  }
}
