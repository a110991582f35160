import { expect, it } from 'vitest';
import { printable, printableLine } from './io.ts';

it('leaves no character that steers a terminal, and names no line break either', () => {
  const name = 'a\u001b[31m\nb\r\tc\u2028d\u0007.md';
  expect(printable(name)).toBe('a[31m\nb\tc\u2028d.md');
  expect(printableLine(name)).toBe('a[31m b c d.md');
});
