import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentText } from './segment-text.ts';

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
