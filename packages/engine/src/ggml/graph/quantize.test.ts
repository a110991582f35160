import { beforeAll, describe, expect, it } from 'vitest';
import { loadLibrary } from '../ffi/library.ts';
import { dequantize, quantize } from './quantize.ts';
import { TensorType } from './tensor.ts';

/** Relative L2 error a type may cost on values spread like weights. */
const errors = [
  ['F32', 0],
  ['F16', 4e-4],
  ['BF16', 3e-3],
  ['Q8_0', 0.01],
  ['Q6_K', 0.03],
  ['Q5_K', 0.05],
  ['Q5_1', 0.06],
  ['Q5_0', 0.06],
  ['Q4_K', 0.1],
  ['Q4_1', 0.1],
  ['Q4_0', 0.11],
  ['IQ4_NL', 0.1],
  ['IQ4_XS', 0.1],
  ['Q3_K', 0.2],
  ['Q2_K', 0.4],
  ['MXFP4', 0.2],
] as const;

describe('quantize and dequantize', () => {
  beforeAll(() => loadLibrary('cpu'));
  const values = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i * 12.9898) + Math.cos(i * 78.233));

  it.each(errors)('%s comes back within %d', (name, limit) => {
    const back = dequantize(TensorType[name], quantize(TensorType[name], values, 256), 256);
    const difference = Math.hypot(...back.map((value, i) => value - (values[i] ?? 0)));
    const relative = difference / Math.hypot(...values);
    expect(relative).toBeLessThanOrEqual(limit);
    // A type that loses nothing at all would not have been converted.
    if (limit > 0) expect(relative).toBeGreaterThan(limit / 100);
  });

  it('knows the bits of f16 and bf16', () => {
    expect(quantize(TensorType.F16, Float32Array.of(1, -2), 2)).toEqual(Uint8Array.of(0x00, 0x3c, 0x00, 0xc0));
    expect(quantize(TensorType.BF16, Float32Array.of(1, -2), 2)).toEqual(Uint8Array.of(0x80, 0x3f, 0x00, 0xc0));
  });

  it('refuses what ggml would abort on', () => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => quantize(TensorType.Q8_0, new Float32Array(33), 33)).toThrow(refused);
    expect(() => quantize(TensorType.Q8_0, new Float32Array(33), 32)).toThrow(refused);
    expect(() => quantize(TensorType.Q4_K, Float32Array.of(Number.NaN), 256)).toThrow(refused);
    expect(() => quantize(TensorType.Q4_K, new Float32Array(256).fill(Number.NaN), 256)).toThrow(/value 0 is NaN/);
    expect(() => quantize(TensorType.IQ2_XXS, new Float32Array(256), 256)).toThrow(/importance/);
    expect(() => quantize(TensorType.I32, new Float32Array(4), 4)).toThrow(refused);
    expect(() => dequantize(TensorType.I32, new Uint8Array(16), 4)).toThrow(refused);
    expect(() => dequantize(TensorType.Q8_0, new Uint8Array(33), 32)).toThrow(refused);
  });
});
