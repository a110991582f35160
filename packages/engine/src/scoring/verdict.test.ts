import { describe, expect, it } from 'vitest';
import { decide, decideOwn, neededQuestions } from './verdict.ts';

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

describe('decideOwn', () => {
  const alike = { full: 0.6, block: 0.6, agreement: 1, kl: 0.01, declined: false };
  const many = (check: Partial<typeof alike>, n = 40) => Array.from({ length: n }, () => ({ ...alike, ...check }));
  it.each([
    [many({}), 'block', false, []],
    [many({}, 23), 'full', true, [/23 questions .* 24 are needed/]],
    [many({ block: 0.5 }), 'full', false, [/lose up to 10.0 points/]],
    [many({ full: 0.02, block: 0.02 }), 'full', false, [/a loss would not show/]],
    [many({ agreement: 0.5 }), 'full', false, [/agree to 0.50/]],
    [many({ kl: 0.6 }), 'full', false, [/diverges by 0.60/]],
    // Words that change while the probability stays are no agreement.
    [many({ agreement: 0, kl: 2, block: 0.7 }), 'full', false, [/agree/, /diverges/]],
    [[...many({}), ...many({ declined: true }, 5)], 'full', true, [/finds no answer on 11.1 points/]],
    [[...many({}, 30), ...many({ block: 0.2 }, 5)], 'full', true, [/lose up to/]],
  ] as const)('case %#: %s', (checks, verdict, open, reasons) => {
    const decided = decideOwn(checks, 0.05);
    expect(decided).toMatchObject({ verdict, open });
    expect(decided.reasons).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(decided.reasons[i]).toMatch(reason);
  });

  it('says full of nothing at all', () => {
    expect(decideOwn([], 0.05)).toMatchObject({ verdict: 'full', open: true });
  });
});
