import { constants } from 'node:buffer';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hole, openHole } from '../../../../../tests/support/models/sparse-gguf.ts';
import { loadLibrary } from '../ffi/library.ts';
import { quantize } from '../graph/quantize.ts';
import { TensorType } from '../graph/tensor.ts';
import { openGguf } from './gguf-file.ts';
import { writeGguf } from './gguf-writer.ts';
import { TensorData } from './tensor-data.ts';

let folder: string;
let path: string;
const values = Float32Array.from({ length: 64 }, (_, i) => i / 4 - 8);

beforeAll(async () => {
  await loadLibrary('cpu');
  folder = await mkdtemp(join(tmpdir(), 'tensor-data-'));
  path = join(folder, 'sparse.gguf');
  const packed = quantize(TensorType.Q8_0, values, 64);
  await writeGguf(path, new Map([['general.architecture', { string: 'llama' }]]), [
    { ...hole, type: TensorType.F32 },
    { name: 'a', type: TensorType.F32, ne: [32, 2], data: () => new Uint8Array(values.buffer) },
    { name: 'b', type: TensorType.Q8_0, ne: [64], data: () => packed },
  ]);
  await openHole(path);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('tensors beyond 4 GiB are read as they are', async () => {
  const file = await openGguf(path);
  const [a, b] = [file.tensors.get('a'), file.tensors.get('b')];
  if (a === undefined || b === undefined) throw new Error('a tensor is missing');
  expect(a.offset).toBeGreaterThan(2 ** 32);
  const { size, blocks } = await stat(path);
  expect(size).toBe(file.bytes);
  // On file systems with holes the file takes no room: nothing here writes 4 GiB.
  expect(blocks * 512).toBeLessThan(64 << 20);
  using data = new TensorData(path);
  expect(data.values(a)).toEqual(values);
  expect(Array.from(data.bytes(a).subarray(0, 4))).toEqual([0, 0, 0, 193]);
  expect(data.values(b).every((value, i) => Math.abs(value - (values[i] ?? 0)) < 0.05)).toBe(true);
});

test('a tensor of more bytes than a view can have is refused with a code', async () => {
  const file = await openGguf(path);
  const huge = file.tensors.get('hole');
  if (huge === undefined) throw new Error('the hole is missing');
  expect(huge.bytes).toBeGreaterThan(constants.MAX_LENGTH);
  using data = new TensorData(path);
  expect(() => data.bytes(huge)).toThrow(expect.objectContaining({ code: 'MODEL_TOO_LARGE' }));
});
