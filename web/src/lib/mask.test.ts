import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lastRows, maskOf, pairs, triangle } from './mask.ts';

/** Pairs counted one by one. */
function counted(lengths: readonly number[]): number {
  const owner = lengths.flatMap((tokens, block) => Array.from({ length: tokens }, () => block));
  let count = 0;
  for (const [row, its] of owner.entries()) {
    for (let column = 0; column <= row; column++) {
      if (its === lengths.length - 1 || owner[column] === its) count += 1;
    }
  }
  return count;
}

describe('mask', () => {
  it('counts the pairs that the mask lets through', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }), (lengths) => {
        const mask = maskOf(lengths);
        expect(pairs(mask)).toEqual({ block: counted(lengths), full: (mask.total * (mask.total + 1)) / 2 });
      }),
    );
  });

  it('draws blocks on the diagonal and the last rows over the whole width', () => {
    const mask = maskOf([3, 4, 2]);
    expect(mask.blocks.map(triangle)).toEqual(['M0 0v3h3z', 'M3 3v4h4z']);
    expect(lastRows(mask.final)).toBe('M0 7h7l2 2H0z');
  });
});
