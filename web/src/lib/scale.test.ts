import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, ticks } from './scale.ts';

describe('scale', () => {
  it('covers the largest value with round, even steps', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), fc.integer({ min: 2, max: 8 }), (max, count) => {
        const steps = ticks(max, count);
        expect(steps[0]).toBe(0);
        expect(steps.at(-1)).toBeGreaterThanOrEqual(max * 0.999999);
        expect(steps.length).toBeLessThanOrEqual(count + 2);
      }),
    );
    expect(ticks(1323, 5)).toEqual([0, 500, 1000, 1500]);
    expect(ticks(0, 4)).toEqual([0, 1]);
  });

  it('finds the median', () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 9, 6])).toBe(5);
  });
});
