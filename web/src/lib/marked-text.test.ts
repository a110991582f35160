import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { citedPieces, markedPieces } from './marked-text.ts';

const range = fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

describe('markedPieces', () => {
  it('marks exactly what the ranges cover, and loses nothing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), fc.array(range, { maxLength: 5 }), (text, ranges) => {
        const pieces = markedPieces(text, ranges);
        expect(pieces.map((piece) => piece.text).join('')).toBe(text);
        const marked = pieces.flatMap((piece) => Array.from({ length: piece.text.length }, () => piece.marked));
        const covered = Array.from({ length: text.length }, (_, at) =>
          ranges.some(([from, to]) => from <= at && at < to),
        );
        expect(marked).toEqual(covered);
      }),
    );
  });
});

describe('citedPieces', () => {
  it('puts each number behind what rests on it', () => {
    const citations = [
      {
        index: 1,
        ranges: [
          [0, 4],
          [9, 12],
        ] as const,
      },
      { index: 2, ranges: [[0, 4]] as const },
    ];
    expect(citedPieces('1934 and 1935.', citations)).toEqual([
      { text: '1934', citations: [1, 2] },
      { text: ' and 193', citations: [1] },
      { text: '5.', citations: [] },
    ]);
    expect(citedPieces('', [])).toEqual([{ text: '', citations: [] }]);
  });
});
