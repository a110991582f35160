import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { replaceFile, writeAll } from './replace-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replace-file-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('replaces what was there, and leaves nothing beside it', async () => {
  await writeFile(path, 'before');
  await replaceFile(path, 'after');
  expect(await readFile(path, 'utf8')).toBe('after');
  expect(await readdir(folder)).toEqual(['file']);
});

it('keeps what was there when its contents fail half-way', async () => {
  await writeFile(path, 'before');
  const failing = replaceFile(path, async (file) => {
    await writeAll(file, Buffer.from('aft'));
    throw new Error('half-way');
  });
  await expect(failing).rejects.toThrow('half-way');
  expect(await readFile(path, 'utf8')).toBe('before');
  expect(await readdir(folder)).toEqual(['file']);
});

it('leaves nothing behind where the file cannot take its name', async () => {
  await expect(replaceFile(folder, 'text', { temporary: join(folder, 'temporary') })).rejects.toThrow();
  expect(await readdir(folder)).toEqual([]);
});

it('shows readers one whole version, whoever writes', async () => {
  const versions = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
  await replaceFile(path, versions[0] ?? '');
  const seen = new Set<string>();
  let writing = true;
  const reading = (async () => {
    while (writing) seen.add(await readFile(path, 'utf8'));
  })();
  for (let round = 0; round < 10; round++) {
    await Promise.all(versions.map((version) => replaceFile(path, version, { sync: false })));
  }
  writing = false;
  await reading;
  for (const text of seen) expect(versions).toContain(text);
  expect(await readdir(folder)).toEqual(['file']);
});

it.skipIf(process.platform === 'win32')('is the owner’s alone unless told otherwise', async () => {
  const mode = async () => (await stat(path)).mode & 0o777;
  await replaceFile(path, 'text');
  expect(await mode()).toBe(0o600);
  await replaceFile(path, 'text', { mode: 0o644 });
  expect(await mode()).toBe(0o644 & ~process.umask());
});

it('writes all bytes, more than a single write takes', async () => {
  const bytes = Buffer.alloc((8 << 20) * 2 + 5, 'block');
  await using file = await open(path, 'wx');
  await writeAll(file, bytes);
  expect((await readFile(path)).equals(bytes)).toBe(true);
});
