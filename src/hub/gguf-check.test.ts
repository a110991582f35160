import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkGgufFile, checkGgufMagic } from './gguf-check.ts';
import { fakeGguf } from './testing/file-server.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gguf-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function check(bytes: Buffer): Promise<void> {
  const path = join(folder, 'x.gguf');
  await writeFile(path, bytes);
  const file = await open(path);
  try {
    await checkGgufFile(file);
  } finally {
    await file.close();
  }
}

describe('checkGgufFile', () => {
  it('accepts a header that fits its file', async () => {
    await check(fakeGguf(24 + 2 * 33 + 3 * 13));
    const version2 = fakeGguf(500);
    version2.writeUInt32LE(2, 4);
    await check(version2);
  });

  it.each<[string, (file: Buffer) => Buffer, RegExp]>([
    ['an empty file', () => Buffer.alloc(0), /0 bytes/],
    ['a file that ends in its header', (file) => file.subarray(0, 20), /ends after 20 bytes/],
    ['an old version', (file) => Buffer.from(file.fill(1, 4, 5)), /format version 1/],
    ['big-endian', (file) => Buffer.from(file.fill(0, 4, 7).fill(3, 7, 8)), /big-endian/],
    ['more tensors than bytes', (file) => Buffer.from(file.fill(1, 9, 10)), /258 tensors and 3 keys in 500 bytes/],
    ['another format', () => Buffer.from('PK\x03\x04 and more of it that follows'), /begins with "PK/],
  ])('refuses %s', async (_, change, message) => {
    await expect(check(change(fakeGguf(500)))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

describe('checkGgufMagic', () => {
  it.each([
    ['\n <!DOCTYPE html><p>', /web page/],
    ['<html lang="en">', /web page/],
    ['version https://git-lfs.github.com/spec/v1\noid', /Git LFS pointer/],
    ['{"error":"x"}', /begins with "{\\"error/],
  ])('says what %j is', (text, message) => {
    expect(() => checkGgufMagic(Buffer.from(text))).toThrow(message);
  });
});
