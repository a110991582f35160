import { describe, expect, it } from 'vitest';
import { parseMarkdown } from './markdown.ts';

const outline = (text: string) =>
  parseMarkdown(text).sections.map(({ trail, units }) => [trail.join(' > '), ...units.map((unit) => unit.text)]);
const units = (text: string) => parseMarkdown(text).sections.flatMap((section) => section.units);

describe('headings', () => {
  it.each([
    [
      '## Version 4.7 released on 12 March\n',
      [['Version 4.7 released on 12 March', '## Version 4.7 released on 12 March']],
    ],
    ['Contact: 555-0199\n===\n', [['Contact: 555-0199', 'Contact: 555-0199\n===']]],
    [
      '# A\n\n## B\n\n# C\n\ntext\n',
      [
        ['A > B', '## B'],
        ['C', 'text'],
      ],
    ],
    ['# A\n\n## B\n\ntext\n', [['A > B', 'text']]],
    [
      '# A\n\n# A\n',
      [
        ['A', '# A'],
        ['A', '# A'],
      ],
    ],
    [
      'text\n\n# Last',
      [
        ['', 'text'],
        ['Last', '# Last'],
      ],
    ],
  ])('of %j that no text follows are text', (text, expected) => {
    expect(outline(text)).toEqual(expected);
  });
});

describe('comments', () => {
  it.each([
    ['<!-- lint --> text', ['text']],
    ['<!-- a\n\nb --> text\nmore', ['text', 'more']],
    ['<!-- a --> one <!-- b --> two', ['one', 'two']],
    ['<!-- a -->\n\nbelow', ['below']],
    ['<!-- never closed\ntext below\n\n# more', ['never closed\ntext below\n\n# more']],
    ['<!---->x', ['x']],
  ])('of %j hide no text beside them', (text, expected) => {
    expect(units(text).map((unit) => unit.text)).toEqual(expected);
  });

  it('leave the lines right', () => {
    expect(units('# T\n\n<!-- a\nb --> text <!-- c\nd --> last\n')).toMatchObject([
      { text: 'text', startLine: 4, endLine: 4 },
      { text: 'd --> last', startLine: 5, endLine: 5 },
    ]);
  });
});
