import { describe, expect, it } from 'vitest';
import { docxOf, xlsxOf } from '../testing/office.ts';
import type { ParsedDocument } from './document.ts';
import { parseDocument } from './parse-document.ts';

const parse = (name: string, content: string | Uint8Array) =>
  parseDocument(typeof content === 'string' ? Buffer.from(content) : content, name);
const outline = ({ sections }: ParsedDocument) =>
  sections.map(({ trail, units }) => [trail.join(' > '), ...units.map(({ text }) => text)]);
const places = ({ sections }: ParsedDocument) =>
  sections.flatMap(({ units }) => units.map(({ place, startLine, endLine }) => [place, startLine, endLine]));

describe('mails', () => {
  const head =
    'From: Ida Varn <ida@example.org>\r\nTo: b@example.org, "C, D" <c@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Fri, 01 Mar 2024 10:00:00 +0100\r\n';
  const shown =
    'Subject: Grüße\nFrom: Ida Varn <ida@example.org>\nTo: b@example.org, C, D <c@example.org>\nDate: 2024-03-01 09:00 UTC';
  const part = (type: string, content: string | Uint8Array, name?: string) =>
    `--b\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n${name === undefined ? '' : `Content-Disposition: attachment; filename="${name}"\r\n`}\r\n${Buffer.from(content).toString('base64')}\r\n`;
  const mail = (...parts: readonly string[]) =>
    `${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`;

  it('keep who wrote what to whom and when', async () => {
    const document = await parse('a.eml', `${head}\r\nDear B,\r\nthe fees are due.\r\n\r\nIda\r\n`);
    expect(document.title).toBe('Grüße');
    expect(outline(document)).toEqual([['', shown, 'Dear B,\nthe fees are due.', 'Ida']]);
    const page = await parse('b.eml', mail(part('text/html', '<p>Before.</p><h1>Fees</h1><p>Due <b>now</b>.')));
    expect(outline(page)).toEqual([
      ['', shown, 'Before.'],
      ['Fees', 'Due now.'],
    ]);
  });

  it('have their attachments read, or named with the reason', async () => {
    const inner = mail(part('text/plain', 'Inner.'), part('text/markdown', '# Keys\n\nNinety days.', 'keys.md'));
    const document = await parse(
      'a.eml',
      mail(
        part('text/plain', 'See below.'),
        part(
          'application/octet-stream',
          xlsxOf({
            Spring: [
              ['Item', 'Price', 'Since'],
              ['Apple', 1, 2024],
            ],
          }),
          'prices.xlsx',
        ),
        part('application/octet-stream', inner, 'inner.eml'),
        part('application/octet-stream', 'MZ', 'run.exe'),
        part('application/octet-stream', 'junk', 'bad.docx'),
        part('application/octet-stream', docxOf([]), 'none.docx'),
      ),
    );
    expect(outline(document).slice(1)).toEqual([
      ['prices.xlsx > Spring', '| Apple | 1 | 2024 |'],
      ['inner.eml', shown, 'Inner.'],
      ['inner.eml > keys.md > Keys', 'Ninety days.'],
    ]);
    expect(places(document).slice(2)).toEqual([
      ['prices.xlsx, Spring', 2, 2],
      ['inner.eml', 1, 1],
      ['inner.eml', 1, 1],
      ['inner.eml, keys.md', 3, 3],
    ]);
    expect(document.notes).toEqual([
      'attachment "run.exe" is left out: it is of a type that is not read',
      expect.stringMatching(/^attachment "bad.docx" is left out: it is damaged/),
      'attachment "none.docx" is left out: it holds no text',
    ]);
  });

  it('are not followed into each other without end, and are known by their headers', async () => {
    let nested = mail(part('text/plain', 'Innermost.'));
    for (let i = 0; i < 6; i++)
      nested = mail(part('text/plain', `Depth.`), part('application/octet-stream', nested, 'n.eml'));
    const document = await parse('a.eml', nested);
    expect(JSON.stringify(document)).not.toContain('Innermost');
    expect(document.notes.join()).toContain('it lies more than 3 mails deep');
    await expect(parse('b.eml', 'No mail at all.')).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});

describe('notebooks', () => {
  const cell = (cell_type: string, source: string | string[], outputs?: object[]) => ({ cell_type, source, outputs });
  const notebook = (...cells: object[]) => JSON.stringify({ nbformat: 4, metadata: {}, cells });

  it('keep code and outputs that are text below their headings, by cell', async () => {
    const document = await parse(
      'a.ipynb',
      notebook(
        cell('markdown', ['# Study\n', '\n', 'Words.']),
        cell('markdown', '## Load'),
        cell('code', '\nx = 1\nprint(x)', [
          { output_type: 'stream', text: ['1\n'] },
          {
            output_type: 'display_data',
            data: { 'image/png': 'aGk=', 'text/plain': '<Figure size 640x480 with 1 Axes>' },
          },
          { output_type: 'execute_result', data: { 'text/plain': ['   a\n', '0  1'], 'text/html': '<table>' } },
          { output_type: 'error', ename: 'ValueError', evalue: 'too long', traceback: ['\u001b[31mx'] },
        ]),
        cell('markdown', '## Next\n\n```\nleft open'),
        cell('raw', 'Raw.'),
      ),
    );
    expect(document.title).toBe('Study');
    expect(outline(document)).toEqual([
      ['Study', 'Words.'],
      ['Study > Load', 'x = 1\nprint(x)', 'Output:\n1\n   a\n0  1\nValueError: too long'],
      ['Study > Next', '```\nleft open', 'Raw.'],
    ]);
    expect(places(document)).toEqual([
      ['cell 1', 3, 3],
      ['cell 3', 2, 3],
      ['cell 3', 3, 3],
      ['cell 4', 3, 4],
      ['cell 5', 1, 1],
    ]);
  });

  it('of other kinds of JSON are refused, long outputs cut', async () => {
    await expect(parse('a.ipynb', '{')).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(parse('a.ipynb', '{"cells":[1]}')).rejects.toMatchObject({
      message: 'it is damaged: it is JSON, but not a notebook',
    });
    await expect(parse('a.ipynb', notebook())).rejects.toMatchObject({ code: 'EMPTY' });
    const long = await parse('a.ipynb', notebook(cell('code', 'x', [{ text: 'y'.repeat(20_000) }])));
    expect(long.notes).toEqual(['the output of cell 1 is cut']);
  });
});

describe('RTF', () => {
  const rtf = (body: string) =>
    String.raw`{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil Arial;}}{\*\generator Word;}{\info{\author Ida}}${body}}`;

  it('gives paragraphs, headings by level and tables', async () => {
    const row = (...cells: string[]) =>
      String.raw`\trowd\pard\intbl ${cells.map((cell) => String.raw`${cell}\cell `).join('')}\row `;
    const body = String.raw`\pard\outlinelevel0 Keys\par\pard Caf\'e9 \u8364?1 \{x\}\line next {\b bold} text.\par\outlinelevel1 Doors\par${row('Key', 'Door', 'Owner')}${row('K1', 'North', 'Ida')}\pard After.\par{\pict 89504e47}`;
    const document = await parse('a.rtf', rtf(body));
    expect(outline(document)).toEqual([
      ['Keys', 'Café €1 {x}\nnext bold text.'],
      ['Keys > Doors', '| K1 | North | Ida |', 'After.'],
    ]);
    expect(document.sections[1]?.units[0]?.header).toContain('| Key | Door | Owner |');
  });

  it('reads other code pages, and numbers without what stands in for them', async () => {
    const russian = String.raw`{\rtf1\ansi\ansicpg1251\uc2 \'cf\'f0\'e8 \u1055\'cf\'cfx \u-10179?\'3f\u-8704??!\par}`;
    expect(outline(await parse('a.rtf', russian))).toEqual([['', 'При Пx 😀!']]);
    const japanese = String.raw`{\rtf1\ansi\ansicpg932 \'8c\'ae\par}`;
    expect(outline(await parse('a.rtf', japanese))).toEqual([['', '鍵']]);
  });

  it('refuses what is none, survives what is broken', async () => {
    await expect(parse('a.rtf', 'plain')).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(parse('a.rtf', rtf(''))).rejects.toMatchObject({ code: 'EMPTY' });
    expect(outline(await parse('a.rtf', `${rtf('Text.')}}}} more`))).toEqual([['', 'Text. more']]);
    await expect(parse('a.rtf', `{\\rtf1 ${'{'.repeat(20_000)}`)).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});

describe('JSON lines', () => {
  it('gives a unit per line, fields by name', async () => {
    const document = await parse(
      'a.jsonl',
      '{"id":1,"user":{"name":"Ida","tags":["a","b"]},"note":null}\n\n{broken\n[{"x":1},2]\n"text"\n',
    );
    expect(outline(document)).toEqual([['', 'id: 1; user.name: Ida; user.tags: a, b', '1.x: 1; 2: 2', 'text']]);
    expect(places(document).map(([, line]) => line)).toEqual([1, 4, 5]);
    expect(document.notes).toEqual(['1 of its lines is not JSON: 3']);
    await expect(parse('a.ndjson', '{\n}')).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
