/**
 * The files of a store's folder: names, atomic writing, listing.
 *
 *   <dir>/<first 2 hex of key>/<key>.kv    one block; appears whole, by rename, and never changes
 *   <dir>/<first 2 hex of key>/<key>.pin   empty: the block is exempt from eviction and expiry
 *   <dir>/tmp/                             files being written; what a crash leaves is swept
 *   <dir>/salt                             32 random bytes that tenants' tags are made with
 *
 * Safe for any number of processes. Folders are 0700, files 0600. Functions throw the system's errors.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile, writeAll } from '../../platform/index.ts';
import { isBlockKey } from '../block/identity.ts';
import { fieldBytes, type ImageHeader, labelPlace, readFields } from '../block/image.ts';
import type { BlockKey } from '../block-store.ts';

/** Files in tmp/ that are older than this were left by a crash. */
const sweepAfterMs = 3_600_000;

export function blockPath(directory: string, key: BlockKey): string {
  return join(directory, key.slice(0, 2), `${key}.kv`);
}

export function pinPath(directory: string, key: BlockKey): string {
  return join(directory, key.slice(0, 2), `${key}.pin`);
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

export async function makeFolder(path: string): Promise<void> {
  try {
    // Not recursively at first: that reports a read-only file system as ENOENT.
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (isMissing(error)) await mkdir(path, { recursive: true, mode: 0o700 });
    else if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Writes a file so that it is there whole, durably, or not at all. */
export async function writeAtomically(directory: string, path: string, parts: readonly Uint8Array[]): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  await makeFolder(join(directory, 'tmp'));
  const temporary = join(directory, 'tmp', `${process.pid}-${randomBytes(8).toString('hex')}`);
  const write = async (file: FileHandle) => {
    for (const part of parts) await writeAll(file, part);
  };
  await replaceFile(path, write, { temporary });
  await syncFolder(folder);
}

/** Makes a rename durable. Windows cannot open folders, and needs no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Deletes a file. Resolves to whether it was there. */
export async function deleteFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export async function fileExists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export interface BlockFile {
  readonly key: BlockKey;
  readonly path: string;
  readonly fileBytes: number;
  /** Last use, as far as it was recorded: the file's modification time. */
  readonly usedAtMs: number;
  readonly pinned: boolean;
}

/** The block files of a folder, in no order. A missing folder has none. */
export async function* listBlocks(directory: string): AsyncGenerator<BlockFile> {
  for (const prefix of await names(directory)) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
    const present = new Set(await names(join(directory, prefix)));
    for (const name of present) {
      const key = name.slice(0, -3);
      if (!name.endsWith('.kv') || !isBlockKey(key)) continue;
      const path = join(directory, prefix, name);
      try {
        const found = await stat(path);
        const { size, mtimeMs } = found;
        if (found.isFile()) yield { key, path, fileBytes: size, usedAtMs: mtimeMs, pinned: present.has(`${key}.pin`) };
      } catch (error) {
        // Another process evicted it since the folder was read.
        if (!isMissing(error)) throw error;
      }
    }
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw error;
  }
}

/** The header fields of a block file, unchecked; a string is the reason of a refusal. */
export async function readFileFields(path: string): Promise<ImageHeader | string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(fieldBytes), 0, fieldBytes, 0);
    return readFields(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** The label of a block's file. */
export async function readFileLabel(path: string, header: ImageHeader): Promise<string> {
  const { at, bytes } = labelPlace(header);
  if (bytes === 0) return '';
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

/** Deletes what crashed writers left behind. Resolves to the number of files. */
export async function sweepTemporary(directory: string, olderThanMs = sweepAfterMs): Promise<number> {
  let swept = 0;
  for (const name of await names(join(directory, 'tmp'))) {
    const path = join(directory, 'tmp', name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > olderThanMs && (await deleteFile(path))) swept += 1;
  }
  return swept;
}

/** The folder's salt: made by whoever comes first, the same for everyone after. */
export async function folderSalt(directory: string): Promise<Buffer> {
  const path = join(directory, 'salt');
  await makeFolder(directory);
  for (;;) {
    const salt = await readFile(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (salt !== undefined) return salt;
    const candidate = `${path}-${randomBytes(8).toString('hex')}`;
    await writeAtomically(directory, candidate, [randomBytes(32)]);
    // Unlike rename, link never replaces what another process put there first.
    await link(candidate, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await deleteFile(candidate);
  }
}
