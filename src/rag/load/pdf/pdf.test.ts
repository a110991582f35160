import iconvModule from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { type PdfLine, pdfOf } from '../../testing/pdf.ts';
import { UnreadableFile } from '../document.ts';
import { parsePdf } from './pdf.ts';
import { Hyphens } from './pdf-hyphens.ts';

const iconv = iconvModule as unknown as typeof iconvModule.default;
const codes = (text: string, encoding: string) => iconv.encode(text, encoding).toString('latin1');
const textsOf = async (pdf: Buffer) =>
  (await parsePdf(pdf)).sections.flatMap(({ units }) => units.map(({ text }) => text));

/** Two columns, line by line across both. */
function rows(left: readonly string[], right: readonly string[], top = 700): PdfLine[] {
  return left.flatMap((text, i) => {
    const y = top - 14 * i;
    const other = right[i];
    const line: PdfLine[] = [{ text, at: [72, y] }];
    return other === undefined ? line : [...line, { text: other, at: [320, y] }];
  });
}

describe('fonts', () => {
  const japanese: PdfLine[] = [
    { text: codes('鍵は九十日', 'utf-16be'), cMap: 'UniJIS-UTF16-H' },
    { text: codes('安全のために', 'shift_jis'), cMap: '90ms-RKSJ-H' },
  ];

  it('with predefined character maps are read, alone and beside others', async () => {
    expect((await textsOf(pdfOf([japanese]))).join(' ')).toBe('鍵は九十日 安全のために');
    expect((await textsOf(pdfOf([[{ text: 'Helvetica.' }, ...japanese]]))).join(' ')).toContain('安全のために');
  });

  it('that cannot be read are named', async () => {
    const unknown: PdfLine = { text: codes('AB', 'utf-16be'), cMap: 'NoSuch-H' };
    const mixed = await parsePdf(pdfOf([[{ text: 'Words.' }, unknown], [unknown]]));
    expect(mixed.notes).toEqual([
      'text in some fonts is missing, since they cannot be read: Unknown CMap name: NoSuch-H',
      '1 of 2 pages have no text (scanned, or in such fonts?): 2',
    ]);
    await expect(parsePdf(pdfOf([[unknown]]))).rejects.toThrow(UnreadableFile);
    await expect(parsePdf(pdfOf([[unknown]]))).rejects.toThrow(
      'its text stands in fonts that cannot be read: Unknown CMap name: NoSuch-H',
    );
  });

  it('leave the console as it was', async () => {
    const { warn } = console;
    await parsePdf(Buffer.from('%PDF-1.7\n')).catch(() => undefined);
    expect(console.warn).toBe(warn);
  });
});

describe('headings', () => {
  it('that no text follows are text', async () => {
    const document = await parsePdf(
      pdfOf([
        [
          { text: 'Body text of some length, so that its size is the common one.' },
          { text: 'Version 4.7 released', size: 18 },
          { text: 'on 12 March', size: 18 },
        ],
        [{ text: 'Contact: 555-0199', size: 18 }],
      ]),
    );
    expect(document.sections.map(({ trail, units }) => [trail, units.map(({ text, page }) => [page, text])])).toEqual([
      [[], [[1, 'Body text of some length, so that its size is the common one.']]],
      [['Version 4.7 released on 12 March'], [[1, 'Version 4.7 released on 12 March']]],
      [['Contact: 555-0199'], [[2, 'Contact: 555-0199']]],
    ]);
  });
});

describe('columns', () => {
  const left = [
    'The first column tells',
    'of a bridge which was',
    'built in the year 1931',
    'by people who lived in',
    'the town on the hill.',
  ];
  const right = [
    'While the second one is',
    'about the keys that are',
    'changed every ninety',
    'days by whoever it is',
    'that keeps them safe.',
  ];

  it('that are written row by row are read one after the other', async () => {
    const page: PdfLine[] = [
      { text: 'A line across the whole of the page, from one margin to the other margin of it.', at: [72, 730] },
      ...rows(left, right),
      { text: 'Another line across the whole of the page, from one margin to the other of it.', at: [72, 600] },
    ];
    const texts = await textsOf(pdfOf([page]));
    expect(texts.slice(1, -1)).toEqual([left.join(' '), right.join(' ')]);
  });

  it('may be of different length, and stand below one another', async () => {
    const longer = [...left, 'It goes on for another', 'line or two below it.'];
    const texts = await textsOf(pdfOf([[...rows(longer, right), ...rows(left, right, 500)]]));
    expect(texts).toEqual([longer.join(' '), right.join(' '), left.join(' '), right.join(' ')]);
  });

  it('of a table keep its rows', async () => {
    const names = ['Serpentine tunnel', 'Varn bridge', 'Old mill', 'Harbour wall', 'Town gate'];
    const facts = ['2,318 metres long', 'opened in 1931', 'closed since 2009', 'built of granite', 'restored in 1987'];
    const texts = (await textsOf(pdfOf([rows(names, facts)]))).join(' ');
    expect(texts).toBe(names.map((name, i) => `${name} ${facts[i]}`).join(' '));
  });
});

describe('words', () => {
  it('keep raised and lowered marks', async () => {
    const page: PdfLine[] = [
      { text: 'area of 20 m', at: [72, 740] },
      { text: '2', size: 6.5, at: [134.4, 744] },
      { text: ' in all', at: [138, 740] },
      { text: 'H', at: [72, 600] },
      { text: '2', size: 7, at: [79.9, 597] },
      { text: 'O', at: [83.8, 600] },
      { text: '1', size: 6, at: [72, 504] },
      { text: 'See the note', at: [75.5, 500] },
    ];
    expect(await textsOf(pdfOf([page]))).toEqual(['area of 20 m2 in all', 'H2O', '1 See the note']);
  });

  it.each([
    ['compounds', ['a bridge that is well-', 'known in the town'], 'a bridge that is well-known in the town'],
    ['divided words', ['a sentence that is bro-', 'ken over lines'], 'a sentence that is broken over lines'],
    ['what is whole elsewhere', ['the wellness of a well-', 'ness hotel'], 'the wellness of a wellness hotel'],
    [
      'what is a compound elsewhere',
      ['a low-cost bridge, of low-', 'cost steel'],
      'a low-cost bridge, of low-cost steel',
    ],
    ['names', ['the method of Block-', 'Attention is'], 'the method of Block-Attention is'],
    ['years', ['in the years 2019-', '2020 it was'], 'in the years 2019-2020 it was'],
    ['parts of pairs', ['mit allen Vor-', 'und Nachteilen'], 'mit allen Vor- und Nachteilen'],
  ])('at the end of a line: %s', async (_, lines, expected) => {
    expect(await textsOf(pdfOf([lines.map((text) => ({ text }))]))).toEqual([expected]);
  });
});

describe('Hyphens', () => {
  it('drop those that are soft, whatever the word', () => {
    const lines = ['a well\u00ad', 'known bro\u00ad', 'ken Block\u00ad', 'Attention'];
    expect(new Hyphens(lines).join(lines)).toBe('a wellknown broken BlockAttention');
  });
});

describe('what is filled in', () => {
  it('is read with the words in front of it, or its name', async () => {
    const page: PdfLine[] = [
      { text: 'Full name:', at: [72, 700] },
      { text: 'Date of birth', at: [300, 700] },
      { text: 'Member', at: [72, 680] },
    ];
    const pdf = pdfOf(
      [page],
      [
        { entries: '/FT /Tx /T (f1) /V (Ada Lovelace)', rect: [130, 696, 250, 712] },
        { entries: '/FT /Tx /T (f2) /V (1815)', rect: [375, 696, 450, 712] },
        { entries: '/FT /Tx /T (f3) /TU (Remarks of the office) /V (none)', rect: [72, 500, 300, 600] },
        { entries: '/FT /Ch /T (country) /V (France) /Opt [(France) (Spain)]', rect: [72, 400, 300, 412] },
        {
          entries: '/FT /Btn /T (f5) /V /Yes /AS /Yes /AP << /N << /Yes 3 0 R /Off 3 0 R >> >>',
          rect: [120, 676, 130, 690],
        },
        {
          entries: '/FT /Btn /T (f6) /V /Off /AS /Off /AP << /N << /Yes 3 0 R /Off 3 0 R >> >>',
          rect: [72, 300, 80, 310],
        },
        { entries: '/FT /Tx /T (secret) /Ff 8192 /V (hunter2)', rect: [72, 200, 300, 212] },
        { entries: '/FT /Tx /T (empty)', rect: [72, 100, 300, 112] },
      ],
    );
    const document = await parsePdf(pdf);
    const units = document.sections.flatMap((section) => section.units);
    const filled = units.filter(({ separator }) => separator === '\n').map(({ text }) => text);
    expect(filled).toEqual([
      'Full name: Ada Lovelace',
      'Date of birth: 1815',
      'Remarks of the office: none',
      'country: France',
      'Member: yes',
    ]);
    expect(units.at(-1)).toMatchObject({ page: 1 });
  });

  it('is text enough for a page without other text', async () => {
    const pdf = pdfOf([[]], [{ entries: '/FT /Tx /T (name) /V (Ada)', rect: [0, 0, 9, 9] }]);
    expect(await textsOf(pdf)).toEqual(['name: Ada']);
  });
});
