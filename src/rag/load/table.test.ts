import { describe, expect, it } from 'vitest';
import { parseTable } from './table.ts';

const rows = (text: string) => parseTable(text).sections[0]?.units.map((unit) => unit.text);
const lines = (text: string) =>
  parseTable(text).sections[0]?.units.map(({ startLine, endLine }) => [startLine, endLine]);

describe('a quote', () => {
  it.each([
    [
      'of inches',
      'part,size\n5" pipe,1\n6" pipe,2\nelbow,3\n7" pipe,4\n',
      ['5" pipe,1', '6" pipe,2', 'elbow,3', '7" pipe,4'],
    ],
    ['after a word', 'a;b\nsays "hi;1\nno;2\nand "so;3\n', ['says "hi;1', 'no;2', 'and "so;3']],
    ['between other delimiters', 'a,b\nx;"y,1\nz;"w,2\n', ['x;"y,1', 'z;"w,2']],
    ['behind a quoted cell', 'a,b\n"5" pipe,1\n"6" pipe,2\n', ['"5" pipe,1', '"6" pipe,2']],
    ['that is doubled', 'a,b\n"5"" pipe",1\n"say ""\n""",2\n', ['"5"" pipe",1', '"say ""\n""",2']],
  ])('%s parts no rows', (_, text, expected) => {
    expect(rows(text)).toEqual(expected);
  });

  it.each([',', ';', '\t', '|'])('opens a cell of lines behind %j', (delimiter) => {
    const text = `a${delimiter}b\n1${delimiter}"two\nlines"\n"x\n\ny"${delimiter}2\n3${delimiter} "four\nfive"\n`;
    expect(rows(text)).toEqual([`1${delimiter}"two\nlines"`, `"x\n\ny"${delimiter}2`, `3${delimiter} "four\nfive"`]);
    expect(lines(text)).toEqual([
      [2, 3],
      [4, 6],
      [7, 8],
    ]);
  });

  it('that is never closed opens nothing', () => {
    const text = `a,b\n1,"${'x\n'.repeat(300)}`;
    expect(rows(text)).toHaveLength(300);
    // Each row has one; the whole is read in one pass.
    expect(rows(`a,b\n${'"x,1\n'.repeat(20_001)}`)?.join('\n')).toBe('"x,1\n'.repeat(20_001).trimEnd());
  });
});
