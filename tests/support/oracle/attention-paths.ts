/** The attention paths that must agree with the oracle: what this machine can run of them. */

import {
  gatheredAttention,
  type KvType,
  nativeAttention,
  portableAttention,
} from '@block-attention/engine/internal/model';
import { loadLibrary } from '../../../packages/engine/src/ggml/ffi/library.ts';
import { nativeKernelState } from '../../../packages/engine/src/ggml/native/native-kernel.ts';
import type { AttentionPath } from './forward-harness.ts';

await loadLibrary();
const { kernel, reason } = nativeKernelState();
if (kernel === undefined) console.warn(`skipped: the native attention path: ${reason}`);

export interface AttentionPathCase {
  readonly name: 'gathered' | 'native' | 'portable';
  readonly attention: AttentionPath;
  /** What rounding explains grows by this, for states of a type and so many keys. Defaults to 1. */
  readonly rounding?: (type: KvType, keys: number) => number;
}

/** CPUs that compute with halves sum a head's products in them: 32 sums of up to 4 terms each, then by pairs. */
const halfProducts = process.arch === 'x64' ? 0 : 4 + 5;

/**
 * How ggml's flash attention on the CPU rounds, in units of what a stored key and a stored value round (two roundings,
 * whose effects add up like √2). There are the key stored, the key turned and stored again, the query and the value: 4.
 *
 * With values in f16 it sums in f16, one key after the other, for few queries: S ← S + p·v rounds by up to 2⁻¹¹ of |S|,
 * n times. Where values have no common sign, |S| grows like the square root of the keys summed, so the n roundings are
 * together Σ i / n = n / 2 of the last one's square. The weights p are rounded, too: 1. A device sums in f32
 * (GGML_PREC_F32), and so does the CPU for other types.
 */
export function gatheredRounding(type: KvType, keys: number): number {
  if (type === 'f32') return 1;
  const sums = type === 'f16' ? 1 + halfProducts + keys / 2 : 0;
  return Math.sqrt((4 + sums) / 2);
}

/** Over rows of a sequence's own: what devices run, here on the CPU. */
export const gatheredPath: AttentionPathCase = {
  name: 'gathered',
  attention: gatheredAttention,
  rounding: gatheredRounding,
};

export const attentionPaths: readonly AttentionPathCase[] = [
  { name: 'portable', attention: portableAttention },
  ...(kernel ? [{ name: 'native', attention: nativeAttention(kernel) } as const] : []),
];
