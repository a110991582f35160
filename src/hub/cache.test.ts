import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listModels, type ModelRecord, publishModel, readCached } from './cache.ts';

const record: ModelRecord = {
  format: 1,
  reference: 'pypi:x==1',
  file: 'x.gguf',
  bytes: 4,
  sha256: '0'.repeat(64),
  verifiedBy: 'none',
  fetchedAt: '2026-01-01T00:00:00.000Z',
};
let cacheDir: string;
let folder: string;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'cache-'));
  folder = join(cacheDir, 'models', 'pypi', 'x-1');
  await mkdir(folder, { recursive: true });
});
afterEach(() => rm(cacheDir, { recursive: true }));

async function publish(more: Partial<ModelRecord> = {}): Promise<void> {
  await writeFile(join(folder, 'part'), 'GGUF');
  await publishModel(folder, join(folder, 'part'), { ...record, ...more });
}

describe('the cache', () => {
  it('lists what was published, by reference, and is empty before', async () => {
    expect(await listModels({ cacheDir })).toEqual([]);
    expect(await listModels({ cacheDir: join(cacheDir, 'absent') })).toEqual([]);
    await publish();
    const path = join(folder, 'x.gguf');
    expect(await listModels({ cacheDir })).toEqual([{ ...record, path, totalBytes: record.bytes }]);
    expect(await readFile(path, 'utf8')).toBe('GGUF');
    expect((await readdir(folder)).sort()).toEqual(['model.json', 'x.gguf']);
  });

  it.each<[string, () => Promise<void>]>([
    ['without a file', () => rm(join(folder, 'x.gguf'))],
    ['with a file of another size', () => writeFile(join(folder, 'x.gguf'), 'GGUFGGUF')],
    ['without a record', () => rm(join(folder, 'model.json'))],
    ['with a torn record', () => writeFile(join(folder, 'model.json'), '{"format":1')],
    [
      'with a record of a later format',
      () => writeFile(join(folder, 'model.json'), JSON.stringify({ ...record, format: 2 })),
    ],
    [
      'with a record that points elsewhere',
      async () => {
        await writeFile(join(folder, '..', 'y.gguf'), 'GGUF');
        await writeFile(join(folder, 'model.json'), JSON.stringify({ ...record, file: '../y.gguf' }));
      },
    ],
  ])('holds no model %s', async (_, damage) => {
    await publish();
    expect(await readCached(folder)).toBeDefined();
    await damage();
    expect(await readCached(folder)).toBeUndefined();
    expect(await listModels({ cacheDir })).toEqual([]);
  });

  it('publishes nothing under a name outside the folder', async () => {
    for (const file of ['../x.gguf', 'a\\x.gguf', 'x.bin']) await expect(publish({ file })).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['part']);
  });
});
