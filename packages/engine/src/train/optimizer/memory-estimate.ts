/** How much memory a run will need, before it starts. */
import { freemem, totalmem } from 'node:os';
import { BlockAttentionError } from '../../errors.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import type { HyperParameters } from '../../model/architecture/hyper-parameters.ts';

export interface MemoryNeed {
  /** Rank of the adapters; null when all weights are trained. */
  readonly lora: number | null;
  readonly batchTokens: number;
  /** Tokens of the longest sequence. */
  readonly longest: number;
  /** Response tokens of a part that is computed at once, about. */
  readonly outputs: number;
  /** Whether the starting model is asked, too. */
  readonly teacher: boolean;
  /** Whether the native nodes compute: they keep no scores and take no transposed copies. */
  readonly native: boolean;
}

const f32 = 4;
/** A value, its gradient and two moments. */
const copies = 4;

/** Bytes, within a third or so. */
export function estimateMemory(file: GgufFile, hp: HyperParameters, need: MemoryNeed): number {
  // Adapters train over the very pages that the teacher reads.
  const mapped = need.teacher && need.lora === null ? file.bytes : 0;
  return weightBytes(file, need) + mapped + activationBytes(hp, need);
}

function weightBytes(file: GgufFile, { lora, native }: MemoryNeed): number {
  let bytes = 0;
  for (const { name, ne, bytes: size } of file.tensors.values()) {
    const elements = ne[0] * ne[1] * ne[2] * ne[3];
    if (lora === null) bytes += copies * f32 * elements;
    // Mapped weights; without native nodes a rearranged copy of them, and a transpose of 8 bits.
    else bytes += native ? size : 2 * size + (ne[1] > 1 ? 1.07 * elements : 0);
    if (lora !== null && /^blk\..*\.weight$/.test(name) && ne[1] > 1) bytes += copies * f32 * lora * (ne[0] + ne[1]);
  }
  return bytes;
}

/** What the forward pass keeps of every layer, and the scratch of one layer on the way back. */
function activationBytes(hp: HyperParameters, need: MemoryNeed): number {
  const { batchTokens, longest, outputs, teacher, native } = need;
  const { embeddingLength: d, feedForwardLength: ff, heads, kvHeads, headDim, layers, vocabulary } = hp;
  const tokens = Math.max(batchTokens, longest);
  const scores = native ? 0 : heads * longest;
  const kept = 9 * d + 5 * heads * headDim + 6 * kvHeads * headDim + 3 * ff + scores;
  const scratch = 4 * (d + ff) + 3 * scores;
  return f32 * (tokens * (layers * kept + scratch) + (teacher ? 6 : 3) * vocabulary * outputs);
}

/** @throws MODEL_TOO_LARGE when the machine has not that much */
export function requireMemory(bytes: number): void {
  // What the system can still give, where Node says so: on Linux free memory leaves out what caches would give back.
  const { availableMemory } = process as { availableMemory?: () => number };
  const available = availableMemory === undefined ? Math.max(freemem(), totalmem() / 2) : availableMemory();
  if (bytes <= available) return;
  const gib = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  throw new BlockAttentionError(
    'MODEL_TOO_LARGE',
    `training needs about ${gib(bytes)} of memory and ${gib(available)} are available: use LoRA, fewer batch tokens, or a smaller model`,
  );
}
