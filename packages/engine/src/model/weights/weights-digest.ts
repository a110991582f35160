/**
 * SHA-256 of a model's file: what a stored block's identity says about the weights.
 *
 * Computed once per file and remembered in the cache folder under path, size, inode and time of change, since hashing
 * gigabytes at every start would cost more than it protects. A memory that cannot be written is not an error.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { partsByName } from '../../part-names.ts';
import { replaceFile } from '../../platform/index.ts';

/**
 * Hex SHA-256 of the file's bytes; of a model in several files that of their digests, one after the other.
 * @param path the file, or the first of several
 * @param memory folder to remember digests in
 */
export async function weightsDigest(path: string, memory: string): Promise<string> {
  const [first = path, ...others] = partsByName(path);
  const digest = await fileDigest(first, memory);
  if (others.length === 0) return digest;
  const all = createHash('sha256').update(digest);
  for (const other of others) all.update(await fileDigest(other, memory));
  return all.digest('hex');
}

async function fileDigest(path: string, memory: string): Promise<string> {
  const real = await realpath(path);
  const { size, mtimeMs, ino, ctimeMs } = await stat(real);
  const name = createHash('sha256')
    .update(JSON.stringify([real, size, mtimeMs, ctimeMs, ino]))
    .digest('hex');
  const entry = join(memory, name);
  const known = await readFile(entry, 'utf8').catch(() => '');
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(real, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  const digest = hash.digest('hex');
  try {
    await mkdir(memory, { recursive: true });
    await replaceFile(entry, digest);
  } catch {
    // The next start computes it again.
  }
  return digest;
}
