import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadLibrary } from './library.ts';
import { allocateMemory, mapFile, tailOf, viewOf } from './memory.ts';

beforeAll(async () => {
  await loadLibrary();
});

test('memory is zeroed, aligned, and cannot be viewed once it is freed', () => {
  const memory = allocateMemory(1000);
  expect(memory.size).toBe(1000);
  expect(memory.address % 64n).toBe(0n);
  expect(memory.bytes).toEqual(new Uint8Array(1000));
  expect(memory.bytes).toBe(memory.bytes);
  memory.free();
  memory.free();
  expect(() => memory.bytes).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
});

test.skipIf(!existsSync('/sys/kernel/mm/transparent_hugepage'))('large memory may lie in huge pages', async () => {
  const memory = allocateMemory(8 << 20);
  try {
    const middle = Number(memory.address) + (4 << 20);
    let [here, flags] = [false, ''];
    for (const line of (await readFile('/proc/self/smaps', 'utf8')).split('\n')) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
      if (range) here = Number.parseInt(range[1] ?? '', 16) <= middle && middle < Number.parseInt(range[2] ?? '', 16);
      if (here && line.startsWith('VmFlags:')) flags = line;
    }
    expect(flags).toMatch(/ hg\b/);
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
  } finally {
    memory.free();
  }
});

test('views and tails lie in the memory itself', () => {
  const memory = allocateMemory(256, 'unset');
  memory.bytes.fill(1).fill(7, 128);
  expect(viewOf(memory, 4)).toEqual(Uint8Array.of(1, 1, 1, 1));
  expect(viewOf(memory, 1000)).toHaveLength(256);
  const tail = tailOf(memory, 128);
  expect([tail.size, tail.address - memory.address]).toEqual([128, 128n]);
  memory.bytes[128] = 9;
  expect([...tail.bytes.subarray(0, 2)]).toEqual([9, 7]);
  tail.free();
  expect(() => memory.bytes).toThrow('freed');
});

test('a mapped file is its bytes, also when its name is gone; an empty one is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'block-attention-'));
  try {
    const path = join(folder, 'file');
    await writeFile(path, Buffer.alloc(5000, 3));
    const mapping = mapFile(path);
    await rm(path);
    expect([mapping.size, mapping.bytes.every((byte) => byte === 3)]).toEqual([5000, true]);
    mapping.free();
    await writeFile(path, '');
    expect(() => mapFile(path)).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  } finally {
    await rm(folder, { recursive: true });
  }
});
