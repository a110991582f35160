import { describe, expect, it } from 'vitest';
import type { Chunk, SearchHit } from '../types.ts';
import { openWords } from '../words/words.ts';
import { checkExcerpts, excerptsOf, isExcerptOf } from './excerpts.ts';

const words = await openWords('English');

/** A passage whose lines are those of its file, from line 1. */
function hit(path: string, title: string, text: string, rank = 1): SearchHit {
  const lines = text.split('\n');
  let offset = 0;
  const spans = lines.map((line, i) => {
    const span = [offset, i + 1, i + 1] as const;
    offset += line.length + 1;
    return span;
  });
  const chunk: Chunk = {
    id: path,
    root: '/r',
    path,
    type: 'markdown',
    title,
    text,
    startLine: 1,
    endLine: lines.length,
    source: `${path}:1-${lines.length}`,
    spans,
    tokens: 1,
    modifiedAt: 0,
    content: `of ${path}`,
    previous: { title: 'Before', text: 'Something else.', content: 'of another' },
  };
  return { chunk, rank, score: 1, ranks: {}, coverage: 1 };
}

const codes = hit(
  'codes.md',
  'Error codes › Charger',
  'Code: E07; Meaning: fan blocked\nCode: E08; Meaning: relay stuck\nCode: E09; Meaning: too cold',
);
const faq = hit('faq.md', 'Questions', 'The hopper holds 280 g. It is cleaned once a month.\n- Lid: 12 €', 2);

const texts = (question: string, most = 3, hits = [codes, faq]) =>
  excerptsOf(hits, { question, words, most }).map(({ chunk }) => chunk.text);

describe('excerptsOf', () => {
  it('takes the row, the item or the sentence that shares most with the question', () => {
    expect(texts('What does E08 mean?', 1)).toEqual(['Code: E08; Meaning: relay stuck']);
    expect(texts('how much is the lid', 1)).toEqual(['- Lid: 12 €']);
    expect(texts('How often is it cleaned?', 1)).toEqual(['It is cleaned once a month.']);
  });

  it('lets a title tell equal sentences apart, and takes the first found of equals', () => {
    const [red, blue] = ['red.md', 'blue.md'].map((path) =>
      hit(path, `The ${path.slice(0, -3)} lamp`, 'It weighs 3 kg.\nIt is sold out.'),
    ) as [SearchHit, SearchHit];
    const of = (question: string) =>
      excerptsOf([red, blue], { question, words, most: 1 }).map(({ chunk }) => chunk.path);
    expect(of('What weighs the blue lamp?')).toEqual(['blue.md']);
    expect(of('What weighs it?')).toEqual(['red.md']);
  });

  it('takes none that shares no word, none of passages that are one sentence, and no sentence twice', () => {
    expect(texts('Who won the championship?')).toEqual([]);
    expect(texts('What does E08 mean?', 3, [hit('one.md', 'Codes', 'E08: relay stuck')])).toEqual([]);
    expect(texts('What does E08 mean?', 3, [codes, codes])).toEqual(texts('What does E08 mean?'));
    expect(texts('What does E08 mean?', 0)).toEqual([]);
  });

  it('makes chunks that say where they stand and to which content they belong', () => {
    const [row] = excerptsOf([codes], { question: 'relay', words, most: 1 });
    expect(row?.chunk).toMatchObject({
      path: 'codes.md',
      title: 'Error codes › Charger',
      source: 'codes.md:1-3~32-63',
      startLine: 2,
      endLine: 2,
      content: 'of codes.md',
      spans: [[0, 2, 2]],
    });
    expect(codes.chunk.text.slice(32, 63)).toBe(row?.chunk.text);
    expect(row?.chunk).not.toHaveProperty('previous');
    expect(isExcerptOf(row?.chunk.source ?? '', codes.chunk.source)).toBe(true);
    expect(isExcerptOf(row?.chunk.source ?? '', faq.chunk.source)).toBe(false);
    // The lines of one passage may begin like those of another.
    expect(isExcerptOf('codes.md:1-30~2-3', 'codes.md:1-3')).toBe(false);
  });
});

it.each([-1, 1.5, 33, Number.NaN])('refuses %s excerpts', (most) => {
  expect(() => checkExcerpts(most)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error);
});
