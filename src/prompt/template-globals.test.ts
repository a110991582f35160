import { describe, expect, it } from 'vitest';
import { formatDate, templateGlobals } from './template-globals.ts';

describe('formatDate', () => {
  it('knows the directives of templates and leaves others alone', () => {
    const date = new Date(2026, 2, 7, 13, 5, 9);
    expect(formatDate(date, '%d %b %Y|%B %A %a %y-%m|%H:%M:%S %I %p|100%% %Q %')).toBe(
      '07 Mar 2026|March Saturday Sat 26-03|13:05:09 01 PM|100% %Q %',
    );
  });
});

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
