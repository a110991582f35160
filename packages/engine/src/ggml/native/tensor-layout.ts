/**
 * Whether the native kernel reads ggml's tensors where ggml writes them.
 *
 * native/src/tensor.h repeats the layout of a struct that ggml keeps to itself and may change with any release. A kernel
 * built for another one would read and write anywhere, so it is asked at load what it sees in tensors that ggml made.
 */
import { bindings } from '../ffi/bindings.ts';
import { library } from '../ffi/library.ts';
import { contiguousStrides, TensorType } from '../graph/tensor.ts';
import type { NativeKernel } from './native-kernel.ts';

/** As ba_probe_tensor() writes them. */
const fieldNames = [
  'type',
  ...[0, 1, 2, 3].map((i) => `ne[${i}]`),
  ...[0, 1, 2, 3].map((i) => `nb[${i}]`),
  ...[0, 1, 2].map((i) => `src[${i}]`),
  'data',
];
const scratchBytes = 65_536;
const onAllThreads = -1;

/** @returns what reads differently, undefined when nothing does. ggml must be loaded. */
export function layoutMismatch({
  attend,
  probeTensor,
}: Pick<NativeKernel, 'attend' | 'probeTensor'>): string | undefined {
  const calls = bindings();
  const dataOf = library().base.func('void *ggml_get_data(void *tensor)') as (tensor: bigint) => bigint | null;
  const context = calls.init({ mem_size: scratchBytes, mem_buffer: null, no_alloc: false });
  if (context === null) return `no memory of ${scratchBytes} bytes to look`;
  try {
    const first = calls.new_tensor_4d(context, TensorType.F16, 3, 5, 7, 2);
    const second = calls.new_tensor_4d(context, TensorType.I32, 4, 1, 1, 1);
    const sources = BigUint64Array.of(first, second);
    // A node is made, not computed: the function is never called.
    const node = calls.custom_4d(context, TensorType.F32, 11, 13, 2, 3, sources, 2, attend, onAllThreads, 0n);
    for (const [tensor, type, ne, src] of [
      [first, TensorType.F16, [3, 5, 7, 2], []],
      [node, TensorType.F32, [11, 13, 2, 3], [first, second]],
    ] as const) {
      const expected = [type, ...ne, ...contiguousStrides(type, ne), ...[0, 1, 2].map((i) => src[i] ?? 0n)].map(BigInt);
      expected.push(dataOf(tensor) ?? 0n);
      const fields = new BigInt64Array(fieldNames.length);
      probeTensor(tensor, fields);
      const wrong = fieldNames.findIndex((_, i) => fields[i] !== expected[i]);
      if (wrong >= 0) return `${fieldNames[wrong]} of a tensor reads ${fields[wrong]} instead of ${expected[wrong]}`;
    }
    return undefined;
  } finally {
    calls.free(context);
  }
}
