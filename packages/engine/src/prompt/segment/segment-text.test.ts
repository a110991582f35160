import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentText, segmentTextAside } from './segment-text.ts';

/** The delimiters as regular expressions, each cutting behind what has something visible on both sides. */
function obvious(text: string): string[] {
  for (const delimiter of [/(?:\r?\n[ \t]*(?=\r?\n))+\r?\n/g, /-{3,}/g, /={3,}/g, /\n\t/g, /\n/g]) {
    const cuts = [...text.matchAll(delimiter)].map((match) => ({
      from: match.index,
      to: match.index + match[0].length,
    }));
    // Whether anything visible stands before cut i, and not only delimiters.
    const gaps = [...cuts, undefined].map((cut, i) => text.slice(cuts[i - 1]?.to ?? 0, cut?.from).trim() !== '');
    // Neighbours with nothing visible between them are one delimiter, which ends with the last of them.
    const useful = cuts.filter((_, i) => gaps.slice(0, i + 1).includes(true) && gaps[i + 1]);
    const ends = [0, ...useful.map(({ to }) => to), text.length];
    if (useful.length > 0) return ends.slice(1).map((end, i) => text.slice(ends[i], end));
  }
  return text === '' ? [] : [text];
}

describe('segmentText', () => {
  it.each([
    ['a blank line', 'a\nb\n\nc---d', ['a\nb\n\n', 'c---d']],
    ['a blank line of Windows', 'a\r\n\r\nb', ['a\r\n\r\n', 'b']],
    ['a line of blanks', 'a\n \t\nb', ['a\n \t\n', 'b']],
    ['several blank lines, once', 'a\n\n\n\nb', ['a\n\n\n\n', 'b']],
    ['dashes before equals', 'a---b===c\n----\nd', ['a---', 'b===c\n----', '\nd']],
    ['equals before tabs', 'a====b\n\tc', ['a====', 'b\n\tc']],
    ['a tab before line breaks', 'a\n\tb\nc', ['a\n\t', 'b\nc']],
    ['line breaks last', 'a\nb\nc', ['a\n', 'b\n', 'c']],
    ['nothing', 'a -- b == c', ['a -- b == c']],
    ['no delimiter at the ends', '\n\na\nb\n\n', ['\n\na\n', 'b\n\n']],
    ['delimiters in a row', 'a---\n---b', ['a---\n---', 'b']],
    ['an empty text', '', []],
    ['a blank text', '\n\n \n\n', ['\n\n \n\n']],
  ])('splits by %s', (_, text, pieces) => {
    expect(segmentText(text)).toEqual(pieces);
  });

  it('gives the text back, within the cap, every piece visible', () => {
    const part = fc.oneof(
      fc.constantFrom('\n', '\n\n', '\r\n', '\n\t', '---', '====', '-', ' ', '\t'),
      fc.string({ unit: 'grapheme', maxLength: 4 }),
    );
    const text = fc.array(part, { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 20 }), (whole, cap) => {
        const pieces = segmentText(whole, cap);
        expect(pieces.join('')).toBe(whole);
        expect(pieces.length).toBeLessThanOrEqual(cap);
        if (whole.trim() !== '') for (const piece of pieces) expect(piece.trim()).not.toBe('');
      }),
      { numRuns: 300 },
    );
  });

  it('finds what the regular expressions of the rule find', () => {
    const part = fc.constantFrom('\n', '\n', '\r\n', '\r', '\t', ' ', '-', '---', '=', '===', 'a', 'bc');
    const text = fc.array(part, { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (whole) => {
        expect(segmentText(whole, 100)).toEqual(obvious(whole));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads runs of millions, of every kind', () => {
    for (const unit of ['\n', '\n ', ' \r\n\t', '-', '=', '\n\t', '\r']) {
      const run = unit.repeat(2_500_000 / unit.length);
      const pieces = segmentText(`a${run}b`);
      expect(pieces.join('')).toBe(`a${run}b`);
      expect(pieces.length).toBeLessThanOrEqual(2);
    }
  });

  it('lets others go on while it cuts a text of many delimiters, and cuts it alike', async () => {
    const text = 'a\nbc\n'.repeat(60_000);
    let turns = 0;
    const count = () => {
      turns += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const pieces = await segmentTextAside(text);
    clearImmediate(timer);
    // 120,000 delimiters, and as many merges: a stop after every 16,384 of each.
    expect(turns).toBeGreaterThanOrEqual(14);
    expect(pieces).toEqual(segmentText(text));
  });

  it('caps at 15 unless told otherwise', () => {
    const text = Array.from({ length: 40 }, (_, index) => `line ${index}`).join('\n');
    expect(segmentText(text)).toHaveLength(15);
    expect(segmentText(text, 100)).toHaveLength(40);
  });

  it.each([[0], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY]])('refuses a cap of %d', (cap) => {
    expect(() => segmentText('a', cap)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('takes linear time on white space', () => {
    const started = performance.now();
    for (const unit of [' ', '\n', '\n ', '\r\n\t', '-', '\n\t']) segmentText(`a${unit.repeat(200_000)}b`);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
