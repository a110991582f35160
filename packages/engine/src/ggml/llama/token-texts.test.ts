import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenTexts } from './token-texts.ts';

/** Strings as GGUF stores them. */
function stored(texts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(8);
      length.writeUInt32LE(text.length);
      return [length, text];
    }),
  );
}

describe('TokenTexts', () => {
  it('is a set of byte strings that knows the first repeated one', () => {
    const text = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 60 }), text, (texts, other) => {
        const set = new TokenTexts(stored(texts.map((values) => Uint8Array.from(values))), texts.length);
        const keys = texts.map((values) => values.join());
        const repeated = keys.findIndex((key, i) => keys.indexOf(key) < i);
        expect(set.repeated ?? -1).toBe(repeated);
        if (repeated < 0) expect(set.has(Uint8Array.from(other))).toBe(keys.includes(other.join()));
      }),
    );
  });

  it('knows the names of tokens without text', () => {
    const texts = (...list: string[]) => new TokenTexts(stored(list.map((text) => Buffer.from(text))), list.length);
    expect(texts('a', '', '').repeated).toBeUndefined();
    expect(texts('[EMPTY_2]', 'a', '').repeated).toBe(2);
    expect(texts('', 'a', '[EMPTY_0]').repeated).toBe(0);
  });

  it('takes many', () => {
    const list = Array.from({ length: 200_000 }, (_, i) => Buffer.from(`token ${i}`.padEnd(i % 40, 'x')));
    expect(new TokenTexts(stored(list), list.length).repeated).toBeUndefined();
    list.push(list[123_456] ?? Buffer.alloc(0));
    expect(new TokenTexts(stored(list), list.length).repeated).toBe(200_000);
  });
});
