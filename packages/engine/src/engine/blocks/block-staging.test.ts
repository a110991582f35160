import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Backend, type TensorMemory } from '../../ggml/device/backend.ts';
import { allocateMemory, type NativeMemory } from '../../ggml/ffi/memory.ts';
import type { BlockKey } from '../../store/index.ts';
import { BlockStaging } from './block-staging.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 1, memoryBytes: 2 ** 26 });
});
afterAll(() => backend.dispose());

const size = 2 ** 20;
const stored: NativeMemory[] = [];
afterAll(() => {
  for (const memory of stored) memory.free();
});
/** A block whose bytes are its number. */
function block(number: number, bytes = size) {
  const memory = allocateMemory(bytes);
  stored.push(memory);
  memory.bytes.fill(number);
  return { key: String(number) as BlockKey, memory };
}

function read(memory: TensorMemory, bytes = size): Set<number> {
  const data = new Uint8Array(bytes);
  backend.download(memory, data);
  return new Set(data);
}

describe('blocks on their way to a device', () => {
  it('arrive as they are stored, sent ahead or not', async () => {
    const staging = new BlockStaging(backend);
    const blocks = [1, 2, 3, 4, 5].map((number) => block(number));
    for (let round = 0; round < 20; round++) {
      // Nothing can be sent while there is no memory yet: the first are copied when they are asked for.
      const waits = blocks.map((_, i) => staging.ahead(blocks.slice(i)));
      for (const each of blocks) {
        expect([...read(await staging.take(each))]).toEqual([Number(each.key)]);
        waits.push(staging.ahead(blocks.slice(blocks.indexOf(each) + 1)));
        staging.leave(each.key);
      }
      for (const arrived of waits) await arrived();
      expect(staging.spareBytes).toBe(2 * size);
    }
    staging.free();
    expect(backend.memoryUse().usedBytes).toBe(0);
  });

  it('take the place of what others sent ahead, who then come again', async () => {
    const staging = new BlockStaging(backend);
    const [one, two, three, large] = [block(1), block(2), block(3), block(9, 3 * size)];
    for (const each of [one, two]) {
      await staging.take(each);
      staging.leave(each.key);
    }
    const arrived = staging.ahead([one, two]);
    expect([...read(await staging.take(three))]).toEqual([3]);
    staging.leave(three.key);
    expect([...read(await staging.take(large), 3 * size)]).toEqual([9]);
    staging.leave(large.key);
    for (const each of [one, two]) {
      expect([...read(await staging.take(each))]).toEqual([Number(each.key)]);
      staging.leave(each.key);
    }
    await arrived();
    staging.free();
    expect(backend.memoryUse().usedBytes).toBe(0);
  });

  it('are never written to memory that was freed', async () => {
    const staging = new BlockStaging(backend);
    const [one, two] = [block(1), block(2)];
    await staging.take(one);
    staging.leave(one.key);
    const arrived = staging.ahead([two]);
    expect(staging.spareBytes).toBe(0);
    staging.free();
    expect(backend.memoryUse().usedBytes).toBe(size);
    await arrived();
    staging.free();
    expect(backend.memoryUse().usedBytes).toBe(0);
  });

  it('are refused where the device has no room, and nothing is kept of them', async () => {
    const staging = new BlockStaging(backend);
    await expect(staging.take(block(1, 2 ** 27))).rejects.toMatchObject({ code: 'MODEL_TOO_LARGE' });
    expect([...read(await staging.take(block(2)))]).toEqual([2]);
    staging.free();
  });
});
