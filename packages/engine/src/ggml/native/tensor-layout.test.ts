import { beforeAll, describe, expect, it } from 'vitest';
import { loadLibrary } from '../ffi/library.ts';
import { loadNativeKernel } from './native-kernel.ts';
import { layoutMismatch } from './tensor-layout.ts';

beforeAll(() => loadLibrary('cpu'));
const kernel = loadNativeKernel();

describe.skipIf(kernel === undefined)('the layout of a tensor in the native library', () => {
  const attend = kernel?.attend ?? 0n;
  const probe = (tensor: bigint, fields: BigInt64Array) => kernel?.probeTensor(tensor, fields);

  it('is that of the ggml which is loaded', () => {
    expect(layoutMismatch({ attend, probeTensor: probe })).toBeUndefined();
  });

  it('is refused when a field has moved, and the field is named', () => {
    const moved = (tensor: bigint, fields: BigInt64Array) => probe(tensor + 8n, fields);
    expect(layoutMismatch({ attend, probeTensor: moved })).toMatch(/^type of a tensor reads -?\d+ instead of 1$/);
  });

  it.each(Array.from({ length: 13 }, (_, i) => i))('looks at field %d', (at) => {
    const changed = (tensor: bigint, fields: BigInt64Array) => {
      probe(tensor, fields);
      fields[at] = (fields[at] ?? 0n) + 1n;
    };
    expect(layoutMismatch({ attend, probeTensor: changed })).toMatch(/ of a tensor reads \d+ instead of \d+$/);
  });
});
