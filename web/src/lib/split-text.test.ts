import { describe, expect, it } from 'vitest';
import { splitText, titlesOf } from './split-text.ts';

describe('splitText', () => {
  it('cuts at marked lines', () => {
    expect(splitText('one\n\nstill one\n---\n two \r\n ---- \r\n\r\nthree')).toEqual([
      'one\n\nstill one',
      'two',
      'three',
    ]);
  });

  it('packs paragraphs, and loses none', () => {
    const paragraphs = Array.from({ length: 30 }, (_, n) => `${n} ${'word '.repeat(40)}`.trim());
    const parts = splitText(paragraphs.join('\n\n\n'));
    expect(parts.length).toBeGreaterThan(3);
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(1400);
    expect(parts.join('\n\n')).toBe(paragraphs.join('\n\n'));
  });

  it('keeps a long paragraph whole and nothing of nothing', () => {
    expect(splitText('x'.repeat(5000))).toHaveLength(1);
    expect(splitText(' \n\n ')).toEqual([]);
  });
});

describe('titlesOf', () => {
  it('numbers the parts', () => {
    expect(titlesOf('notes.md', 1)).toEqual(['notes']);
    expect(titlesOf('a.b.txt', 2)).toEqual(['a.b (1 of 2)', 'a.b (2 of 2)']);
  });
});
