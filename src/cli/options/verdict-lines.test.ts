import { expect, it } from 'vitest';
import { verdictLines } from './verdict-lines.ts';

const report = {
  rows: [],
  policies: [],
  verdict: 'full',
  policy: null,
  reasons: ['answers agree to 0.53, less than the 0.6 needed'],
  tolerance: 0.05,
  timeUp: false,
} as const;

it('a verdict says why, and of which policy where several were tried', () => {
  expect(verdictLines(report)).toEqual([
    'Verdict  full (tolerance 5.0 points)',
    '         answers agree to 0.53, less than the 0.6 needed',
  ]);
  const interval = [-0.04, -0.02] as const;
  const tried = { policy: 'head:8', n: 149, difference: { value: -0.03, interval }, tokens: 40, ms: 319 };
  const policies = [{ ...tried, reasons: [] }] as unknown as Parameters<typeof verdictLines>[0]['policies'];
  expect(verdictLines({ ...report, verdict: 'block', policy: 'head:8', policies })).toEqual([
    'Verdict  block, policy head:8 (tolerance 5.0 points)',
    '         plain: answers agree to 0.53, less than the 0.6 needed',
  ]);
});
