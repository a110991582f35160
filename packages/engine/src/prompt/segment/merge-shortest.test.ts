import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeShortest } from './merge-shortest.ts';

/** The rule as it reads, in quadratic time. */
function obvious(texts: readonly string[], cap: number): string[] {
  const pieces = [...texts];
  while (pieces.length > cap) {
    const lengths = pieces.map(({ length }) => length);
    const shortest = lengths.indexOf(Math.min(...lengths));
    const left = Math.max(shortest - 1, 0);
    pieces.splice(left, 2, `${pieces[left] ?? ''}${pieces[left + 1] ?? ''}`);
  }
  return pieces;
}

describe('mergeShortest', () => {
  it('joins the shortest to its left neighbour, the first to its right one', () => {
    expect(mergeShortest(['aaa', 'bb', 'c', 'dddd'], 3)).toEqual(['aaa', 'bbc', 'dddd']);
    expect(mergeShortest(['a', 'bb', 'ccc'], 2)).toEqual(['abb', 'ccc']);
    expect(mergeShortest(['a', 'b'], 1)).toEqual(['ab']);
  });

  it('is the obvious rule', () => {
    const texts = fc.array(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 45 }), (list, cap) => {
        expect(mergeShortest(list, cap)).toEqual(obvious(list, cap));
      }),
    );
  });

  it('is fast on many pieces', () => {
    const texts = Array.from({ length: 200_000 }, (_, index) => 'x'.repeat(1 + (index % 7)));
    const started = performance.now();
    expect(mergeShortest(texts, 15)).toHaveLength(15);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
