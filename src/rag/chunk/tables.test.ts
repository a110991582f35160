import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ParsedDocument } from '../load/document.ts';
import { parseHtml } from '../load/markup/html.ts';
import { parseMarkdown } from '../load/markup/markdown.ts';
import { parseTable } from '../load/table.ts';
import { chunkDocument } from './chunk-document.ts';
import { namedCells } from './named-cells.ts';
import type { TableForm } from './tables.ts';

/** A word is a token. */
const count = (text: string) => text.match(/\S+/g)?.length ?? 0;
const names = Array.from({ length: 20 }, (_, i) => `Column${i} Name${i}`);

describe('rows of wide tables', () => {
  it.each([
    ['a,b', '1,2', 'a: 1\nb: 2'],
    ['a;b,c', '1;2', 'a: 1\nb,c: 2'],
    ['a\tb', 'x,y\tz', 'a: x,y\nb: z'],
    ['"first, last",b', '"Teller, Mara","said ""no"""', 'first, last: Teller, Mara\nb: said "no"'],
    ['a,b,c', '1,,3', 'a: 1\nc: 3'],
    ['a,b,c', '1,2', 'a: 1\nb: 2'],
    ['a,,c', '1,2,3', 'a: 1\ncolumn 2: 2\nc: 3'],
    ['a,b', '"two\nlines",x', 'a: two lines\nb: x'],
    ['| a | b |\n| --- | --- |', '| 1 \\| 2 | 3 |', 'a: 1 | 2\nb: 3'],
    ['a,b', '5" pipe,x', 'a: 5" pipe\nb: x'],
    ['a,b', ',', ''],
  ])('%j, %j', (header, row, text) => {
    expect(namedCells(header, row)?.join('\n')).toBe(text);
  });

  it.each([
    ['one name', 'x'],
    ['a,b', '1,2,3'],
  ])('are left as they are: %j, %j', (header, row) => {
    expect(namedCells(header, row)).toBeUndefined();
  });

  it('keep every name and value, however few tokens a passage may have', () => {
    const cell = fc.string({
      unit: fc.constantFrom('a', 'b', 'c', 'x', ' ', ',', '"', ';', '|', '\n'),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 5 }), (rows) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const header = 'first name,second name,third name';
        const chunks = chunkDocument(parseTable([header, ...rows.map((row) => row.map(quote).join(','))].join('\n')), {
          path: 'a.csv',
          type: 'table',
          count,
          targetTokens: 8,
        });
        const all = chunks.map(({ text }) => text).join('\n');
        for (const one of rows.flat()) {
          const words = one.match(/[a-cx]+/g) ?? [];
          for (const word of words) expect(all).toContain(word);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('carry the names of their columns into every passage', () => {
    const row = (n: number) => names.map((_, i) => `v${n}x${i}`).join(',');
    const text = `${names.join(',')}\n${row(1)}\n${row(2)}\n`;
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    const chunks = chunkDocument(parseTable(text), { path: 'a.csv', type: 'table', count, targetTokens: 30, onNote });
    const all = chunks.map((chunk) => chunk.text).join('\n');
    for (const [i, name] of names.entries()) expect(all).toContain(`${name}: v2x${i}`);
    for (const chunk of chunks) {
      expect(count(chunk.text)).toBeLessThanOrEqual(30);
      expect(chunk.startLine).toBe(chunk.endLine);
    }
    expect(chunks.at(-1)?.startLine).toBe(3);
    expect(notes).toEqual([]);
  });

  it('have their header in front of them, and a note, where cells cannot be told apart', () => {
    const text = `${names.join(',')}\n${names.map((_, i) => `v${i}`).join(',')},one too many\nalone\n`;
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    const chunks = chunkDocument(parseTable(text), { path: 'a.csv', type: 'table', count, targetTokens: 30, onNote });
    const all = chunks.map((chunk) => chunk.text).join('\n');
    for (const name of names) expect(all).toContain(name);
    expect(all).toContain('one too many');
    expect(notes).toEqual([expect.stringContaining('passage of its own')]);
    expect(chunks[0]?.startLine).toBe(1);
  });

  it('may stand in Markdown', () => {
    const cells = (list: readonly string[]) => `| ${list.join(' | ')} |`;
    const text = `${cells(names)}\n${cells(names.map(() => '---'))}\n${cells(names.map((_, i) => `v${i}`))}\n`;
    const chunks = chunkDocument(parseMarkdown(text), { path: 'a.md', type: 'markdown', count, targetTokens: 30 });
    const all = chunks.map((chunk) => chunk.text).join('\n');
    for (const [i, name] of names.entries()) expect(all).toContain(`${name}: v${i}`);
  });
});

describe('tables in passages', () => {
  const chunksOf = (document: ParsedDocument, tables?: TableForm) =>
    chunkDocument(document, { path: 'a.md', type: 'markdown', count, targetTokens: 60, tables });
  const prices = `# Harbour\n\n## Fees\n\nPer night:\n\n| Boat | Fee |\n|---|--:|\n| Dinghy | 12 € |\n| Yacht \\| big | 80 € |\n\nIn cash.\n`;

  it('are a line per row that says what its columns are, and cites its own line', () => {
    const [chunk, ...others] = chunksOf(parseMarkdown(prices));
    expect(others).toEqual([]);
    expect(chunk).toMatchObject({
      title: 'Harbour › Fees',
      text: 'Per night:\n\nBoat: Dinghy; Fee: 12 €\nBoat: Yacht | big; Fee: 80 €\n\nIn cash.',
      startLine: 5,
      endLine: 12,
    });
    const lines = chunk?.spans.map(([offset, line]) => [chunk.text.slice(offset).split('\n')[0], line]);
    expect(lines).toEqual([
      ['Per night:', 5],
      ['Boat: Dinghy; Fee: 12 €', 9],
      ['Boat: Yacht | big; Fee: 80 €', 10],
      ['In cash.', 12],
    ]);
  });

  it('stand below their header where that is asked for', () => {
    const [chunk] = chunksOf(parseMarkdown(prices), 'markdown');
    expect(chunk?.text).toContain('| Boat | Fee |\n| --- | --- |\n| Dinghy | 12 € |');
  });

  it('give long rows a line for each cell, and names their values where no header says more', () => {
    const long = `| Name | About |\n|---|---|\n| Ida | ${'lengthy-word '.repeat(35).trim()} |\n`;
    expect(chunksOf(parseMarkdown(long))[0]?.text).toMatch(/^Name: Ida\nAbout: lengthy-word/);
    const pairs = parseHtml('<table><tr><td>Owner<td>Ida<tr><td>Town<td>Tessen</table>');
    expect(chunksOf(pairs)[0]?.text).toBe('Owner: Ida\nTown: Tessen');
    const three = parseHtml('<table><tr><td>a<td>b<td>c</table>');
    expect(chunksOf(three)[0]?.text).toBe('| a | b | c |');
  });
});
