/** Files out of the system's page cache, and how fast the disk brings them back. Linux only. */
import { closeSync, fdatasyncSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';

const dontNeed = 4;

/** Drops a folder's block files from the page cache; those that someone has mapped stay. False where that cannot be asked for. */
export function dropFromPageCache(directory: string): boolean {
  if (process.platform !== 'linux') return false;
  const advise = koffi.load(null).func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)') as (
    fd: number,
    offset: number,
    length: number,
    advice: number,
  ) => number;
  return blockFiles(directory).every((path) => {
    const fd = openSync(path, 'r');
    try {
      // Pages that are not written yet would stay.
      fdatasyncSync(fd);
      return advise(fd, 0, 0, dontNeed) === 0;
    } finally {
      closeSync(fd);
    }
  });
}

/** MiB/s of reading a folder's block files one after the other. */
export function sequentialSpeed(directory: string): number {
  const piece = Buffer.alloc(1 << 20);
  const startedAt = performance.now();
  let bytes = 0;
  for (const path of blockFiles(directory)) {
    const fd = openSync(path, 'r');
    for (let count = -1; count !== 0; bytes += count) count = readSync(fd, piece);
    closeSync(fd);
  }
  return (bytes / 2 ** 20 / (performance.now() - startedAt)) * 1000;
}

function blockFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.kv'))
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
