import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TensorType } from '../graph/tensor.ts';
import { openGguf } from './gguf-file.ts';
import { type GgufEntry, type GgufTensorSource, writeGguf } from './gguf-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tensor(name: string, ne: number[], data: Uint8Array | Uint8Array[]): GgufTensorSource {
  return { name, type: TensorType.F32, ne, data: () => data };
}

describe('writeGguf', () => {
  it('writes what ggml reads back', async () => {
    const path = join(folder, 'all.gguf');
    const metadata = new Map<string, GgufEntry>([
      ['general.architecture', { string: 'llama é' }],
      ['a.u8', { u8: 255 }],
      ['a.i8', { i8: -128 }],
      ['a.u16', { u16: 65535 }],
      ['a.i16', { i16: -32768 }],
      ['a.u32', { u32: 4294967295 }],
      ['a.i32', { i32: -5 }],
      ['a.f32', { f32: 0.5 }],
      ['a.f64', { f64: 0.1 }],
      ['a.u64', { u64: 12n }],
      ['a.i64', { i64: -12 }],
      ['a.bool', { bool: true }],
      ['b.numbers', { array: { i32: [1, -2, 3] } }],
      ['b.floats', { array: { f32: new Float32Array([0.25, 4]) } }],
      ['b.strings', { array: { string: ['a', '', 'ü'] } }],
      ['b.flags', { array: { bool: [true, false] } }],
    ]);
    const bytes = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    const [head, tail] = [bytes.subarray(0, 5), bytes.subarray(5)];
    await writeGguf(path, metadata, [tensor('x', [3], bytes), tensor('y', [1, 3], [head, tail])]);

    const file = await openGguf(path);
    expect(file.keys).toEqual([...metadata.keys()]);
    expect(
      Object.fromEntries(file.keys.filter((key) => !key.startsWith('b.')).map((key) => [key, file.value(key)])),
    ).toEqual({
      'general.architecture': 'llama é',
      'a.u8': 255,
      'a.i8': -128,
      'a.u16': 65535,
      'a.i16': -32768,
      'a.u32': 4294967295,
      'a.i32': -5,
      'a.f32': 0.5,
      'a.f64': 0.1,
      'a.u64': 12,
      'a.i64': -12,
      'a.bool': true,
    });
    expect(file.numbers('b.numbers')).toEqual([1, -2, 3]);
    expect(file.numbers('b.floats')).toEqual([0.25, 4]);
    expect(file.numbers('b.flags')).toEqual([1, 0]);
    expect(file.arrayLength('b.strings')).toBe(3);
    const content = readFileSync(path);
    for (const name of ['x', 'y']) {
      const found = file.tensors.get(name);
      expect(found?.offset).toBeGreaterThan(0);
      expect((found?.offset ?? 1) % 32).toBe(0);
      expect(content.subarray(found?.offset, (found?.offset ?? 0) + 12)).toEqual(Buffer.from(bytes));
    }
    expect(file.tensors.get('y')?.ne).toEqual([1, 3, 1, 1]);
  });

  it('writes headers of many kilobytes', async () => {
    const path = join(folder, 'long.gguf');
    const numbers = Array.from({ length: 50_001 }, (_, i) => i * 3);
    const metadata = new Map<string, GgufEntry>([
      ['a', { array: { string: Array.from({ length: 10_001 }, (_, i) => 'x'.repeat(i % 13)) } }],
      ['b', { array: { i32: numbers } }],
      ['c', { array: { u8: numbers.map((n) => n % 256) } }],
      ['d', { array: { u64: numbers } }],
    ]);
    await writeGguf(path, metadata, []);
    const file = await openGguf(path);
    expect(file.arrayLength('a')).toBe(10_001);
    expect(file.numbers('b')).toEqual(numbers);
    expect(file.numbers('c')).toEqual(numbers.map((n) => n % 256));
    expect(file.numbers('d')).toEqual(numbers);
  });

  it.each<[string, GgufTensorSource[]]>([
    ['data of another size than the shape', [tensor('x', [3], new Uint8Array(8))]],
    ['a name used twice', [tensor('x', [1], new Uint8Array(4)), tensor('x', [1], new Uint8Array(4))]],
    ['a name too long', [tensor('x'.repeat(64), [1], new Uint8Array(4))]],
    ['an empty dimension', [tensor('x', [0], new Uint8Array(0))]],
    ['rows that are not whole blocks', [{ ...tensor('x', [33], new Uint8Array(0)), type: TensorType.Q8_0 }]],
  ])('refuses %s and leaves nothing behind', async (_, tensors) => {
    const before = readdirSync(folder);
    const path = join(folder, 'refused.gguf');
    await expect(writeGguf(path, new Map(), tensors)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(readdirSync(folder)).toEqual(before);
  });
});
