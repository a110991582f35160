import * as fc from 'fast-check';
import iconvModule from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { pdfOf } from '../testing/pdf.ts';
import { type ParsedDocument, UnreadableFile } from './document.ts';
import { parseDocument } from './parse-document.ts';

const iconv = iconvModule as unknown as typeof iconvModule.default;
const parse = (name: string, content: string | Uint8Array) =>
  parseDocument(typeof content === 'string' ? Buffer.from(content) : content, name);
const outline = ({ sections }: ParsedDocument) =>
  sections.map(({ trail, units }) => [trail.join(' > '), ...units.map(({ text }) => text)]);
const lines = ({ sections }: ParsedDocument) =>
  sections.flatMap(({ units }) => units.map(({ startLine, endLine }) => [startLine, endLine]));

describe('Markdown', () => {
  it('gives sections by heading, units as they stand, lines of the file', async () => {
    const text =
      '---\ntitle: "The Keys"\n---\nBefore.\n\n# Keys\n\nOne\ntwo.\n\n## Rotation `now`\n\n- a\n- b\n  - c\n\n```sh\nx\n\ny\n```\n';
    const document = await parse('keys.md', text);
    expect(document.title).toBe('The Keys');
    expect(outline(document)).toEqual([
      ['', '---\ntitle: "The Keys"\n---', 'Before.'],
      ['Keys', 'One\ntwo.'],
      ['Keys > Rotation now', '- a', '- b\n  - c', '```sh\nx\n\ny\n```'],
    ]);
    expect(lines(document)).toEqual([
      [1, 3],
      [4, 4],
      [8, 9],
      [13, 13],
      [14, 15],
      [17, 21],
    ]);
  });

  it('gives tables row by row with their header', async () => {
    const { sections } = await parse('t.md', '# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n');
    const header = '| a | b |\n| --- | --- |';
    expect(sections[0]?.units).toMatchObject([
      { text: '| 1 | 2 |', header, startLine: 5 },
      { text: '| 3 | 4 |', header, startLine: 6 },
    ]);
  });

  it('takes long list items apart, and repairs nothing that is broken', async () => {
    const long = `- top\n${Array.from({ length: 40 }, (_, i) => `  - item ${i} ${'x'.repeat(40)}`).join('\n')}\n`;
    const [first, ...items] = (await parse('l.md', long)).sections[0]?.units ?? [];
    expect(first?.text).toBe('- top');
    expect(items).toHaveLength(40);
    expect(outline(await parse('b.md', '# A\n\n[x](y **z <b>\n\n```\nopen'))).toEqual([
      ['A', '[x](y **z <b>', '```\nopen'],
    ]);
  });
});

describe('HTML', () => {
  it('reads what is shown, in sections, with the lines of the file', async () => {
    const page = `<!doctype html><html><head><title>Keys &amp; locks</title><style>p{}</style></head><body>
<nav><a href=/>Home</a></nav>
<h1>Keys</h1>
<p>Rotate   them
yearly.<script>alert(1)</script>
<h2>How</h2><ul><li>First<li>Second <b>step</b></ul>
<table><tr><th>Key<th>Days</tr><tr><td>A<td>30</tr></table>
<pre>
a
  b</pre><footer>Imprint</footer></body></html>`;
    const document = await parse('k.html', page);
    expect(document.title).toBe('Keys & locks');
    expect(outline(document)).toEqual([
      ['Keys', 'Rotate them yearly.'],
      ['Keys > How', '- First', '- Second step', '| A | 30 |', 'a\n  b'],
    ]);
    expect(document.sections[1]?.units[2]?.header).toBe('| Key | Days |\n| --- | --- |');
    expect(lines(document)).toEqual([
      [4, 5],
      [6, 6],
      [6, 6],
      [7, 7],
      [9, 10],
    ]);
  });

  it('prefers the main content', async () => {
    expect(outline(await parse('m.htm', '<div>menu</div><main><p>the body</p></main><div>ads</div>'))).toEqual([
      ['', 'the body'],
    ]);
  });

  it('survives broken tags and nesting without end', async () => {
    const broken = '<p>one<div><table><tr><p>two</table></b></i><li>three<h2>four</p>five';
    expect(
      outline(await parse('x.html', broken))
        .flat()
        .join(' '),
    ).toMatch(/one.*two.*three.*four/);
    const deep = `${'<div>'.repeat(4000)}deep`;
    expect(outline(await parse('d.html', deep))).toEqual([['', 'deep']]);
  });
});

describe('encodings', () => {
  const german = 'Größe und Höhe der Brücke über den Fluß: äußerst schön. '.repeat(8);
  const russian = 'Ключи меняются каждые девяносто дней, и это важно для безопасности. '.repeat(8);
  const japanese = '鍵は九十日ごとに交換されます。これは安全のために重要です。'.repeat(8);
  it.each([
    ['utf-8', german],
    ['utf-16le', russian],
    ['utf-16be', german],
    ['windows-1252', german],
    ['windows-1251', russian],
    ['shift_jis', japanese],
    ['euc-jp', japanese],
  ])('reads %s', async (encoding, text) => {
    const document = await parse('a.txt', iconv.encode(text, encoding, { addBOM: encoding.startsWith('utf-16') }));
    expect(document.sections[0]?.units[0]?.text).toBe(text.trim());
  });

  it('reads UTF-16 without a mark, UTF-8 with a flaw, and what a page declares', async () => {
    const unmarked = await parse('a.txt', iconv.encode('Plain words of text, long enough to tell.', 'utf-16le'));
    expect(unmarked.sections[0]?.units[0]?.text).toMatch(/^Plain words/);
    const flawed = Buffer.concat([Buffer.from('Größe über Höhe '.repeat(20)), Buffer.of(0xff), Buffer.from(' ok')]);
    expect((await parse('a.txt', flawed)).sections[0]?.units[0]?.text).toMatch(/^Größe über.*ok$/);
    const page = iconv.encode('<meta charset="koi8-r"><p>Привет', 'koi8-r');
    expect(outline(await parse('a.html', page))).toEqual([['', 'Привет']]);
  });

  it('gives the same text for all line ends', async () => {
    expect(outline(await parse('a.txt', 'a\r\nb\r\n\r\nc'))).toEqual(outline(await parse('a.txt', 'a\nb\n\nc')));
  });

  it.each([
    ['zeros', Buffer.alloc(1000)],
    ['an image', Buffer.from('89504e470d0a1a0a0000000d49484452000000100000', 'hex')],
    ['control characters', Buffer.from(Array.from({ length: 500 }, (_, i) => i % 32))],
  ])('refuses %s as binary', async (_, bytes) => {
    await expect(parse('a.txt', bytes)).rejects.toThrow(UnreadableFile);
  });
});

describe('tables', () => {
  it('are cut at records, also with line breaks in quotes and a quote that never ends', async () => {
    const { sections } = await parse('a.csv', 'name,note\nA,"two\nlines"\nB,x\n');
    const header = 'name,note';
    expect(sections[0]?.units).toMatchObject([
      { text: 'A,"two\nlines"', startLine: 2, endLine: 3, header },
      { text: 'B,x', startLine: 4, header },
    ]);
    const open = await parse('a.csv', `a,b\n1,"${'x\n'.repeat(500)}`);
    expect(open.sections[0]?.units.length).toBeGreaterThan(3);
  });
});

describe('source code', () => {
  it('gives TypeScript by definition, with the comments above', async () => {
    const body = Array.from({ length: 30 }, (_, i) => `    const value${i} = ${i} * ${i};`).join('\n');
    const text = `import a from 'a';\n\n/** Doc. */\nexport function one(): void {\n  a();\n}\n\nexport class Big {\n  field = 1;\n\n  /** First. */\n  first() {\n${body}\n  }\n\n  second() {\n${body}\n  }\n}\n`;
    const document = await parse('a.ts', text);
    expect(document.sections.map(({ trail }) => trail.join('.'))).toEqual([
      '',
      'one',
      'Big',
      'Big',
      'Big.first',
      'Big.second',
    ]);
    expect(document.sections[1]?.units[0]).toMatchObject({ startLine: 3, endLine: 6 });
    expect(document.sections[4]?.units[0]?.text).toMatch(/^ {2}\/\*\* First/);
  });

  it.each([
    ['a.py', '@deco\ndef run(x):\n    return x\n\nclass A:\n    pass\n', ['run', 'A']],
    ['a.go', 'package a\n\n// Run runs.\nfunc Run() {}\n\ntype Key struct{ ID int }\n', ['', 'Run', 'Key']],
    ['a.rs', 'use x;\n\nimpl Key {\n  fn id(&self) {}\n}\n', ['', 'Key']],
    ['a.java', 'class A {\n  void run() {}\n}\n', ['A']],
    ['a.c', '#include <x.h>\n\nint add(int a, int b) {\n  return a + b;\n}\n', ['', 'add']],
    ['a.rb', 'class A\n  def run\n  end\nend\n', ['A']],
    ['a.php', '<?php\nfunction run() { return 1; }\n', ['', 'run']],
    ['a.sh', 'set -e\nrun() {\n  echo 1\n}\n', ['', 'run']],
  ])('knows definitions in %s', async (name, text, trails) => {
    expect((await parse(name, text)).sections.map(({ trail }) => trail.join('.'))).toEqual(trails);
  });

  it('loses no line with words, whatever the code', async () => {
    const pieces = fc.constantFrom(
      'class A {',
      '}',
      'function f() {',
      '// note',
      'x = 1; y = 2',
      '',
      '  inner()',
      '"""',
      'é',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { minLength: 1, maxLength: 40 }), async (rows) => {
        const text = rows.join('\n');
        const wanted = rows.filter((row) => /[\p{L}\p{N}]/u.test(row)).map((row) => row.trim());
        if (wanted.length === 0) return;
        const document = await parse('a.js', text);
        const found = document.sections.flatMap(({ units }) => units.flatMap((unit) => unit.text.split('\n')));
        const kept = found.map((row) => row.trim()).filter((row) => /[\p{L}\p{N}]/u.test(row));
        expect(kept).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  });
});

describe('PDF', () => {
  it('puts paragraphs together, with headings and pages, without running lines', async () => {
    const page = (n: number) => [
      { text: 'The Manual' },
      { text: `${n}. Chapter`, size: 18 },
      { text: `A sentence on page ${n} that is bro-` },
      { text: 'ken over lines.' },
      { text: '' },
      { text: 'Another paragraph.' },
      { text: String(n) },
    ];
    const document = await parse('a.pdf', pdfOf([1, 2, 3, 4].map(page)));
    expect(outline(document)[1]).toEqual([
      '2. Chapter',
      'A sentence on page 2 that is broken over lines.',
      'Another paragraph.',
    ]);
    expect(document.sections[1]?.units[0]).toMatchObject({ page: 2 });
  });

  it('names pages without text, and refuses a file of such pages', async () => {
    const document = await parse('a.pdf', pdfOf([[{ text: 'Words here.' }], [], []]));
    expect(document.notes).toEqual(['2 of 3 pages have no text (scanned?): 2, 3']);
    await expect(parse('a.pdf', pdfOf([[], []]))).rejects.toThrow(/text recognition/);
  });

  it.each([
    ['cut short', (pdf: Buffer) => pdf.subarray(0, 60)],
    ['no PDF', () => Buffer.from('hello')],
    ['junk after the mark', () => Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(5000, 'x')])],
  ])('refuses one that is %s', async (_, damage) => {
    await expect(parse('a.pdf', damage(pdfOf([[{ text: 'Words.' }]])))).rejects.toThrow(UnreadableFile);
  });
});

describe('any bytes', () => {
  const samples = ['a.md', 'a.html', 'a.txt', 'a.csv', 'a.ts', 'a.py', 'a.json'];
  it('give a document or a reason', async () => {
    const seed = Buffer.from(
      '# T\n\n<p>x</p> | a | b |\n|---|---|\n```js\nfunction f() { return "x" }\n```\n- [ ] y\n',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 20 }),
        async (name, changes) => {
          const bytes = Buffer.from(seed);
          for (const [at, value] of changes) bytes[at] = value;
          const outcome = await parse(name, bytes).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(UnreadableFile);
          else expect((outcome as ParsedDocument).sections.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});
