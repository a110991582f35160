import { describe, expect, it } from 'vitest';
import { parseQuestion } from '../../packages/engine/src/eval/questions/questions.ts';
import { normalizeAnswer } from '../../packages/engine/src/scoring/metrics.ts';
import { type DocumentTask, documentTaskKinds, documentTitles, generateDocumentTasks } from './document-tasks.ts';
import { namesOf, taskSplits } from './task-names.ts';

const tasks = generateDocumentTasks({ seed: 3, count: 600 });
const ofKind = (kind: DocumentTask['kind']) => tasks.filter((task) => task.kind === kind);
const textsOf = ({ passages, question }: DocumentTask) => [
  question,
  ...passages.flatMap(({ title, text }) => [title, text]),
];
/** Indices of the passages in which a text stands. */
const holding = ({ passages }: DocumentTask, wanted: string) =>
  passages.flatMap(({ title, text }, i) =>
    normalizeAnswer(`${title} ${text}`).includes(normalizeAnswer(wanted)) ? [i] : [],
  );

describe('generateDocumentTasks', () => {
  it.each([4, 5, 6, 10, 20])('puts the answer in exactly one of %i passages', (passages) => {
    for (const task of generateDocumentTasks({ seed: 3, count: 200, passages })) {
      expect(task.passages).toHaveLength(passages);
      const [answer = ''] = task.answers;
      expect(holding(task, answer)).toEqual([task.gold.at(-1)]);
      expect(task.response).toContain(answer);
    }
  });

  it('asks half its questions about what a document goes on with, and some of every kind', () => {
    expect(ofKind('continued').length).toBeGreaterThan(250);
    for (const kind of documentTaskKinds) expect(ofKind(kind).length).toBeGreaterThan(60);
  });

  it('continues without the name, right after the passage that has it and under its title, beside rivals', () => {
    for (const task of ofKind('continued')) {
      const [first = -1, second = -1] = task.gold;
      expect(second).toBe(first + 1);
      const [opening, going] = [task.passages[first], task.passages[second]];
      expect(going?.title).toBe(opening?.title);
      const name = /\p{Lu}\w+ \p{Lu}\w+/u.exec(task.question)?.[0] ?? 'none';
      expect(holding(task, name)).toContain(first);
      expect(`${going?.title} ${going?.text}`).not.toContain(name);
      const sentence = going?.text.split(/(?<=\.) /).find((text) => text.includes(task.answers[0] ?? 'none')) ?? '';
      const words = sentence.slice(0, sentence.lastIndexOf(' '));
      // Two other documents say the same of others.
      expect(task.passages.filter(({ text }) => text.includes(words))).toHaveLength(3);
    }
  });

  it('calls documents by their subject, by another, or by neither', () => {
    for (const titles of documentTitles) {
      for (const task of generateDocumentTasks({ seed: 5, count: 60, titles }).filter((t) => t.kind === 'continued')) {
        const { title = '' } = task.passages[task.gold[0] ?? -1] ?? {};
        const called = /^The (\w+) /.exec(title)?.[1] ?? 'none';
        const subject = /\p{Lu}\w+ \p{Lu}\w+/u.exec(task.question)?.[0] ?? 'none';
        expect(subject.endsWith(` ${called}`)).toBe(titles === 'family');
        const others = task.passages.filter(
          ({ text }) => new RegExp(` ${called}\\b`).test(text) && !text.includes(subject),
        );
        expect(others.length > 0).toBe(titles === 'other');
      }
    }
  });

  it('lets the later of two passages on one subject count', () => {
    for (const task of ofKind('newest')) {
      const [last = -1] = task.gold;
      const title = task.passages[last]?.title;
      const both = task.passages.flatMap((passage, i) => (passage.title === title ? [i] : []));
      expect(both).toHaveLength(2);
      expect(both.at(-1)).toBe(last);
    }
  });

  it('names the maker in the first hop only', () => {
    for (const task of ofKind('two-hop')) {
      const [first = -1, second = -1] = task.gold;
      const maker = /made by ([^.]+)\./.exec(task.passages[first]?.text ?? '')?.[1] ?? 'none';
      expect(task.question).not.toContain(maker);
      expect(holding(task, maker)).toContain(second);
    }
  });

  it('is the same for the same options, and a beginning for a smaller count', () => {
    expect(generateDocumentTasks({ seed: 3, count: 600 })).toEqual(tasks);
    expect(generateDocumentTasks({ seed: 3, count: 5 })).toEqual(tasks.slice(0, 5));
    expect(generateDocumentTasks({ seed: 4, count: 5 })).not.toEqual(tasks.slice(0, 5));
    expect(new Set(generateDocumentTasks({ seed: 3, count: 1, questions: 4 }).map((t) => t.passages)).size).toBe(1);
  });

  it('shares no entity between splits', () => {
    const names = taskSplits.map((split) => {
      const own = new Set((['given', 'family', 'place'] as const).flatMap((kind) => namesOf(kind, split)));
      const words = generateDocumentTasks({ seed: 8, count: 100, split }).flatMap(textsOf);
      return { own, words: new Set(words.flatMap((text) => text.match(/\p{L}+/gu) ?? [])) };
    });
    for (const { words } of names)
      expect(names.filter(({ own }) => [...words].some((word) => own.has(word)))).toHaveLength(1);
  });

  it('writes what readQuestions() reads', () => {
    for (const task of tasks.slice(0, 20)) {
      const { question, answers, passages } = task;
      expect(parseQuestion(JSON.stringify(task), 'x:1')).toEqual({ question, answers, passages });
    }
  });

  it.each([
    [{ count: -1 }, 'count is -1'],
    [{ passages: 3 }, 'passages is 3'],
    [{ passages: 21 }, 'passages is 21'],
    [{ questions: 0 }, 'questions is 0'],
    [{ split: 'dev' as 'test' }, 'split is dev'],
    [{ titles: 'none' as 'place' }, 'titles is none'],
  ])('refuses %j', (more, message) => {
    expect(() => generateDocumentTasks({ seed: 1, count: 1, ...more })).toThrow(message);
  });
});
