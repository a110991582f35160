import { describe, expect, it } from 'vitest';
import { Failure } from '../api/failure.ts';
import type { Account, Chunk } from '../api/types.ts';
import { idleLane, type Lane, type LaneEvent, reduceLane } from './lane.ts';
import { curve, measurementOf, sweepCounts } from './measurements.ts';

const account: Account = {
  mode: 'block',
  ttft_ms: 30,
  tokens: { context: 90, question: 10, answer: 2 },
  blocks: [{ id: 'a', status: 'hit', tier: 'memory', tokens: 90, bytes: 1, ms: 1 }],
  flops: { spent: 1, full: 10 },
};
const says = (content: string, at: number): LaneEvent => ({
  type: 'chunk',
  at,
  chunk: { choices: [{ delta: { content } }] },
});
const ends = (at: number, more: Partial<Chunk> = {}): LaneEvent => ({
  type: 'chunk',
  at,
  chunk: { choices: [{ delta: {}, finish_reason: 'stop' }], ...more },
});
const run = (...events: readonly LaneEvent[]): Lane => events.reduce(reduceLane, idleLane('block'));

describe('reduceLane', () => {
  it('times the first piece with text, not the role before it', () => {
    const lane = run({ type: 'start', at: 100 }, says('', 120), says('Hi', 150), says(' all', 170), ends(180));
    expect(lane).toMatchObject({ state: 'streaming', firstTokenMs: 50, text: 'Hi all', finish: 'stop', totalMs: 80 });
    expect(reduceLane(lane, { type: 'end', at: 999 })).toMatchObject({ state: 'done', totalMs: 80 });
  });

  it('times an answer without text', () => {
    expect(run({ type: 'start', at: 0 }, ends(40))).toMatchObject({ firstTokenMs: 40, text: '' });
  });

  it('keeps what was said when it fails or is stopped, and nothing of an earlier race', () => {
    const failure = new Failure('busy', 'full');
    const before = run({ type: 'start', at: 0 }, says('Hi', 1));
    expect(reduceLane(before, { type: 'fail', failure })).toMatchObject({ state: 'failed', text: 'Hi', failure });
    expect(reduceLane(before, { type: 'stop' }).state).toBe('stopped');
    expect(reduceLane(run({ type: 'start', at: 0 }, { type: 'end', at: 1 }), { type: 'stop' }).state).toBe('done');
    expect(reduceLane(before, { type: 'start', at: 5 })).toMatchObject({ text: '', firstTokenMs: undefined });
  });
});

describe('measurements', () => {
  it('come from the account, and leave runs that had to encode out of the curve', () => {
    const lane = run({ type: 'start', at: 0 }, says('Hi', 20), ends(30, { block_attention: account }));
    const hit = measurementOf(lane, undefined);
    expect(hit).toEqual({ mode: 'block', tokens: 100, ttftMs: 20, misses: 0 });
    if (hit === undefined) return;
    const all = [hit, { ...hit, ttftMs: 40 }, { ...hit, ttftMs: 900, misses: 1 }, { ...hit, mode: 'full' as const }];
    expect(curve(all, 'block')).toEqual([{ tokens: 100, ttftMs: 30, runs: 2 }]);
  });

  it('are taken at doubling lengths', () => {
    expect(sweepCounts(10)).toEqual([1, 2, 4, 8, 10]);
    expect(sweepCounts(1)).toEqual([1]);
    expect(sweepCounts(0)).toEqual([]);
  });
});
