/**
 * The attention mask of packed rows in f16: 0 where a query sees a key, -infinity where not.
 *
 * A token sees what is before it in its own sequence: everything in full mode; in block mode only its own block, except
 * for the final block, which sees all (paper sections 2 and 5). Padding sees itself, so that no softmax is empty.
 */
import type { PackedRows, Placed } from './packing.ts';

const hidden = 0xfc00; // -infinity in f16
const seen = 0;

/** @returns [rows][rowTokens queries][rowTokens keys]. @param window 0: none, else tokens a query sees back */
export function packMask({ rows, rowTokens }: PackedRows, window = 0): Uint16Array {
  const mask = new Uint16Array(rows.length * rowTokens * rowTokens).fill(hidden);
  rows.forEach((row, index) => {
    const base = index * rowTokens * rowTokens;
    let end = 0;
    for (const placed of row) {
      maskSequence(mask, base, rowTokens, placed, window);
      end = placed.start + placed.length;
    }
    for (let token = end; token < rowTokens; token++) mask[base + token * rowTokens + token] = seen;
  });
  return mask;
}

function maskSequence(mask: Uint16Array, base: number, width: number, placed: Placed, window: number): void {
  const { start, sequence } = placed;
  const { blocks, mode } = sequence;
  let blockStart = start;
  blocks.forEach((block, index) => {
    const first = mode === 'full' || index === blocks.length - 1 ? start : blockStart;
    for (let query = blockStart; query < blockStart + block.length; query++) {
      const from = window === 0 ? first : Math.max(first, query - window + 1);
      mask.fill(seen, base + query * width + from, base + query * width + query + 1);
    }
    blockStart += block.length;
  });
}
