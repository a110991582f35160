import { describe, expect, it } from 'vitest';
import { templateGlobals } from './template-globals.ts';

describe('range', () => {
  const range = templateGlobals(new Date()).range as (first: number, second?: number, step?: number) => number[];

  it('counts as in Python', () => {
    expect(range(3)).toEqual([0, 1, 2]);
    expect(range(2, 7, 2)).toEqual([2, 4, 6]);
    expect(range(3, 0, -1)).toEqual([3, 2, 1]);
    expect(range(5, 2)).toEqual([]);
  });

  it.each([[1e9], [Number.POSITIVE_INFINITY], [Number.NaN]])('refuses %d numbers', (count) => {
    expect(() => range(count)).toThrow(expect.objectContaining({ code: 'INVALID_TEMPLATE' }));
  });

  it('refuses a step of zero', () => {
    expect(() => range(0, 5, 0)).toThrow(/at most 100000/);
  });
});
