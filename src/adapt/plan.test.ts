import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { peakRate, planFor } from './plan.ts';

const measured = { answerSeconds: 4, tokensPerSecond: 150, contextTokens: 1500, spentSeconds: 60 };

describe('a plan', () => {
  it('fills the time that is allowed and leaves a fifth to the verification', () => {
    const plan = planFor(30, 1000, measured);
    expect(plan.limit).toBe('time');
    expect(plan.verifySeconds).toBe(360);
    const seconds = 60 + plan.answerSeconds + plan.trainingSeconds + plan.verifySeconds;
    expect(seconds).toBeLessThanOrEqual(30 * 60);
    // One context more would not fit.
    expect(seconds + (plan.answerSeconds + plan.trainingSeconds) / plan.contexts).toBeGreaterThan(30 * 60);
  });

  it('takes no more contexts than the documents give, and never so few that nothing is learnt', () => {
    expect(planFor(1000, 40, measured)).toMatchObject({ contexts: 40, limit: 'documents' });
    expect(planFor(0.1, 1000, measured)).toMatchObject({ contexts: 8, limit: 'time' });
    expect(planFor(0.1, 3, measured)).toMatchObject({ contexts: 3 });
  });

  it('grows with the time and with the speed', () => {
    const speeds = fc.record({
      answerSeconds: fc.double({ min: 0.01, max: 100, noNaN: true }),
      tokensPerSecond: fc.double({ min: 1, max: 1e5, noNaN: true }),
      contextTokens: fc.integer({ min: 50, max: 8000 }),
      spentSeconds: fc.double({ min: 0, max: 500, noNaN: true }),
    });
    fc.assert(
      fc.property(speeds, fc.double({ min: 0.1, max: 500, noNaN: true }), (speed, minutes) => {
        const plan = planFor(minutes, 1e6, speed);
        expect(planFor(minutes * 2, 1e6, speed).contexts).toBeGreaterThanOrEqual(plan.contexts);
        const faster = { ...speed, tokensPerSecond: speed.tokensPerSecond * 2 };
        expect(planFor(minutes, 1e6, faster).contexts).toBeGreaterThanOrEqual(plan.contexts);
        expect(plan.steps).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  it('learns more slowly the wider a model is', () => {
    expect(peakRate(64)).toBe(2e-3);
    expect(peakRate(576)).toBeCloseTo(1.04e-3, 5);
    expect(peakRate(4096)).toBeLessThan(2e-4);
  });
});
