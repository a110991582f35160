import { describe, expect, it } from 'vitest';
import { declaredEncoding, parseHtml } from './html.ts';

const outline = (page: string) =>
  parseHtml(page).sections.map(({ trail, units }) => [trail.join(' > '), ...units.map(({ text }) => text)]);
const texts = (page: string) => outline(page).flatMap(([, ...own]) => own);

describe('tables', () => {
  it('that hold tables are running text', () => {
    expect(texts('<table><tr><td><table><tr><td>A</td></tr></table>B</td><td>C</td></tr></table>')).toEqual([
      'A',
      'B',
      'C',
    ]);
    const inner = '<table><tr><th>k<th>v</tr><tr><td>1<td>2</tr></table>';
    expect(parseHtml(`<table><tr><td>before ${inner} after</td></tr></table>`).sections[0]?.units).toMatchObject([
      { text: 'before' },
      { text: '| 1 | 2 |', header: '| k | v |\n| --- | --- |' },
      { text: 'after' },
    ]);
    const deep = `${'<table><tr><td>x'.repeat(300)}${'</td><td>y</td></tr></table>'.repeat(300)}`;
    expect(texts(deep).join('').replaceAll(/[^xy]/g, '')).toBe('x'.repeat(300) + 'y'.repeat(300));
  });

  it.each([
    ['headings', '<tr><td><h2>H</h2><p>one</p></td><td>two</td></tr>', ['H: one', 'H: two']],
    ['code', '<tr><td><pre>a\n b</pre></td><td>two</td></tr>', [': a\n b', ': two']],
    ['one column', '<tr><td>one</td></tr><tr><td>two</td></tr>', [': one', ': two']],
  ])('with %s place things', (_, rows, expected) => {
    const found = outline(`<table>${rows}</table>`).flatMap(([trail, ...own]) =>
      own.map((text) => `${trail}: ${text}`),
    );
    expect(found).toEqual(expected);
  });

  it('say so themselves that they place things', () => {
    expect(texts('<table role=presentation><tr><td>a<td>b</table>')).toEqual(['a', 'b']);
  });

  it('of data keep the words of a cell apart, and a header that no row follows', () => {
    const page = '<table><caption><h3>T</h3></caption><tr><td><p>a</p><p>b</p><td><ul><li>c<li>d</ul></table>';
    expect(texts(page)).toEqual(['| a b | c d |']);
    expect(texts('<table><tr><th>Opened<th>1931</tr></table>after')).toEqual(['| Opened | 1931 |', 'after']);
  });

  it('have the lines of their own rows', () => {
    const page = '<table>\n<tr><th>a<th>b</tr>\n<tr><td>1<td>2</tr>\n\n<tr><td>3<td>4</tr></table>';
    expect(parseHtml(page).sections[0]?.units).toMatchObject([{ startLine: 3 }, { startLine: 5 }]);
  });
});

describe('main content', () => {
  const text = (words: number) => Array.from({ length: words }, (_, i) => `word${i}`).join(' ');

  it.each([
    ['a teaser', `<article>teaser</article><div class=content>${text(40)}</div>`, /<article> holds 3 % of the text/],
    ['nothing', `<main></main><div>${text(40)}</div>`, /<main> holds 0 % of the text/],
    ['a frame', `<div role=main><p>menu</p></div>${text(40)}`, /<div> holds \d % of the text/],
  ])('is not what is marked, if that is %s', (_, page, note) => {
    expect(texts(page).join(' ')).toContain(text(40));
    expect(parseHtml(page).notes).toEqual([expect.stringMatching(note)]);
  });

  it('is what is marked, if that holds most', () => {
    for (const tag of ['main', 'article', 'div role=main']) {
      const page = `<div>menu</div><${tag}>${text(40)}</${tag.split(' ')[0]}><nav>${text(90)}</nav>`;
      expect(texts(page)).toEqual([text(40)]);
      expect(parseHtml(page).notes).toEqual([]);
    }
  });

  it('may stand in navigation or a footer', () => {
    const page = `<div>x</div><nav><ul><li>${text(40)}</ul></nav><footer>imprint</footer>`;
    expect(texts(page)).toEqual(['x', `- ${text(40)}`, 'imprint']);
    expect(parseHtml(page).notes).toEqual([expect.stringMatching(/navigation or footers/)]);
  });
});

describe('forms', () => {
  it('are read, their controls left out', () => {
    const page =
      '<form id=aspnetForm><h1>T</h1><p>Body <select><option>x</select><textarea>y</textarea><input value=z><button>Send</button></p></form>';
    expect(outline(page)).toEqual([['T', 'Body']]);
  });

  it('keep the buttons that open panels', () => {
    const page =
      '<form><h3><button>One?</button></h3><p>First.</p><button aria-expanded=false>Two?</button><p>Second.</p></form>';
    expect(outline(page)).toEqual([['One?', 'First.', 'Two?', 'Second.']]);
    expect(texts('<button>Outside</button>')).toEqual(['Outside']);
  });
});

describe('headings', () => {
  it('are text where none follows', () => {
    const page = '<h1>Help</h1><h2>Where is it?</h2>\n<h2>Contact: 555-0199</h2><h2>With text</h2><p>t</p>';
    expect(outline(page)).toEqual([
      ['Help > Where is it?', 'Where is it?'],
      ['Help > Contact: 555-0199', 'Contact: 555-0199'],
      ['Help > With text', 't'],
    ]);
    expect(parseHtml(page).sections[1]?.units).toMatchObject([{ startLine: 2, endLine: 2 }]);
  });

  it('are text where they are too long for a title', () => {
    const long = 'word '.repeat(40).trim();
    expect(outline(`<h1>${long}</h1><p>t</p>`)).toEqual([[long, long, 't']]);
  });

  it('that are all there is make a document', () => {
    expect(outline('<h2>Version 4.7 released on 12 March</h2>')).toHaveLength(1);
  });
});

describe('declaredEncoding', () => {
  it.each([
    ['<meta charset=koi8-r>', 'koi8-r'],
    ['<meta http-equiv="Content-Type" content="text/html; charset=iso_8859-1:1987">', 'iso_8859-1:1987'],
    ['<?xml version="1.0" encoding="windows-1251"?><html>', 'windows-1251'],
    ['<?xml version="1.0" encoding="utf-8"?><meta charset="gbk">', 'gbk'],
    ['<p>charset=x', undefined],
  ])('of %s is %s', (page, expected) => {
    expect(declaredEncoding(Buffer.from(page))).toBe(expected);
  });
});
