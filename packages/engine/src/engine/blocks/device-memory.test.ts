import { describe, expect, it } from 'vitest';
import { BlockAttentionError } from '../../errors.ts';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import { type HyperParameters, KvLayout, rowsBytes } from '../../model/index.ts';
import { type DeviceMemoryRequest, planDeviceMemory, scratchBytes } from './device-memory.ts';

await loadLibrary();

const gib = 2 ** 30;
/** The shape of Llama 3.1 8B, as far as memory depends on it. */
const layer = { heads: 32, kvHeads: 8, headDim: 128, valueDim: 128, borrows: false };
const shape = {
  layers: 32,
  embeddingLength: 4096,
  feedForwardLength: 14_336,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  vocabulary: 128_256,
  experts: undefined,
  attention: Array.from({ length: 32 }, () => layer),
  convolutions: [],
} as unknown as HyperParameters;
const layout = new KvLayout(shape, 'f16');

const request: DeviceMemoryRequest = {
  device: 'CUDA0',
  free: 23 * gib,
  total: 24 * gib,
  weightBytes: 8 * gib,
  scratchBytes: scratchBytes(shape, 2048, 32_768),
  layout,
  poolBytes: undefined,
  kvBytes: undefined,
  storeBytes: 64 * gib,
};

function refusal(changes: Partial<DeviceMemoryRequest>): string {
  try {
    planDeviceMemory({ ...request, ...changes });
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) return `${error.code} ${error.message}`;
  }
  return '';
}

describe('memory of a device', () => {
  it('is divided so that everything fits, blocks and answers alike', () => {
    const plan = planDeviceMemory(request);
    const sum = plan.weightBytes + plan.scratchBytes + plan.encodingBytes + plan.poolBytes + plan.kvBytes;
    expect(sum).toBeLessThanOrEqual(request.free - 0.05 * request.total);
    expect(sum).toBeGreaterThan(request.free - 0.06 * request.total);
    expect(Math.abs(plan.poolBytes - plan.kvBytes)).toBeLessThan(2);
    // A context of 32,768 tokens takes 4 GiB.
    expect(rowsBytes(layout, 32_768)).toBe(4 * gib);
    expect(plan.kvBytes).toBeGreaterThan(4 * gib);
  });

  it('gives blocks no more than the store holds, and answers the rest', () => {
    const { poolBytes, kvBytes } = planDeviceMemory({ ...request, storeBytes: 2 * gib });
    expect(poolBytes).toBe(2 * gib);
    expect(kvBytes).toBeGreaterThan(10 * gib);
  });

  it('is what was asked for where that fits', () => {
    expect(planDeviceMemory({ ...request, poolBytes: 3 * gib, kvBytes: 5 * gib })).toMatchObject({
      poolBytes: 3 * gib,
      kvBytes: 5 * gib,
    });
    expect(planDeviceMemory({ ...request, kvBytes: 5 * gib }).poolBytes).toBeGreaterThan(6 * gib);
    expect(planDeviceMemory({ ...request, poolBytes: 0 }).poolBytes).toBe(0);
  });

  it.each([
    ['weights', { weightBytes: 22 * gib }, 'weights 22528 MiB'],
    ['blocks', { poolBytes: 40 * gib }, 'poolBytes) 40960 MiB'],
    ['answers', { kvBytes: 40 * gib }, 'kvBytes) 40960 MiB'],
    ['both', { poolBytes: 8 * gib, kvBytes: 8 * gib }, 'CUDA0 has 23552 MiB free'],
    ['what others use', { free: 6 * gib }, '--device cpu'],
  ])('is refused with all figures: %s', (_, changes, says) => {
    const message = refusal(changes);
    expect(message).toContain('MODEL_TOO_LARGE');
    expect(message).toContain(says);
  });
});
