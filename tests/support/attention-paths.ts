/** The attention paths that must agree with the oracle: what this machine can run of them. */
import { loadLibrary } from '../../src/ggml/library.ts';
import { nativeKernelState } from '../../src/ggml/native-kernel.ts';
import { nativeAttention, portableAttention } from '../../src/model/index.ts';
import type { AttentionPath } from './forward-harness.ts';

await loadLibrary();
const { kernel, reason } = nativeKernelState();
if (kernel === undefined) console.warn(`skipped: the native attention path: ${reason}`);

export interface AttentionPathCase {
  readonly name: string;
  readonly attention: AttentionPath;
}

export const attentionPaths: readonly AttentionPathCase[] = [
  { name: 'portable', attention: portableAttention },
  ...(kernel ? [{ name: 'native', attention: nativeAttention(kernel) }] : []),
];
