/**
 * What the tokens of packed rows see, in two forms: runs of keys for the native attention, and a mask for ggml's.
 *
 * A token sees what is before it in its own sequence: everything in full mode; in block mode only its own block, except
 * for final blocks, which see all of the context (the paper's block fine-tuning), and of final blocks themselves, and
 * for blocks that are open, which see all before them. Padding sees itself, so that no softmax is empty.
 */
import { finalBlocks, type PackedRows, type Placed } from './packing.ts';

const hidden = 0xfc00; // -infinity in f16
const seen = 0;

/**
 * The two runs of keys each token sees, as positions in its row: [first, end, first, end) per token; empty runs have
 * equal ends. The first run lies before the second.
 * @returns [rows][rowTokens][4]. @param window 0: none, else tokens a query sees back, itself included
 */
export function packRuns({ rows, rowTokens }: PackedRows, window = 0): Int32Array {
  const runs = new Int32Array(rows.length * rowTokens * 4);
  rows.forEach((row, index) => {
    const base = index * rowTokens;
    let end = 0;
    for (const placed of row) {
      placeRuns(runs, base, placed, window === 0 ? Number.POSITIVE_INFINITY : window);
      end = placed.start + placed.length;
    }
    for (let token = end; token < rowTokens; token++) runs.set([token, token, token, token + 1], (base + token) * 4);
  });
  return runs;
}

function placeRuns(runs: Int32Array, base: number, { start, sequence }: Placed, reach: number): void {
  const { blocks, mode, open = [] } = sequence;
  /** Context keys [start, contextEnd), the last of which lies `before` tokens back, and the own ones from `own` on. */
  const put = (query: number, contextEnd: number, before: number, own: number) => {
    const first = Math.min(contextEnd, Math.max(start, contextEnd - Math.max(0, reach - before)));
    runs.set([first, contextEnd, Math.max(own, query + 1 - reach), query + 1], (base + query) * 4);
  };
  let blockStart = start;
  for (const [index, block] of blocks.slice(0, -1).entries()) {
    const own = mode === 'full' || open[index] === true ? start : blockStart;
    for (let query = blockStart; query < blockStart + block.length; query++) put(query, start, 0, own);
    blockStart += block.length;
  }
  const contextEnd = blockStart;
  for (const { tokens } of finalBlocks(sequence)) {
    for (let i = 0; i < tokens.length; i++) put(blockStart + i, contextEnd, i + 1, blockStart);
    blockStart += tokens.length;
  }
}

/** The same rows, read with full attention. */
export function inFullMode({ rows, rowTokens }: PackedRows): PackedRows {
  const full = (placed: Placed): Placed => ({ ...placed, sequence: { ...placed.sequence, mode: 'full' } });
  return { rowTokens, rows: rows.map((row) => row.map(full)) };
}

/** The additive mask in f16, [rows][rowTokens queries][rowTokens keys]: 0 where a query sees a key, else -infinity. */
export function packMask(packed: PackedRows, window = 0): Uint16Array {
  const { rows, rowTokens } = packed;
  const runs = packRuns(packed, window);
  const mask = new Uint16Array(rows.length * rowTokens * rowTokens).fill(hidden);
  for (let query = 0; query < rows.length * rowTokens; query++) {
    const [first = 0, end = 0, own = 0, ownEnd = 0] = runs.subarray(query * 4, query * 4 + 4);
    mask.fill(seen, query * rowTokens + first, query * rowTokens + end);
    mask.fill(seen, query * rowTokens + own, query * rowTokens + ownEnd);
  }
  return mask;
}
