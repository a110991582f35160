import { chown, mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import {
  Allocations,
  block,
  encoder,
  expectNoGrowth,
  fill,
  never,
  release,
  use,
  withFolder,
} from '../testing/blocks.ts';
import { disk, fillFolder, withStore } from '../testing/disk.ts';
import { blockPath, pinPath } from './disk-files.ts';

const storeKey = Buffer.alloc(32, 7);

beforeAll(async () => {
  await loadLibrary();
});

describe('files', () => {
  test('blocks outlive the process, and are attended to where the file is mapped', () =>
    withFolder(async (directory) => {
      const requests = await fillFolder(directory, [1, 2, 3], 100_000);
      await withStore({ directory }, async (store) => {
        await vi.waitFor(() => expect(disk(store)).toMatchObject({ blocks: 3, bytes: 3 * 104_096 }));
        expect(await store.has(block(2).key)).toBe('disk');
        const handles = await store.acquire(requests, never);
        expect(handles.map(({ status, tier, decision }) => [status, tier, decision])).toEqual(
          Array(3).fill(['hit', 'disk', 'loaded']),
        );
        for (const { memory, ms } of handles) {
          expect(memory.mapped).toBe(true);
          expect(memory.address % 64n).toBe(0n);
          expect(memory.bytes.byteLength).toBe(100_000);
          expect(ms).toBeGreaterThan(0);
        }
        release(handles);
        expect(await use(store, requests, never)).toEqual(['memory', 'memory', 'memory']);
        expect(disk(store)).toMatchObject({ hits: 3, writes: 0 });
      });
    }));

  test('only the owner can read them', () =>
    withFolder(async (parent) => {
      const directory = join(parent, 'deep', 'blocks');
      await fillFolder(directory, [1]);
      const path = blockPath(directory, block(1).key);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      for (const folder of [directory, dirname(path), join(directory, 'tmp')]) {
        expect((await stat(folder)).mode & 0o777).toBe(0o700);
      }
      expect(await readdir(join(directory, 'tmp'))).toEqual([]);
    }));

  test('a folder is shared without a daemon: blocks of others are found, evicted ones are misses, mapped ones stay', () =>
    withFolder((directory) =>
      withStore({ directory }, (first) =>
        withStore({ directory }, async (second) => {
          const encode = encoder(new Allocations());
          await use(first, [block(1, 500)], encode);
          await first.flush();
          const held = await second.acquire([block(1, 500)], never);
          expect(held[0]?.tier).toBe('disk');
          expect(await first.remove([block(1).key])).toBe(1);
          const copy = Buffer.alloc(500);
          fill(copy, 1);
          expect(copy.equals(held[0]?.memory.bytes ?? Buffer.alloc(0))).toBe(true);
          release(held);
          expect(await use(first, [block(1, 500)], encode)).toEqual(['none']);
        }),
      ),
    ));

  test('a removed block is gone for good, also while it is being written', () =>
    withFolder(async (directory) => {
      await withStore({ directory }, async (store) => {
        await use(store, [block(1), block(2)], encoder(new Allocations()));
        expect(await store.remove([block(1).key])).toBe(1);
      });
      await withStore({ directory }, async (store) => {
        expect(await store.has(block(1).key)).toBeUndefined();
        expect(await store.has(block(2).key)).toBe('disk');
      });
    }));

  test('a block larger than memory is served from its file', () =>
    withFolder(async (directory) => {
      await fillFolder(directory, [1], 100_000, { writeQueueBytes: 1 << 20 });
      await withStore({ directory, memoryBytes: 1000 }, async (store) => {
        expect(await use(store, [block(1, 100_000)], never)).toEqual(['disk']);
        expect(store.stats().bytes).toBe(0);
      });
    }));
});

describe('limits', () => {
  test('the byte budget holds, and what was dear to encode stays', () =>
    withFolder((directory) =>
      withStore({ directory, diskBytes: 5 * 5096 }, async (store) => {
        await use(store, [block(1, 1000)], encoder(new Allocations(), [], 1000));
        await store.flush();
        for (let id = 2; id < 20; id += 1) {
          await use(store, [block(id, 1000)], encoder(new Allocations(), [], 5));
          await store.flush();
          expect(disk(store).bytes).toBeLessThanOrEqual(5 * 5096);
        }
        expect(disk(store)).toMatchObject({ blocks: 5, evictions: 14 });
        const there = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.kv'));
        expect(there.length).toBe(5);
        expect(there).toContain(blockPath('', block(1).key).replace(/^\//, ''));
      }),
    ));

  test('use, recorded in the files, decides after a restart', () =>
    withFolder(async (directory) => {
      const requests = await fillFolder(directory, [1, 2, 3], 1000);
      const long = new Date(Date.now() - 86_400_000);
      for (const { key } of requests) await utimes(blockPath(directory, key), long, long);
      await withStore({ directory }, (store) => use(store, [block(1, 1000)], never));
      await withStore({ directory, diskBytes: 3 * 5096 }, async (store) => {
        await use(store, [block(4, 1000)], encoder(new Allocations()));
        await store.flush();
        expect(await store.has(block(1).key)).toBe('disk');
        expect(await Promise.all([2, 3].map((id) => store.has(block(id).key)))).toContain(undefined);
      });
    }));

  test('pinned blocks are neither evicted nor expired', () =>
    withFolder(async (directory) => {
      await fillFolder(directory, [1], 1000);
      await writeFile(pinPath(directory, block(1).key), '');
      await new Promise((resolve) => setTimeout(resolve, 30));
      await withStore({ directory, diskBytes: 2 * 5096, ttlMs: 20 }, async (store) => {
        for (const id of [2, 3, 4]) {
          await use(store, [block(id, 1000)], encoder(new Allocations()));
          await store.flush();
        }
        expect(await use(store, [block(1, 1000)], never)).toEqual(['disk']);
        expect(disk(store).blocks).toBe(2);
      });
    }));

  test('expired blocks are misses without a warning, and go', () =>
    withFolder(async (directory) => {
      await fillFolder(directory, [1, 2]);
      await withStore({ directory, ttlMs: 60 }, async (store) => {
        await vi.waitFor(() => expect(disk(store).blocks).toBe(2));
        await new Promise((resolve) => setTimeout(resolve, 80));
        expect(await use(store, [block(1, 500)], encoder(new Allocations()))).toEqual(['none']);
        expect(disk(store).misses).toEqual({ expired: 1 });
      });
      await new Promise((resolve) => setTimeout(resolve, 80));
      await withStore({ directory, ttlMs: 60 }, async (store) => {
        await store.flush();
        await vi.waitFor(async () => expect(await store.has(block(1).key)).toBeUndefined());
      });
    }));

  test('a tenant over its quota pushes out its own blocks only; its name is not in the files', () =>
    withFolder((directory) =>
      withStore({ directory, tenantQuotaBytes: 2 * 5096 }, async (store) => {
        const encode = encoder(new Allocations());
        const acquire = async (id: number, tenant: string) => {
          release(await store.acquire([block(id, 1000)], encode, { tenant }));
          await store.flush();
        };
        await acquire(1, 'acme');
        for (const id of [10, 11, 12, 13]) await acquire(id, 'globex');
        await acquire(2, '');
        const present = async (ids: number[]) => {
          const files = ids.map((id) =>
            stat(blockPath(directory, block(id).key)).then(
              () => id,
              () => 0,
            ),
          );
          return (await Promise.all(files)).filter((id) => id > 0);
        };
        expect(await present([1, 2, 10, 11, 12, 13])).toEqual([1, 2, 12, 13]);
        const bytes = await readFile(blockPath(directory, block(12).key));
        expect(bytes.includes('globex') || bytes.includes(Buffer.from('globex', 'utf16le'))).toBe(false);
      }),
    ));
});

describe('sealed with a store key', () => {
  test('nothing readable is stored; the block comes back into memory', () =>
    withFolder(async (directory) => {
      const requests = await fillFolder(directory, [1], 100_000, { storeKey });
      const path = blockPath(directory, block(1).key);
      const bytes = await readFile(path);
      const plain = Buffer.alloc(64);
      fill(plain, 1);
      expect(bytes.includes(plain)).toBe(false);
      expect(bytes.includes(Buffer.from(block(1).tokens.buffer))).toBe(false);
      await withStore({ directory, storeKey }, async (store) => {
        const [handle] = await store.acquire(requests, never);
        expect(handle).toMatchObject({ tier: 'disk', memory: { mapped: false } });
        handle?.release();
        expect(await use(store, requests, never)).toEqual(['memory']);
      });
      bytes[5000] = (bytes[5000] ?? 0) ^ 1;
      await writeFile(path, bytes);
      const encode = encoder(new Allocations());
      await withStore({ directory, storeKey }, (store) => use(store, requests, encode), ['checksum']);
    }));

  test('without the key, or with another, blocks are misses and stay; unsealed ones are not trusted', () =>
    withFolder(async (directory) => {
      const requests = await fillFolder(directory, [1], 500, { storeKey });
      const encode = encoder(new Allocations());
      const other = Buffer.alloc(32, 8);
      await withStore({ directory }, (store) => use(store, requests, encode), ['sealed']);
      await withStore({ directory, storeKey: other }, (store) => use(store, requests, encode), ['other-store-key']);
      await withStore({ directory, storeKey }, async (store) =>
        expect(await use(store, requests, never)).toEqual(['disk']),
      );
      await fillFolder(directory, [2]);
      await withStore({ directory, storeKey }, (store) => use(store, [block(2, 500)], encode), ['unsealed']);
      await withStore({ directory, storeKey }, async (store) =>
        expect(await use(store, [block(2, 500)], never)).toEqual(['disk']),
      );
    }));
});

test('a file that cannot be a block of this store is a miss with its reason', () =>
  withFolder(async (directory) => {
    const requests = await fillFolder(directory, [1, 2, 3, 4, 5, 6]);
    const path = (id: number) => blockPath(directory, block(id).key);
    await truncate(path(1), 0);
    await truncate(path(2), 4500);
    await rename(path(3), path(4));
    await writeFile(path(5), 'not a block at all, but long enough to be read as a header of one'.repeat(10));
    await rm(path(6));
    await mkdir(path(6));
    if (process.getuid?.() === 0) await chown(path(6), 0, 0);
    await withStore(
      { directory },
      async (store) => {
        const handles = await store.acquire(requests, encoder(new Allocations()));
        expect(handles.map(({ decision }) => decision)).toEqual([
          'unreadable',
          'unreadable',
          'absent',
          'unreadable',
          'unreadable',
          'unreadable',
        ]);
        release(handles);
        const { misses } = disk(store);
        expect(misses).toMatchObject({ truncated: 2, foreign: 1, 'no-block': 1, absent: 1 });
      },
      expect.arrayContaining(['truncated', 'foreign', 'no-block']),
    );
    await rm(path(6), { recursive: true });
    await withStore({ directory }, async (store) => {
      expect(await use(store, requests.slice(0, 5), never)).toEqual(Array(5).fill('disk'));
    });
  }));

test('10,000 times mapped and released, memory is as it was', () =>
  withFolder(async (directory) => {
    const requests = await fillFolder(directory, [1, 2, 3, 4], 20_000);
    await withStore({ directory, memoryBytes: 0 }, async (store) => {
      const cycles = async () => {
        for (let at = 0; at < 10_000; at += 1) {
          const [handle] = await store.acquire(requests.slice(at % 4, (at % 4) + 1), never);
          expect(handle?.memory.mapped).toBe(true);
          handle?.release();
        }
      };
      // A mapping that is not given back keeps at least the page of its header.
      await expectNoGrowth(cycles, 10_000 * 4096);
      expect(store.stats()).toMatchObject({ blocks: 0, bytes: 0, hits: { disk: 20_000 } });
    });
  }));
