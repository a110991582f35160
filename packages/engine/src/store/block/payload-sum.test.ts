import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import { allocateMemory, tailOf } from '../../ggml/ffi/memory.ts';
import { loadNativeKernel } from '../../ggml/native/native-kernel.ts';
import { payloadSum, payloadTag } from './payload-sum.ts';

beforeAll(async () => {
  await loadLibrary();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** By the library, if there is one, and by this thread. */
async function bothSums(payload: Uint8Array): Promise<[Uint32Array, Uint32Array]> {
  const native = await payloadSum(payload);
  vi.stubEnv('BLOCK_ATTENTION_NATIVE', '0');
  const here = await payloadSum(payload);
  vi.unstubAllEnvs();
  return [native, here];
}

test('is the one that blocks were stored with', async () => {
  const payload = Uint8Array.from({ length: 1000 }, (_, at) => at * 7);
  const [native, here] = await bothSums(payload);
  expect(payloadTag([Buffer.from('header')], here).toString('hex')).toBe('cea0ec3c670c4a5125051710a4a2ed08');
  expect(native).toEqual(here);
});

test('is the same by the library and by this thread, at any length and place', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 9 }), async (size, offset) => {
      const payload = randomBytes(size + offset).subarray(offset);
      const [native, here] = await bothSums(payload);
      expect(native).toEqual(here);
      const memory = allocateMemory(64 + size);
      memory.bytes.set(payload, 64);
      expect(await payloadSum(tailOf(memory, 64))).toEqual(here);
      memory.free();
    }),
  );
  const long = randomBytes(2 ** 22 + 333);
  const [native, here] = await bothSums(long);
  expect(native).toEqual(here);
});

describe.each(['1', '0'])('BLOCK_ATTENTION_NATIVE=%s', (native) => {
  test('many at once keep apart, small and large', async () => {
    vi.stubEnv('BLOCK_ATTENTION_NATIVE', native);
    const payloads = Array.from({ length: 150 }, (_, at) => randomBytes(at % 50 === 0 ? 5_000_000 : 37 * at));
    const together = await Promise.all(payloads.map((payload) => payloadSum(payload)));
    for (const [at, payload] of payloads.entries()) expect(await payloadSum(payload)).toEqual(together[at]);
    expect(new Set(together.map((sum) => sum.join())).size).toBe(150);
  });

  test('a changed byte, a swap of words and a shift of zeros change it', async () => {
    vi.stubEnv('BLOCK_ATTENTION_NATIVE', native);
    const payload = randomBytes(1024);
    payload.fill(0, 0, 512);
    const sum = (bytes: Uint8Array) => payloadSum(bytes).then((found) => found.join());
    const own = await sum(payload);
    for (let at = 0; at < payload.byteLength; at++) {
      const changed = Buffer.from(payload);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(await sum(changed)).not.toBe(own);
    }
    // Both swapped places lie in one lane.
    const swapped = Buffer.from(payload);
    payload.copy(swapped, 640, 896, 900);
    payload.copy(swapped, 896, 640, 644);
    const shifted = Buffer.concat([payload.subarray(128), Buffer.alloc(128)]);
    for (const other of [swapped, shifted, payload.subarray(128), Buffer.alloc(1024)]) {
      expect(await sum(other)).not.toBe(own);
    }
  });
});

test.runIf(loadNativeKernel() !== undefined)('the library leaves the event loop alone', async () => {
  const memory = allocateMemory(2 ** 28, 'unset');
  // Pages that nobody wrote to are one page of zeros, which is read at no cost.
  memory.bytes.fill(1);
  let turns = 0;
  let done = false;
  const count = async () => {
    while (!done) {
      turns += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const counting = count();
  await payloadSum(memory);
  done = true;
  await counting;
  memory.free();
  // The first is counted before anything is summed.
  expect(turns).toBeGreaterThan(1);
});
