import { describe, expect, it } from 'vitest';
import { parseQuestion } from '../../packages/engine/src/eval/questions/questions.ts';
import { normalizeAnswer } from '../../packages/engine/src/scoring/metrics.ts';
import { generateReadingTasks, type ReadingTask, taskVocabulary } from './reading-tasks.ts';
import { namesOf, taskSplits } from './task-names.ts';

const holding = ({ passages }: ReadingTask, text: string) =>
  passages.flatMap(({ title, text: body }, i) =>
    normalizeAnswer(`${title} ${body}`).includes(normalizeAnswer(text)) ? [i] : [],
  );

describe('generateReadingTasks', () => {
  it.each([2, 3, 10, 20])('puts the answer in exactly one of %i passages', (passages) => {
    for (const task of generateReadingTasks({ seed: 3, count: 200, passages })) {
      expect(task.passages).toHaveLength(passages);
      const [answer = ''] = task.answers;
      expect(holding(task, answer)).toEqual([task.gold.at(-1)]);
      expect(normalizeAnswer(task.question)).not.toContain(normalizeAnswer(answer));
      expect(task.gold).toHaveLength(task.hops);
    }
  });

  it('needs both passages for two hops', () => {
    for (const task of generateReadingTasks({ seed: 4, count: 200, hops: 2 })) {
      const [first = -1, second = -1] = task.gold;
      const title = task.passages[second]?.title ?? '';
      // The question names the work; its passage names the person, whose passage holds the answer.
      expect(task.question).not.toContain(title);
      expect(holding(task, title)).toEqual([first, second].sort((a, b) => a - b));
      const work = / the maker of (the \w+ of \w+)/.exec(task.question)?.[1] ?? 'no work';
      expect(holding(task, work)).toEqual([first]);
    }
  });

  it('has rivals that state what is asked of others', () => {
    for (const task of generateReadingTasks({ seed: 5, count: 100, hops: 1 })) {
      const word = /birthplace|born|live|home|teacher|taught|kept/.exec(task.question)?.[0] ?? 'none';
      const family = { birthplace: /birthplace|born/, born: /birthplace|born/, home: /home|lives/, live: /home|lives/ };
      const pattern = word in family ? family[word as keyof typeof family] : /teacher|taught|kept/;
      expect(task.passages.filter(({ text }) => pattern.test(text)).length).toBeGreaterThanOrEqual(5);
    }
  });

  it('is the same for the same options, and a beginning for a smaller count', () => {
    const tasks = generateReadingTasks({ seed: 6, count: 20, split: 'test' });
    expect(generateReadingTasks({ seed: 6, count: 20, split: 'test' })).toEqual(tasks);
    expect(generateReadingTasks({ seed: 6, count: 5, split: 'test' })).toEqual(tasks.slice(0, 5));
    expect(generateReadingTasks({ seed: 7, count: 20, split: 'test' })).not.toEqual(tasks);
    expect(new Set(tasks.map((task) => JSON.stringify(task))).size).toBe(20);
  });

  it('is this', () => {
    const [task] = generateReadingTasks({ seed: 1, count: 1, passages: 2 });
    expect(task).toMatchInlineSnapshot(`
      {
        "answers": [
          "Elmgard",
        ],
        "gold": [
          1,
        ],
        "hops": 1,
        "passages": [
          {
            "text": "The place where the novel of Rudmouth is kept is Lumgard. The maker of the novel of Rudmouth is Peron Hartley.",
            "title": "The novel of Rudmouth",
          },
          {
            "text": "Peron Hartley was born in Elmgard. Peron Hartley was taught by Haleth Copecroft. The home of Peron Hartley is in Belara.",
            "title": "Peron Hartley",
          },
        ],
        "question": "Where was Peron Hartley born?",
        "response": "Elmgard",
      }
    `);
  });

  it('shares no entity between splits', () => {
    const all = taskSplits.flatMap((split) =>
      (['given', 'family', 'place'] as const).flatMap((k) => namesOf(k, split)),
    );
    expect(new Set(all.map((name) => name.toLowerCase())).size).toBe(3 * 3 * 64);
    const words = taskSplits.map((split) => taskVocabulary(generateReadingTasks({ seed: 8, count: 300, split })));
    const names = new Set(all.map((name) => name.toLowerCase()));
    const [train, validation, test] = words.map((set) => [...set].filter((word) => names.has(word)));
    expect(train?.length).toBeGreaterThan(150);
    for (const name of [...(validation ?? []), ...(test ?? [])]) expect(train).not.toContain(name);
    for (const name of test ?? []) expect(validation).not.toContain(name);
  });

  it('keeps the vocabulary as small as it is told', () => {
    const all = taskVocabulary(generateReadingTasks({ seed: 9, count: 500 })).size;
    const few = taskVocabulary(generateReadingTasks({ seed: 9, count: 500, names: 20 })).size;
    expect(all).toBeGreaterThan(200);
    expect(all).toBeLessThan(250);
    expect(few).toBeLessThan(100);
  });

  it('writes what readQuestions() reads', () => {
    for (const task of generateReadingTasks({ seed: 2, count: 10 })) {
      const { question, answers, passages } = task;
      expect(parseQuestion(JSON.stringify(task), 'x:1')).toEqual({ question, answers, passages });
    }
  });

  it.each([
    [{ count: -1 }, 'count is -1'],
    [{ seed: 0.5 }, 'seed is 0.5'],
    [{ passages: 1 }, 'passages is 1'],
    [{ passages: 21 }, 'passages is 21'],
    [{ names: 19 }, 'names is 19'],
    [{ hops: 3 as 2 }, 'hops is 3'],
    [{ split: 'dev' as 'test' }, 'split is dev'],
  ])('refuses %j', (more, message) => {
    expect(() => generateReadingTasks({ seed: 1, count: 1, ...more })).toThrow(message);
  });
});
