/**
 * What the tokens of packed rows see, in two forms: runs of keys for the native attention, and a mask for ggml's.
 *
 * A token sees what is before it in its own sequence: everything in full mode; in block mode only its own block, except
 * for final blocks, which see all of the context (the paper's block fine-tuning), and of final blocks themselves, and
 * for blocks that are open, which see all before them. A block that stands behind an anchor sees its copy of it as well,
 * which sees itself alone. Padding sees itself, so that no softmax is empty.
 */
import { copiedTokens, finalBlocks, type PackedRows, type Placed } from './packing.ts';

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
  const { blocks, mode, open = [], anchor } = sequence;
  /** Keys [from, to), the last of which lies `before` tokens back, and the own ones from `own` on. */
  const put = (query: number, [from, to]: readonly [number, number], before: number, own: number) => {
    const first = Math.min(to, Math.max(from, to - Math.max(0, reach - before)));
    runs.set([first, to, Math.max(own, query + 1 - reach), query + 1], (base + query) * 4);
  };
  const contextStart = start + copiedTokens(sequence);
  const none = [contextStart, contextStart] as const;
  const copyTokens = anchor?.length ?? 0;
  let blockStart = contextStart;
  for (const [index, block] of blocks.slice(0, -1).entries()) {
    const alone = mode === 'block' && open[index] !== true;
    const copy = start + (index - 1) * copyTokens;
    const behind = index > 0 && copyTokens > 0;
    if (behind) for (let i = 0; i < copyTokens; i++) put(copy + i, none, 0, copy);
    for (let i = 0; i < block.length; i++) {
      const query = blockStart + i;
      if (alone && behind) put(query, [copy, copy + copyTokens], i + 1, blockStart);
      else put(query, none, 0, alone ? blockStart : contextStart);
    }
    blockStart += block.length;
  }
  const context = [contextStart, blockStart] as const;
  for (const { tokens } of finalBlocks(sequence)) {
    for (let i = 0; i < tokens.length; i++) put(blockStart + i, context, i + 1, blockStart);
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
