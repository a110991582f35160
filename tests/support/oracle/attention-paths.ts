/** The attention paths that must agree with the oracle: what this machine can run of them. */

import { gatheredAttention, nativeAttention, portableAttention } from '@block-attention/engine/internal/model';
import { loadLibrary } from '../../../packages/engine/src/ggml/ffi/library.ts';
import { nativeKernelState } from '../../../packages/engine/src/ggml/native/native-kernel.ts';
import type { AttentionPath } from './forward-harness.ts';

await loadLibrary();
const { kernel, reason } = nativeKernelState();
if (kernel === undefined) console.warn(`skipped: the native attention path: ${reason}`);

export interface AttentionPathCase {
  readonly name: 'gathered' | 'native' | 'portable';
  readonly attention: AttentionPath;
  /** What rounding to f16 or q8_0 explains grows by this. Defaults to 1. */
  readonly rounding?: number;
}

/**
 * Over rows of a sequence's own: what devices run, here on the CPU. In place of a key's and a value's rounding there are
 * those of the key stored and turned, of the query, of the value, and of flash attention's running sums, which it takes
 * for a small number: at most eight, whose effects add up like √(8 / 2).
 */
export const gatheredPath: AttentionPathCase = { name: 'gathered', attention: gatheredAttention, rounding: 2 };

export const attentionPaths: readonly AttentionPathCase[] = [
  { name: 'portable', attention: portableAttention },
  ...(kernel ? [{ name: 'native', attention: nativeAttention(kernel) } as const] : []),
];
