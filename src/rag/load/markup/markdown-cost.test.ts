import { describe, expect, it } from 'vitest';
import { parseMarkdown } from './markdown.ts';
import { tooCostly } from './markdown-cost.ts';

const lists = (depth: number) => Array.from({ length: depth }, (_, i) => `${'  '.repeat(i)}- item ${i}`).join('\n');

describe('tooCostly', () => {
  // Each takes the parser a minute or many, or ends it.
  it.each([
    ['lists in lists', lists(3000)],
    ['lists on a line', `${'- '.repeat(4000)}x`],
    ['numbered lists on a line', `${'1. '.repeat(4000)}x`],
    ['quotes on a line', `${'>'.repeat(20_000)} x`],
    ['quotes and lists', Array.from({ length: 5000 }, () => `${'> - '.repeat(60)}x`).join('\n')],
    ['text far within lists', `${lists(290)}\n${`${' '.repeat(580)}text\n`.repeat(5000)}`],
    ['emphasis', '*a_'.repeat(50_000)],
    ['emphasis over lines', '*a_\n'.repeat(50_000)],
    ['emphasis in a quote', '> *a_\n'.repeat(50_000)],
    ['links', '[a]('.repeat(50_000)],
    ['references', '[a]['.repeat(50_000)],
  ])('finds %s, which are read as text', (_, text) => {
    expect(tooCostly(text)).toMatch(/./);
    const { sections, notes } = parseMarkdown(text);
    expect(sections[0]?.units.map((unit) => unit.text).join('\n\n')).toBe(text.trimEnd());
    expect(notes).toEqual([expect.stringMatching(/^read as plain text, since .* for Markdown$/)]);
  });

  it.each([
    ['300 lists in one another', lists(300)],
    ['500 quotes in one another', `${'>'.repeat(500)} x`],
    ['a long list', '- **a** item with `code` and [a link](x)\n'.repeat(50_000)],
    ['a long table', `|a|b|\n|---|---|\n${'| **a** | *b* [c](d) |\n'.repeat(20_000)}`],
    ['much code', `\`\`\`js\n${`${' '.repeat(40)}a[b] * c_d[e];\n`.repeat(50_000)}\`\`\`\n`],
    ['code in a list', `- a\n\n  ~~~\n${`${' '.repeat(40)}a[b] * c_d[e];\n`.repeat(50_000)}  ~~~\n`],
    ['many paragraphs', 'Some *text* with __marks__ and [links](x).\n\n'.repeat(50_000)],
    ['much JSON in a fence of tildes', `~~~\n${'[[[[[[1]]]]]],\n'.repeat(50_000)}~~~\n`],
  ])('lets %s be', (_, text) => {
    expect(tooCostly(text)).toBeUndefined();
  });
});
