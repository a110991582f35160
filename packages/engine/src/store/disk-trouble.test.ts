/**
 * A folder that cannot be used: one warning, and serving goes on from memory.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import type { BlockStore } from './block-store.ts';
import { createBlockStore } from './create-store.ts';
import { Allocations, block, collector, encoder, never, release, use, withFolder } from './testing/blocks.ts';
import { disk, fillFolder, withStore } from './testing/disk.ts';

beforeAll(async () => {
  await loadLibrary();
});

describe('trouble: one warning, and serving goes on from memory', () => {
  const encode = encoder(new Allocations());
  const isRoot = process.getuid?.() === 0;

  /** Serves blocks from memory whatever the folder does. */
  async function serves(store: BlockStore, from: number): Promise<void> {
    const requests = [0, 1, 2, 3].map((at) => block(from + at, 2000));
    for (const request of requests) await use(store, [request], encode);
    await store.flush();
    expect(await use(store, requests, never)).toEqual(Array(4).fill('memory'));
  }

  test('a full disk', ({ skip }) =>
    withFolder(async (directory) => {
      const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
      if (mount.status !== 0) {
        console.log('skipped: mounting a small tmpfs needs root');
        skip();
      }
      try {
        await withStore(
          { directory, retryMs: 1 },
          async (store) => {
            for (const from of [10, 20, 30]) await serves(store, from);
            expect(disk(store).failedWrites).toBeGreaterThan(0);
            expect(disk(store).writes).toBeGreaterThan(0);
            expect(await readdir(join(directory, 'tmp'))).toEqual([]);
          },
          ['ENOSPC'],
        );
      } finally {
        spawnSync('umount', ['-l', directory]);
      }
    }));

  test('a read-only folder still serves what it has', ({ skip }) =>
    withFolder(async (directory) => {
      const mount = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', directory]);
      if (mount.status !== 0) {
        console.log('skipped: mounting a read-only folder needs root');
        skip();
      }
      try {
        await fillFolder(directory, [1]);
        spawnSync('mount', ['-o', 'remount,ro', directory]);
        await withStore(
          { directory, retryMs: 1 },
          async (store) => {
            await serves(store, 10);
            expect(await use(store, [block(1, 500)], never)).toEqual(['disk']);
          },
          ['EROFS'],
        );
      } finally {
        spawnSync('umount', ['-l', directory]);
      }
    }));

  test('a folder without permission', () =>
    withFolder(async (parent) => {
      const directory = join(parent, 'closed');
      mkdirSync(directory, { mode: 0o700 });
      await chmod(parent, 0o755);
      // Root may read everything: become nobody for the while.
      if (isRoot) process.seteuid?.(65534);
      else await chmod(directory, 0);
      try {
        await withStore({ directory, retryMs: 1 }, (store) => serves(store, 10), ['EACCES']);
      } finally {
        if (isRoot) process.seteuid?.(0);
        else await chmod(directory, 0o700);
      }
    }));

  test('a folder that is deleted while in use is made again', () =>
    withFolder(async (parent) => {
      const directory = join(parent, 'blocks');
      await withStore(
        { directory },
        async (store) => {
          await serves(store, 10);
          const held = await store.acquire([block(10, 2000)], never);
          await rm(directory, { recursive: true });
          await serves(store, 20);
          release(held);
          expect(await readdir(directory)).toContain('tmp');
        },
        ['deleted'],
      );
    }));

  test('a file in the place of the folder', () =>
    withFolder(async (parent) => {
      const directory = join(parent, 'file');
      await writeFile(directory, '');
      const { warnings, onWarning } = collector();
      const store = await createBlockStore({ memoryBytes: 1 << 20, directory, onWarning });
      await serves(store, 10);
      await store.close();
      expect(warnings.length).toBeGreaterThan(0);
      expect(warnings.length).toBeLessThanOrEqual(2);
    }));

  test('writing resumes when the trouble is over', () =>
    withFolder(async (parent) => {
      const directory = join(parent, 'blocks');
      await withStore(
        { directory, retryMs: 20 },
        async (store) => {
          await serves(store, 10);
          await rm(directory, { recursive: true });
          await writeFile(directory, '');
          await serves(store, 20);
          await rm(directory);
          await new Promise((resolve) => setTimeout(resolve, 40));
          await serves(store, 30);
          expect(disk(store).writes).toBe(8);
        },
        ['ENOTDIR', 'deleted'],
      );
    }));
});
