import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMarkdown } from '../load/markup/markdown.ts';
import { parsePlainText } from '../load/plain-text.ts';
import { parseTable } from '../load/table.ts';
import { chunkDocument } from './chunk-document.ts';
import type { TableForm } from './tables.ts';

/** A word is a token. */
const count = (text: string) => text.match(/\S+/g)?.length ?? 0;
const chunk = (text: string, targetTokens = 20, type: 'markdown' | 'text' = 'markdown', tables?: TableForm) =>
  chunkDocument(type === 'markdown' ? parseMarkdown(text) : parsePlainText(text), {
    path: 'guide/keys.md',
    type,
    count,
    targetTokens,
    tables,
  });
const blockOf = ({ title, text }: { title: string; text: string }) => `${title}\n${text}`;
const words = (n: number, seed: number) =>
  Array.from({ length: n }, (_, i) => `w${(seed * 7919 + i * 31) % 997}`).join(' ');

describe('chunks', () => {
  it('follow sections, and carry their trail', () => {
    const chunks = chunk('Intro.\n\n# Keys\n\nOne.\n\nTwo.\n\n## Rotation\n\nThree.\n');
    expect(chunks.map(({ title, text, startLine, endLine }) => [title, text, startLine, endLine])).toEqual([
      ['Keys', 'Intro.', 1, 1],
      ['Keys', 'One.\n\nTwo.', 5, 7],
      ['Keys › Rotation', 'Three.', 11, 11],
    ]);
    expect(chunk('Text.')[0]?.title).toBe('keys');
  });

  it('hold what fits, never more, and no text twice', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 5, max: 50 }),
        (lengths, target) => {
          const text = lengths.map((length, i) => `${words(length, i)}.`).join('\n\n');
          const chunks = chunk(text, target, 'text');
          for (const { text: own, tokens } of chunks) {
            expect(count(own)).toBeLessThanOrEqual(target);
            expect(tokens).toBeLessThanOrEqual(target);
          }
          const all = chunks.map((own) => own.text).join(' ');
          expect(all.split(/\s+/)).toEqual(text.split(/\s+/));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are the same each time, and a change in one section leaves the others', () => {
    const sections = Array.from({ length: 6 }, (_, i) => `# Part ${i}\n\n${words(70, i)}.\n\n${words(30, i + 50)}.`);
    const before = chunk(sections.join('\n\n')).map(blockOf);
    expect(chunk(sections.join('\n\n')).map(blockOf)).toEqual(before);
    const changed = sections.with(2, '# Part 2\n\nAll new, and much shorter.');
    const after = chunk(changed.join('\n\n')).map(blockOf);
    const other = (block: string) => !block.startsWith('Part 0 › Part 2');
    expect(after.filter((block) => !block.includes('Part 2'))).toEqual(
      before.filter((block) => !block.includes('Part 2')),
    );
    expect(after.filter(other).length).toBeGreaterThan(5);
  });

  it('meet their old boundaries again after an insertion in a long section', () => {
    const paragraphs = Array.from({ length: 200 }, (_, i) => `${words(4 + (i % 5), i)}.`);
    const before = new Set(chunk(paragraphs.join('\n\n'), 30, 'text').map(blockOf));
    const after = chunk(['Something new at the start.', ...paragraphs].join('\n\n'), 30, 'text').map(blockOf);
    expect(after.filter((block) => !before.has(block)).length).toBeLessThan(12);
    expect(after.length).toBeGreaterThan(40);
  });

  it('repeat the header of a table, and name the lines of its rows', () => {
    const rows = Array.from({ length: 20 }, (_, i) => `key${i},${i},some words here`);
    const document = parseTable(`name,days,note\n${rows.join('\n')}\n`);
    const chunks = chunkDocument(document, {
      path: 'a.csv',
      type: 'table',
      count,
      targetTokens: 16,
      tables: 'markdown',
    });
    expect(chunks.length).toBeGreaterThan(3);
    for (const { text } of chunks) expect(text).toMatch(/^name,days,note\nkey/);
    expect(chunks[0]).toMatchObject({ startLine: 2, title: 'a.csv' });
    expect(chunks.at(-1)?.endLine).toBe(21);
  });

  it('keep a table with the sentences around it', () => {
    const table = '| Part | Days |\n|---|---|\n| key | 30 |\n| lock | 90 |';
    const [only, ...others] = chunk(
      `# T\n\nCounted from today:\n\n${table}\n\nNo weekends.\n`,
      60,
      'markdown',
      'markdown',
    );
    expect(others).toEqual([]);
    expect(only?.text).toBe(
      'Counted from today:\n\n| Part | Days |\n| --- | --- |\n| key | 30 |\n| lock | 90 |\n\nNo weekends.',
    );
    expect(only?.spans.map(([offset, from, to]) => [only.text.slice(offset).split('\n')[0], from, to])).toEqual([
      ['Counted from today:', 3, 3],
      ['| Part | Days |', 7, 7],
      ['| key | 30 |', 7, 7],
      ['| lock | 90 |', 8, 8],
      ['No weekends.', 10, 10],
    ]);
    const two = chunk(`# T\n\nOne.\n\n${table}\n\n${table.replace('Days', 'Price')}\n`, 80, 'markdown', 'markdown');
    expect(two.map(({ text }) => text.match(/\| --- \|/g)?.length)).toEqual([2]);
  });

  it('repeat the header in each chunk when a table is too long to stay whole', () => {
    const rows = Array.from({ length: 12 }, (_, i) => `| part${i} | ${i} |`).join('\n');
    for (const target of [20, 25, 30, 41]) {
      const chunks = chunk(
        `# T\n\nBefore it.\n\n| Part | Days |\n|---|---|\n${rows}\n\nBehind it.\n`,
        target,
        'markdown',
        'markdown',
      );
      expect(chunks.length).toBeGreaterThan(2);
      for (const { text, tokens } of chunks) {
        expect(count(text)).toBeLessThanOrEqual(target);
        expect(tokens).toBe(count(text));
        if (text.includes('| part')) expect(text).toMatch(/\| Part \| Days \|\n\| --- \| --- \|\n\| part/);
      }
    }
  });

  it('hold a whole section that fits, whatever its text', () => {
    for (let seed = 0; seed < 20; seed++) {
      const list = Array.from({ length: 8 }, (_, i) => `- ${words(4, seed * 8 + i)}`).join('\n');
      expect(chunk(`# T\n\n${list}\n`, 40)).toHaveLength(1);
    }
  });

  it('cut long paragraphs at sentences, lines of code at lines, and what has neither anywhere', () => {
    const prose = chunk(`${words(12, 1)}. ${words(12, 2)}! ${words(12, 3)}?`, 14, 'text');
    expect(prose.map(({ text }) => text.at(-1))).toEqual(['.', '!', '?']);
    const code = chunk(`\`\`\`\n${Array.from({ length: 30 }, (_, i) => `line ${i} of code`).join('\n')}\n\`\`\``, 20);
    expect(code[1]?.text).toMatch(/^line \d+ of code\n/);
    expect(code[1]?.startLine).toBe((code[0]?.endLine ?? 0) + 1);
    const characters = (text: string) => Math.ceil(text.length / 3);
    const minified = chunkDocument(parsePlainText('😀x'.repeat(2000)), {
      path: 'a',
      type: 'text',
      count: characters,
      targetTokens: 100,
    });
    expect(minified.map(({ text }) => text).join('')).toBe('😀x'.repeat(2000));
    for (const { text } of minified) expect(characters(text)).toBeLessThanOrEqual(100);
  });

  it('know which lines begin where in them', () => {
    const [only] = chunk('# T\n\nOne.\n\n- a\n- b\n', 50);
    expect(only?.spans.map(([offset, from, to]) => [only.text.slice(offset).split('\n')[0], from, to])).toEqual([
      ['One.', 3, 3],
      ['- a', 5, 5],
      ['- b', 6, 6],
    ]);
  });
});
