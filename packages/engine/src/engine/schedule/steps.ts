/** Steps of prompts that may be cut in two, and what comes of them. */
import { type Step, type WantedLogits, wantedRows } from '../../model/graph/step.ts';
import type { Chunk, PromptTask } from './scheduler.ts';
import type { Halving } from './shortage.ts';

/** A step, and whether the writer acts on it. */
export interface Written extends Step {
  readonly writes: boolean;
}

/** Fewer tokens are computed together however little memory there is. */
const leastTokens = 8;

/** A step of many tokens as two of half as many. */
export const halvedSteps: Halving<Written, Float32Array> = {
  halve(step) {
    const { tokens, logits } = step;
    if (tokens.length < 2 * leastTokens) return undefined;
    const half = tokens.length >> 1;
    const wanted = wantedRows(logits, tokens.length);
    const later = Math.min(wanted, tokens.length - half);
    return [
      { ...step, tokens: tokens.subarray(0, half), logits: wanted - later },
      { ...step, tokens: tokens.subarray(half), logits: later },
    ];
  },
  join: (first, second) => joinRows([first, second]),
};

/** Logits of several chunks as one; those of one chunk as they are. */
export function joinRows(rows: readonly Float32Array[]): Float32Array {
  const [only, ...more] = rows.filter(({ length }) => length > 0);
  if (only === undefined || more.length === 0) return only ?? new Float32Array(0);
  const all = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of rows) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Tokens at the end of a chunk whose logits its task wants. */
export function wantedOf({
  task,
  first,
  count,
}: Chunk<PromptTask<unknown> & { readonly logits: WantedLogits }>): number {
  const from = task.tokens.length - wantedRows(task.logits, task.tokens.length);
  return Math.max(0, Math.min(count, first + count - from));
}
