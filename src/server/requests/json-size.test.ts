import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hasMoreValues } from './json-size.ts';

function valuesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, part) => sum + valuesOf(part), 1);
}

const bytes = (text: string) => new TextEncoder().encode(text);

it('never counts fewer values than a text holds, nor one more per object and list than it holds', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = bytes(JSON.stringify(value));
      const values = valuesOf(value);
      expect(hasMoreValues(text, values - 1)).toBe(true);
      expect(hasMoreValues(text, values * 2)).toBe(false);
    }),
  );
});

it('counts nothing within strings, whatever they escape', () => {
  for (const text of ['[[{,', '\\', '"', '\\"', '\\\\",', '\\\\\\"[[[', '🙂,']) {
    expect(hasMoreValues(bytes(JSON.stringify({ [text]: text })), 2)).toBe(false);
  }
});

it('ends where the answer is known, and at the end of what never ends', () => {
  expect(hasMoreValues(bytes('['.repeat(1000)), 999)).toBe(true);
  expect(hasMoreValues(bytes(`"${'[,\\"'.repeat(1000)}`), 1)).toBe(false);
  expect(hasMoreValues(bytes(''), 1)).toBe(false);
});
