import { spawnSync } from 'node:child_process';
import { readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import { nativeVariable } from '../../ggml/native/native-file.ts';
import { type BlockStoreOptions, createBlockStore } from '../create-store.ts';
import { Allocations, block, encoder, never, release, use, withFolder } from '../testing/blocks.ts';
import { exportFolder, importArchive } from './archive.ts';
import { blockPath, writeAtomically } from './disk-files.ts';
import {
  checkFolder,
  cleanFolder,
  findBlocks,
  folderStats,
  forgetBlocks,
  listStore,
  pinBlocks,
  verifyFolder,
} from './lifecycle.ts';

const storeKey = Buffer.alloc(32, 7);
const model = 'ab'.repeat(32);

beforeAll(async () => {
  await loadLibrary();
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function fillFolder(directory: string, ids: readonly number[], options: BlockStoreOptions = {}, tenant = '') {
  const store = await createBlockStore({ memoryBytes: 1 << 20, directory, ...options });
  const requests = ids.map((id) => ({ ...block(id, 1000), model }));
  release(await store.acquire(requests, encoder(new Allocations(), [], 20), { tenant }));
  await store.close();
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('listing and counting read headers only', () =>
  withFolder(async (directory) => {
    await fillFolder(directory, [1, 2, 3]);
    await truncate(blockPath(directory, block(3).key), 10);
    expect(await pinBlocks(directory, [block(1).key, block(99).key])).toBe(1);
    const infos = new Map((await collect(listStore(directory))).map((info) => [info.key, info]));
    expect(infos.get(block(1).key)).toMatchObject({ tokens: 2, payloadBytes: 1000, model, pinned: true, encodeMs: 20 });
    expect(infos.get(block(2).key)).toMatchObject({ tokens: 3, pinned: false, sealed: false });
    expect(infos.get(block(3).key)).toMatchObject({ fileBytes: 10, tokens: undefined });
    expect(await folderStats(directory)).toEqual({
      blocks: 3,
      bytes: 2 * 5096 + 10,
      tokens: 5,
      pinned: 1,
      sealed: 0,
      unreadable: 1,
      encodeMs: 40,
      models: { [model]: { blocks: 2, bytes: 2 * 5096 } },
    });
    expect(await folderStats(join(directory, 'missing'))).toMatchObject({ blocks: 0 });
    await expect(checkFolder(join(directory, 'missing'))).rejects.toMatchObject({ code: 'STORE_INVALID' });
  }));

test('verify finds every damage, and removes it when asked to', () =>
  withFolder(async (directory) => {
    await fillFolder(directory, [1, 2, 3, 4]);
    expect(await verifyFolder(directory)).toEqual({ blocks: 4, corrupt: 0, unchecked: 0, problems: [] });
    const path = blockPath(directory, block(2).key);
    const image = await readFile(path);
    image[5000] = (image[5000] ?? 0) ^ 0x10;
    await writeFile(path, image);
    await writeFile(blockPath(directory, block(3).key), await readFile(blockPath(directory, block(4).key)));
    const report = await verifyFolder(directory, { remove: true });
    expect(report).toMatchObject({ blocks: 4, corrupt: 2 });
    expect(report.problems.map(({ reason }) => reason).sort()).toEqual(['checksum', 'foreign']);
    expect(await verifyFolder(directory)).toMatchObject({ blocks: 2, corrupt: 0 });
  }));

test.each([
  ['by OpenSSL on other threads', '1'],
  ['by node:crypto', '0'],
])('sealed blocks are verified and imported with their key only, %s', (_, native) =>
  withFolder(async (directory) => {
    vi.stubEnv(nativeVariable, native);
    await fillFolder(directory, [1, 2], { storeKey });
    expect(await verifyFolder(directory)).toMatchObject({ blocks: 2, corrupt: 0, unchecked: 2 });
    expect(await verifyFolder(directory, { storeKey })).toMatchObject({ blocks: 2, corrupt: 0, unchecked: 0 });
    const path = blockPath(directory, block(1).key);
    const image = await readFile(path);
    image[4500] = (image[4500] ?? 0) ^ 1;
    await writeFile(path, image);
    expect(await verifyFolder(directory, { storeKey })).toMatchObject({ corrupt: 1 });
    const archive = join(directory, 'sealed.tar');
    await exportFolder(directory, archive);
    const copy = join(directory, 'copy');
    expect(await importArchive(copy, archive, { storeKey })).toEqual({ imported: 1, present: 0, refused: 1 });
    expect(await verifyFolder(copy, { storeKey })).toMatchObject({ blocks: 1, corrupt: 0, unchecked: 0 });
  }),
);

test('cleaning deletes the expired, the excess and what crashes left', () =>
  withFolder(async (directory) => {
    await fillFolder(directory, [1, 2, 3, 4]);
    await pinBlocks(directory, [block(1).key]);
    const crashed = join(directory, 'tmp', '1-crashed');
    await writeFile(crashed, 'half a block');
    expect(await cleanFolder(directory)).toMatchObject({ removed: 0, temporary: 0, blocks: 4 });
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(crashed, hourAgo, hourAgo);
    const report = await cleanFolder(directory, { diskBytes: 2 * 5096 });
    expect(report).toEqual({ removed: 2, removedBytes: 2 * 5096, temporary: 1, blocks: 2, bytes: 2 * 5096 });
    expect((await stat(blockPath(directory, block(1).key))).isFile()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await cleanFolder(directory, { ttlMs: 10 })).toMatchObject({ removed: 1, blocks: 1 });
    await pinBlocks(directory, [block(1).key], false);
    expect(await cleanFolder(directory, { ttlMs: 10 })).toMatchObject({ removed: 1, blocks: 0 });
  }));

test('forgetting by key, by model and by tenant', () =>
  withFolder(async (directory) => {
    await fillFolder(directory, [1, 2, 3]);
    await fillFolder(directory, [4, 5], {}, 'acme');
    expect(await forgetBlocks({ directory }, [block(1).key, block(99).key])).toBe(1);
    const acme = await findBlocks(directory, { tenant: 'acme' });
    expect(new Set(acme)).toEqual(new Set([block(4).key, block(5).key]));
    expect(await findBlocks(directory, { tenant: 'globex' })).toEqual([]);
    expect(await forgetBlocks({ directory }, acme)).toBe(2);
    expect((await findBlocks(directory, { model })).length).toBe(2);
    expect(await findBlocks(directory, { model: '00'.repeat(32) })).toEqual([]);
  }));

test('a folder travels as one file; damaged and foreign entries stay outside', () =>
  withFolder(async (parent) => {
    const [from, to, file] = [join(parent, 'from'), join(parent, 'to'), join(parent, 'blocks.tar')];
    await fillFolder(from, [1, 2, 3]);
    await fillFolder(to, [1]);
    expect(await exportFolder(from, file)).toEqual({ blocks: 3, bytes: 3 * 5096 });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const listed = spawnSync('tar', ['-tf', file], { encoding: 'utf8' });
    if (listed.error === undefined) expect(listed.stdout.trim().split('\n').length).toBe(3);
    expect(await importArchive(to, file)).toEqual({ imported: 2, present: 1, refused: 0 });
    expect(await verifyFolder(to)).toMatchObject({ blocks: 3, corrupt: 0 });
    const store = await createBlockStore({ memoryBytes: 1 << 20, directory: to });
    const requests = [1, 2, 3].map((id) => block(id, 1000));
    expect(await use(store, requests, never)).toEqual(['disk', 'disk', 'disk']);
    await store.close();

    const archive = await readFile(file);
    archive[512 + 4500] = (archive[512 + 4500] ?? 0) ^ 1;
    await writeAtomically(parent, join(parent, 'damaged.tar'), [archive]);
    const fresh = join(parent, 'fresh');
    expect(await importArchive(fresh, join(parent, 'damaged.tar'))).toEqual({ imported: 2, present: 0, refused: 1 });
    for (const bytes of [0, 100, 700, 5000, archive.byteLength - 1024]) {
      await writeFile(file, archive.subarray(0, bytes));
      await expect(importArchive(fresh, file)).rejects.toMatchObject({ code: 'STORE_INVALID' });
    }
  }));
