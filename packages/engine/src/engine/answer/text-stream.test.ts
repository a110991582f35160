import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextAssembler } from './text-stream.ts';

const encoder = new TextEncoder();

/** Cuts bytes at the given places, as tokens may cut characters. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.slice(places[i], end));
}

describe('TextAssembler', () => {
  it('gives back any text, whatever the cuts, in well-formed pieces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat()), (text, cuts) => {
        const assembler = new TextAssembler();
        const out = pieces(encoder.encode(text), cuts).map((piece) => assembler.push(piece));
        out.push(assembler.finish());
        expect(out.join('')).toBe(text);
        expect(assembler.text).toBe(text);
        for (const piece of out) expect(piece.includes('\uFFFD') && !text.includes('\uFFFD')).toBe(false);
      }),
    );
  });

  it('ends at the first stop string, however it is cut, and gives out nothing of it', () => {
    const unit = fc.constantFrom('a', 'b', 'ab', '漢', '\n');
    const texts = fc.array(unit).map((parts) => parts.join(''));
    const stops = fc.array(
      fc.array(unit, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(texts, stops, fc.array(fc.nat()), (text, stop, cuts) => {
        const assembler = new TextAssembler(stop);
        let out = '';
        for (const piece of pieces(encoder.encode(text), cuts)) out += assembler.push(piece);
        out += assembler.finish();
        expect(assembler.stopped).toBe(stop.some((s) => text.includes(s)));
        expect(text.startsWith(out)).toBe(true);
        for (const s of stop) expect(out).not.toContain(s);
        if (!assembler.stopped) expect(out).toBe(text);
      }),
    );
  });

  it('holds back what may become a stop string and gives it out when it does not', () => {
    const assembler = new TextAssembler(['END']);
    expect(assembler.push(encoder.encode('one EN'))).toBe('one ');
    expect(assembler.push(encoder.encode('ough'))).toBe('ENough');
  });

  it('drops one space at the start where the layout has it', () => {
    const text = (...parts: string[]) => {
      const assembler = new TextAssembler(['END'], true);
      return parts.map((part) => assembler.push(encoder.encode(part))).join('') + assembler.finish();
    };
    expect(text(' two', ' words')).toBe('two words');
    expect(text(' ', ' word')).toBe(' word');
    expect(text('', ' word')).toBe('word');
    expect(text('word', ' word')).toBe('word word');
  });

  it('refuses empty and too many stop strings', () => {
    expect(() => new TextAssembler([''])).toThrow(/stop\[0\]/);
    expect(() => new TextAssembler(Array.from({ length: 129 }, (_, i) => String(i)))).toThrow(/at most 128/);
  });

  it('refuses stop strings that are too many, empty or too long', () => {
    expect(() => new TextAssembler(Array(129).fill('a'))).toThrow(/129/);
    expect(() => new TextAssembler(['a', ''])).toThrow(/stop\[1\]/);
    expect(() => new TextAssembler(['a', 'b'.repeat(513)])).toThrow(/stop\[1\] has 513/);
    expect(new TextAssembler(['b'.repeat(512)]).stopped).toBe(false);
  });
});
