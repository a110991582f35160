import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { includesText, occurrences } from './find-text.ts';

/** Few letters, so that patterns nearly match everywhere. */
const letters = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength });

describe('occurrences', () => {
  it('are those of a naive search, for short and long patterns', () => {
    fc.assert(
      fc.property(letters(400), letters(40), (text, pattern) => {
        const naive: number[] = [];
        for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + pattern.length)) naive.push(at);
        expect([...occurrences(text, pattern)]).toEqual(naive);
        expect(includesText(text, pattern)).toBe(text.includes(pattern));
      }),
      { numRuns: 500 },
    );
    const long = `${'ab'.repeat(20)}a`;
    expect([...occurrences(`b${long}${long}b${long}`, long)]).toEqual([1, 42, 84]);
  });

  it('are found in a million characters of near misses', () => {
    const half = 'a'.repeat(2 ** 19);
    expect(includesText(half + half, `b${half}`)).toBe(false);
    expect([...occurrences(`${half}b${half}`, `${half}b`)]).toEqual([0]);
  });

  it('include the empty text', () => {
    expect(includesText('', '')).toBe(true);
    expect(includesText('a', 'ab')).toBe(false);
  });
});
