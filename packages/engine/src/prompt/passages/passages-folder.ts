/**
 * Passages from a folder: each .txt and .md file is one, in the order of their paths.
 *
 * Hidden files and folders are left out. Links are followed only to files inside the folder, so a folder handed in by
 * someone else cannot make the process read the rest of the disk; those that lead away are left out with a warning. A
 * link to a folder inside is passed over: its files are met on their own path.
 */
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, parse, relative, sep } from 'node:path';
import { BlockAttentionError } from '../../errors.ts';
import type { Passage } from '../types.ts';
import { decode, type PassageLimits } from './passages-jsonl.ts';

const extensions: ReadonlySet<string> = new Set(['.txt', '.md']);

/** @throws INVALID_PASSAGES naming the file that is too long, empty, binary or not UTF-8. */
export async function readFolder(
  folder: string,
  limits: PassageLimits,
  onWarning: (message: string) => void,
): Promise<Passage[]> {
  const paths = await textFiles(await realpath(folder), onWarning);
  const passages: Passage[] = [];
  let totalBytes = 0;
  for (const { id, path } of paths) {
    const name = join(folder, id);
    const bytes = await readBounded(path, name, limits.maxPassageBytes);
    totalBytes += bytes.length;
    if (totalBytes > limits.maxTotalBytes) {
      throw new BlockAttentionError(
        'INVALID_PASSAGES',
        `the files in ${folder} are longer than ${limits.maxTotalBytes} bytes together: split the folder`,
      );
    }
    if (bytes.includes(0)) {
      throw new BlockAttentionError('INVALID_PASSAGES', `${name} is a binary file: remove it, or rename it`);
    }
    const text = decode(bytes, name);
    if (text.trim() === '') {
      throw new BlockAttentionError('INVALID_PASSAGES', `${name} is empty: remove it, or give it some text`);
    }
    passages.push({ id, title: parse(id).name, text });
  }
  return passages;
}

interface Found {
  /** Path inside the folder, with forward slashes. */
  readonly id: string;
  /** Where the bytes are: no link. */
  readonly path: string;
}

/** @param root the folder's real path. */
async function textFiles(root: string, onWarning: (message: string) => void): Promise<Found[]> {
  const files: Found[] = [];
  const waiting = [{ path: root, shown: '' }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await readdir(next.path, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const shown = next.shown === '' ? entry.name : `${next.shown}/${entry.name}`;
      const path = join(next.path, entry.name);
      const target = entry.isSymbolicLink() ? await linkTarget(root, path, shown, onWarning) : path;
      if (target === undefined) continue;
      const kind = await stat(target);
      if (kind.isDirectory()) {
        if (!entry.isSymbolicLink()) waiting.push({ path: target, shown });
      } else if (extensions.has(parse(entry.name).ext.toLowerCase())) {
        // Before it is opened: opening a pipe waits for its writer.
        if (!kind.isFile()) {
          throw new BlockAttentionError(
            'INVALID_PASSAGES',
            `${shown} is not an ordinary file: remove it, or rename it`,
          );
        }
        files.push({ id: shown, path: target });
      }
    }
  }
  return files.sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function linkTarget(
  root: string,
  path: string,
  shown: string,
  onWarning: (message: string) => void,
): Promise<string | undefined> {
  const target = await realpath(path).catch(() => undefined);
  if (target !== undefined) {
    const way = relative(root, target);
    // Absolute where it leads to another drive.
    if (!isAbsolute(way) && !`${way}${sep}`.startsWith(`..${sep}`)) return target;
  }
  onWarning(`${shown} is a link to ${target === undefined ? 'nowhere' : 'outside the folder'}: left out`);
  return undefined;
}

async function readBounded(path: string, name: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > maxBytes) {
      throw new BlockAttentionError(
        'INVALID_PASSAGES',
        `${name} has ${size} bytes, more than ${maxBytes}: split the passage`,
      );
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}
