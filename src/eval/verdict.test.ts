import { describe, expect, it } from 'vitest';
import { decide, neededQuestions } from './verdict.ts';

const evidence = (n: number, low: number, fullLow = 0.5) => ({
  n,
  fullInterval: [fullLow, 0.9] as const,
  difference: { value: low / 2, interval: [low, 0.01] as const },
});

describe('decide', () => {
  it.each([
    [150, -0.02, 0.5, 'block', []],
    [150, -0.021, 0.5, 'full', [/lose up to 2.1 points/]],
    [149, 0, 0.5, 'full', [/149 questions .* at least 150/]],
    [150, 0, 0.02, 'full', [/would not show/]],
    [10, -0.5, 0, 'full', [/10 questions/, /would not show/, /50.0 points/]],
    [150, Number.NaN, 0.5, 'full', [/NaN/]],
  ] as const)('of %d questions, lower end %d, full from %d: %s', (n, low, fullLow, verdict, reasons) => {
    const decided = decide(evidence(n, low, fullLow), 0.02);
    expect(decided.verdict).toBe(verdict);
    expect(decided.reasons).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(decided.reasons[i]).toMatch(reason);
  });

  it('asks for as many questions as the tolerance needs', () => {
    expect([0.5, 0.1, 0.03, 0.02, 0.01, 0.007].map(neededQuestions)).toEqual([6, 30, 100, 150, 300, 429]);
  });
});
