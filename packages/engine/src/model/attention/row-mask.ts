/** Masks over rows: which of a sequence's states each new token sees. */

import { causalMask, type KeyRun } from '../graph/mask.ts';
import type { SequenceRows } from './attention-portable.ts';

const hidden = 0xfc00; // -infinity in f16

/** Rows [first, end) as columns of a mask, for layers with a sliding window, or without (0). */
export interface RowWindow {
  readonly first: number;
  readonly end: number;
  readonly window: number;
}

/**
 * Mask of new tokens over rows, f16, row-major [tokens][end - first].
 *
 * The sequence's own tokens see what causalMask() says of its blocks. Tokens of the context that are computed again, where
 * they lie, see every row up to their own.
 * @param rows row of each new token
 */
export function rowMask(
  { sequence, tokens, recomputed }: SequenceRows,
  rows: Int32Array,
  window: RowWindow,
): Uint16Array {
  const { first, end } = window;
  if (recomputed !== undefined) return recomputeMask(rows, window);
  const { blocks, contextRows, contextTokens, length, position } = sequence;
  const own = { tokens: length + tokens, padded: end - contextRows, start: contextTokens };
  let row = 0;
  const runs = [...blocks.map((block) => ({ ...block, padded: block.tokens })), own].flatMap((run): KeyRun[] => {
    const from = row;
    row += run.padded;
    return row <= first ? [] : [cut(run, first - from)];
  });
  return causalMask(runs, position, tokens, window.window);
}

/** A run without its first `count` columns. */
function cut(run: KeyRun, count: number): KeyRun {
  if (count <= 0) return run;
  const { tokens, padded, start, hidden: heads = 0 } = run;
  const rest = { tokens: tokens - count, padded: padded - count, start: start + count };
  return { ...rest, hidden: Math.max(0, heads - count) };
}

function recomputeMask(rows: Int32Array, { first, end, window }: RowWindow): Uint16Array {
  const width = end - first;
  const mask = new Uint16Array(width * rows.length).fill(hidden);
  rows.forEach((row, query) => {
    const low = window === 0 ? first : Math.max(first, row - window + 1);
    mask.fill(0, query * width + low - first, query * width + row + 1 - first);
  });
  return mask;
}
