/**
 * Additive attention masks in f16: 0 where a query sees a key, -infinity where not.
 */
const hidden = 0xfc00; // -infinity in f16
const seen = 0;

/** A run of keys: `padded` columns of which the first `tokens` are real, at positions start, start + 1, … */
export interface KeyRun {
  readonly tokens: number;
  readonly padded: number;
  readonly start: number;
  /** The first so many tokens are seen by nobody. Defaults to 0. */
  readonly hidden?: number | undefined;
}

/**
 * Mask of queries at positions [first, first + queries) over runs of keys, row-major [queries][sum of padded].
 * A key is seen when it is real, not hidden, not after the query, and, with a window, less than `window` before it.
 */
export function causalMask(runs: readonly KeyRun[], first: number, queries: number, window: number): Uint16Array {
  const width = runs.reduce((sum, run) => sum + run.padded, 0);
  const mask = new Uint16Array(width * queries).fill(hidden);
  for (let query = 0; query < queries; query++) {
    const position = first + query;
    let column = query * width;
    for (const run of runs) {
      const low = Math.max(run.hidden ?? 0, window === 0 ? 0 : position - window + 1 - run.start);
      const high = Math.min(run.tokens, position - run.start + 1);
      if (high > low) mask.fill(seen, column + low, column + high);
      column += run.padded;
    }
  }
  return mask;
}

/** Whether a mask hides nothing, so that the softmax can go without. */
export function hidesNothing(mask: Uint16Array): boolean {
  return mask.every((value) => value === seen);
}

/**
 * Mask of a whole prompt in block mode (the paper's block segmentation): causal inside each block, blind to other
 * blocks, except for the last block, which sees everything before it. Row-major [tokens][tokens].
 * @param lengths token counts of the blocks, the final block last; one block gives the plain causal mask
 */
export function blockMask(lengths: readonly number[], window = 0): Uint16Array {
  const total = lengths.reduce((sum, n) => sum + n, 0);
  const mask = new Uint16Array(total * total).fill(hidden);
  let start = 0;
  lengths.forEach((length, index) => {
    const from = index === lengths.length - 1 ? 0 : start;
    for (let query = start; query < start + length; query++) {
      const low = window === 0 ? from : Math.max(from, query - window + 1);
      mask.fill(seen, query * total + low, query * total + query + 1);
    }
    start += length;
  });
  return mask;
}
