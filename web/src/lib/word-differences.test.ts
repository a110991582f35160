import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wordDifferences } from './word-differences.ts';

const marked = (left: string, right: string) =>
  wordDifferences(left, right).map((pieces) =>
    pieces.map(({ text, differs }) => (differs ? `[${text}]` : text)).join(''),
  );

describe('wordDifferences', () => {
  it('marks the words that only one has', () => {
    expect(marked('opened in 1931 by the mayor', 'opened in 1934 by a mayor')).toEqual([
      'opened in [1931 ]by [the ]mayor',
      'opened in [1934 ]by [a ]mayor',
    ]);
    expect(marked('the same', 'the same\n')).toEqual(['the same', 'the same\n']);
    expect(marked('', 'all new')).toEqual(['', '[all new]']);
  });

  it('loses nothing, and what is left unmarked is the same on both sides', () => {
    const text = fc.array(fc.constantFrom('a ', 'b ', 'c\n', 'd'), { maxLength: 12 }).map((words) => words.join(''));
    fc.assert(
      fc.property(text, text, (left, right) => {
        const sides = wordDifferences(left, right);
        expect(sides.map((pieces) => pieces.map((piece) => piece.text).join(''))).toEqual([left, right]);
        const [a, b] = sides.map((pieces) =>
          pieces
            .filter(({ differs }) => !differs)
            .map((piece) => piece.text.replaceAll(/\s+/g, ' ').trim())
            .filter((one) => one !== '')
            .join(' '),
        );
        expect(a).toBe(b);
      }),
    );
  });

  it('copes with answers too long to be compared word by word', () => {
    const long = (word: string) => `begin ${`${word} `.repeat(3000)}end`;
    const [left] = wordDifferences(long('x'), long('y'));
    expect(left.map(({ differs }) => differs)).toEqual([false, true, false]);
  });
});
