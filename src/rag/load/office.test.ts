import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { docxOf, epubOf, pptxOf, xlsxOf, zipOf } from '../testing/office.ts';
import { type ParsedDocument, UnreadableFile } from './document.ts';
import { parseDocument } from './parse-document.ts';

const outline = ({ sections }: ParsedDocument) =>
  sections.map(({ trail, units }) => [trail.join(' > '), ...units.map(({ text }) => text)]);
const places = ({ sections }: ParsedDocument) =>
  sections.flatMap(({ units }) => units.map(({ place, startLine }) => [place, startLine]));
const prices = [
  ['Boat', 'Length', 'Fee'],
  ['Dinghy', '4 m', '12'],
  ['Yacht | big', '12 m', '80'],
];

describe('Word', () => {
  it('gives sections by heading, tables by row, and the title', async () => {
    const document = await parseDocument(
      docxOf([
        ['Title', 'Harbour handbook'],
        'Before.',
        ['heading 1', 'Fees'],
        'Due on Friday.',
        { rows: prices },
        ['heading 2', 'Contacts'],
        {
          rows: [
            ['Harbour master', 'Ida Varn'],
            ['Telephone', '555 0101'],
          ],
        },
      ]),
      'a.docx',
    );
    expect(document.title).toBe('Harbour handbook');
    expect(outline(document)).toEqual([
      ['', 'Before.'],
      ['Fees', 'Due on Friday.', '| Dinghy | 4 m | 12 |', String.raw`| Yacht \| big | 12 m | 80 |`],
      ['Fees > Contacts', '| Harbour master | Ida Varn |', '| Telephone | 555 0101 |'],
    ]);
    const [, fees, contacts] = document.sections;
    expect(fees?.units[1]?.header).toBe('| Boat | Length | Fee |\n| --- | --- | --- |');
    // Paragraphs of the document: cells have their own.
    expect(fees?.units.map(({ startLine }) => startLine)).toEqual([4, 8, 11]);
    expect(contacts?.units[0]?.header).toBeUndefined();
  });

  it('keeps a title that is all there is', async () => {
    const document = await parseDocument(docxOf([['Title', 'Closed on Mondays']]), 'a.docx');
    expect(outline(document)).toEqual([['', 'Closed on Mondays']]);
  });
});

describe('Excel', () => {
  it('gives a section per sheet, rows under the names of their columns, with the row numbers of the sheet', async () => {
    const document = await parseDocument(
      xlsxOf({
        Spring: [
          [],
          [null, 'Prices of spring'],
          [],
          [null, 'Item', 'Price', 'Sold'],
          [null, 'Apple', 0.1 + 0.2, true],
          [null, 'Pear', 12, false],
        ],
        Owner: [
          ['Name', 'Ida'],
          ['Town', 'Tessen'],
        ],
        Years: [
          ['Year', 'Boats'],
          ['1931', 4],
          ['1932', 6],
        ],
        Empty: [],
      }),
      'prices.xlsx',
    );
    expect(outline(document)).toEqual([
      ['Spring', 'Prices of spring', '| Apple | 0.3 | true |', '| Pear | 12 | false |'],
      ['Owner', '| Name | Ida |', '| Town | Tessen |'],
      ['Years', '| 1931 | 4 |', '| 1932 | 6 |'],
    ]);
    expect(places(document)).toEqual([
      ['Spring', 2],
      ['Spring', 5],
      ['Spring', 6],
      ['Owner', 1],
      ['Owner', 2],
      ['Years', 2],
      ['Years', 3],
    ]);
    const headers = document.sections.map(({ units }) => units.at(-1)?.header?.split('\n')[0]);
    expect(headers).toEqual(['| Item | Price | Sold |', undefined, '| Year | Boats |']);
  });
});

describe('PowerPoint', () => {
  it('gives a section per slide, with tables and notes, without the number of the slide', async () => {
    const document = await parseDocument(
      pptxOf([
        { title: 'Bridge works', paragraphs: ['First & last', 'Second'], notes: 'Say it slowly.' },
        { title: 'Costs', rows: prices },
        { paragraphs: ['No title'] },
        { title: 'The end' },
      ]),
      'deck.pptx',
    );
    expect(outline(document)).toEqual([
      ['Bridge works', 'First & last', 'Second', 'Notes: Say it slowly.'],
      ['Costs', '| Dinghy | 4 m | 12 |', String.raw`| Yacht \| big | 12 m | 80 |`],
      ['slide 3', 'No title'],
      ['The end', 'The end'],
    ]);
    expect(document.sections[1]?.units[0]?.header).toContain('| Boat | Length | Fee |');
    expect(places(document).map(([place]) => place)).toEqual([
      'slide 1',
      'slide 1',
      'slide 1',
      'slide 2',
      'slide 2',
      'slide 3',
      'slide 4',
    ]);
  });
});

describe('EPUB', () => {
  const chapters = { 'The storm': '<h1>I</h1><p>It blew.</p>', 'The calm': '<h1>The Calm</h1><p>It was still.</p>' };

  it('gives the chapters in order, called as in the table of contents', async () => {
    const document = await parseDocument(epubOf('The sea', chapters), 'sea.epub');
    expect(document.title).toBe('The sea');
    expect(outline(document)).toEqual([
      ['The storm > I', 'It blew.'],
      ['The Calm', 'It was still.'],
    ]);
    expect(places(document).map(([place]) => place)).toEqual(['The storm', 'The calm']);
  });

  it('tells books that only their reader opens from those whose fonts are obscured', async () => {
    const by = (algorithm: string) => ({
      'META-INF/encryption.xml': `<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:EncryptionMethod Algorithm="${algorithm}"/></enc:EncryptedData></encryption>`,
    });
    const fonts = epubOf('The sea', chapters, by('http://www.idpf.org/2008/embedding'));
    expect((await parseDocument(fonts, 'a.epub')).title).toBe('The sea');
    const sold = epubOf('The sea', chapters, by('http://www.w3.org/2001/04/xmlenc#aes128-cbc'));
    await expect(parseDocument(sold, 'a.epub')).rejects.toMatchObject({ code: 'ENCRYPTED' });
  });
});

describe('what cannot be read', () => {
  const whole = {
    'a.docx': docxOf(['Text.']),
    'a.xlsx': xlsxOf({ A: [['x']] }),
    'a.pptx': pptxOf([{ title: 'x' }]),
    'a.epub': epubOf('x', { x: '<p>x' }),
  };
  const names = Object.keys(whole);
  const compound = (text: string) =>
    Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.from(text, 'utf16le')]);
  const code = (bytes: Uint8Array, name: string) =>
    parseDocument(bytes, name).then(
      () => 'read',
      ({ code, message }) => [code, message],
    );

  it.each(names)('says why: %s', async (name) => {
    expect(await code(Buffer.alloc(0), name)).toEqual(['EMPTY', 'it is empty']);
    expect(await code(Buffer.from('no archive'), name)).toEqual(['DAMAGED', expect.stringMatching(/^it is damaged: /)]);
    expect(await code(zipOf({ 'a.txt': 'another' }), name)).toEqual([
      'DAMAGED',
      expect.stringMatching(/^it is damaged: /),
    ]);
    expect(await code(compound('EncryptedPackage'), name)).toEqual(['ENCRYPTED', 'it is encrypted with a password']);
    expect(await code(compound('WordDocument'), name)).toEqual([
      'UNSUPPORTED',
      expect.stringMatching(/before 2007: save it as an? /),
    ]);
    const bomb = zipOf({ 'word/document.xml': 'x' });
    // What its directory declares the entry to unpack to.
    bomb.writeUInt32LE(300 * 2 ** 20, bomb.indexOf('PK\u0001\u0002') + 24);
    expect(await code(bomb, name)).toEqual(['TOO_LARGE', expect.stringMatching(/^it unpacks to 314572800 bytes/)]);
  });

  it('says that nothing is in them', async () => {
    expect(await code(docxOf([]), 'a.docx')).toEqual(['EMPTY', 'it holds no text']);
    expect(await code(xlsxOf({ A: [] }), 'a.xlsx')).toEqual(['EMPTY', 'it holds no text']);
    expect(await code(pptxOf([{}]), 'a.pptx')).toEqual(['EMPTY', 'it holds no text']);
  });

  it('is all that bytes changed at random lead to', async () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() });
    const changes = fc.tuple(fc.constantFrom(...names), fc.array(change, { minLength: 1, maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(changes, async ([name, list]) => {
        let bytes = Buffer.from(whole[name as keyof typeof whole]);
        for (const { at, to, cut } of list) {
          if (cut && bytes.length > 1) bytes = bytes.subarray(0, 1 + (at % (bytes.length - 1)));
          bytes[at % bytes.length] = to;
        }
        const document = await parseDocument(bytes, name).catch((error: unknown) => error);
        if (!(document instanceof UnreadableFile)) expect(document).toHaveProperty('sections');
      }),
      { numRuns: 150 },
    );
  });
});
