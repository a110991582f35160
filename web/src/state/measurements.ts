/** Times to first token that were measured in this page. */
import type { Mode } from '../api/types.ts';
import { median } from '../lib/scale.ts';
import type { Lane } from './lane.ts';

export interface Measurement {
  readonly mode: Mode;
  /** Tokens of the whole prompt. */
  readonly tokens: number;
  readonly ttftMs: number;
  /** Blocks that had to be encoded during the request. */
  readonly misses: number;
}

/** Undefined while the lane has no account of its tokens. */
export function measurementOf(lane: Lane, promptTokens: number | undefined): Measurement | undefined {
  const { account, firstTokenMs } = lane;
  if (account === undefined || firstTokenMs === undefined) return undefined;
  const tokens = account.tokens ? account.tokens.context + account.tokens.question : promptTokens;
  if (tokens === undefined) return undefined;
  const misses = account.blocks.filter(({ status }) => status === 'miss').length;
  return { mode: account.mode, tokens, ttftMs: firstTokenMs, misses };
}

export interface Point {
  readonly tokens: number;
  readonly ttftMs: number;
  readonly runs: number;
}

/** Median per prompt length, shortest first; runs that had to encode are left out. */
export function curve(measurements: readonly Measurement[], mode: Mode): Point[] {
  const byLength = new Map<number, number[]>();
  for (const { mode: its, tokens, ttftMs, misses } of measurements) {
    if (its !== mode || misses > 0) continue;
    byLength.set(tokens, [...(byLength.get(tokens) ?? []), ttftMs]);
  }
  return [...byLength]
    .sort(([a], [b]) => a - b)
    .map(([tokens, times]) => ({ tokens, ttftMs: median(times), runs: times.length }));
}

/** Numbers of passages to measure with: 1, 2, 4 …, and all. */
export function sweepCounts(passages: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < passages; count *= 2) counts.push(count);
  return passages > 0 ? [...counts, passages] : [];
}
