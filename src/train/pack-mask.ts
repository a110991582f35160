/**
 * The attention mask of packed rows in f16: 0 where a query sees a key, -infinity where not.
 *
 * A token sees what is before it in its own sequence: everything in full mode; in block mode only its own block, except
 * for final blocks, which see all of the context (paper sections 2 and 5), and of final blocks themselves. Padding sees itself, so that no softmax is empty.
 */
import { finalBlocks, type PackedRows, type Placed } from './packing.ts';

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
  const reach = window === 0 ? Number.POSITIVE_INFINITY : window;
  /** Keys of the row from `from` on that lie `distance` or more before the query are out of reach. */
  const see = (query: number, from: number, end: number, distance: number) => {
    const first = Math.max(from, end - Math.max(0, reach - distance));
    if (first < end) mask.fill(seen, base + query * width + first, base + query * width + end);
  };
  let blockStart = start;
  for (const block of sequence.blocks.slice(0, -1)) {
    const first = sequence.mode === 'full' ? start : blockStart;
    for (let query = blockStart; query < blockStart + block.length; query++) see(query, first, query + 1, 0);
    blockStart += block.length;
  }
  const contextEnd = blockStart;
  for (const { tokens } of finalBlocks(sequence)) {
    for (let i = 0; i < tokens.length; i++) {
      see(blockStart + i, start, contextEnd, i + 1);
      see(blockStart + i, blockStart, blockStart + i + 1, 0);
    }
    blockStart += tokens.length;
  }
}
