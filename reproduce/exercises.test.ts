import { describe, expect, it } from 'vitest';
import { nameKinds, namesOf } from '../src/tasks/task-names.ts';
import { type Exercise, makeExercise, unanswered } from './exercises.ts';

const textOf = ({ passages, questions }: Exercise) =>
  [...passages.flatMap(({ title = '', text }) => [title, text]), ...questions.flatMap((q) => Object.values(q))].join(
    '\n',
  );
const exercises = Array.from({ length: 300 }, (_, seed) =>
  makeExercise({ seed, passages: 1 + (seed % 10), questions: 6 }),
);

describe('makeExercise', () => {
  it('uses no name of the validation and test tasks', () => {
    const held = new Set(nameKinds.flatMap((kind) => [...namesOf(kind, 'validation'), ...namesOf(kind, 'test')]));
    for (const exercise of exercises) {
      const words = textOf(exercise).match(/\p{L}+/gu) ?? [];
      expect(words.filter((word) => held.has(word))).toEqual([]);
    }
  });

  it('answers with words of the passages, or says that they do not answer', () => {
    let answered = 0;
    for (const { passages, questions } of exercises) {
      const text = passages
        .map((passage) => `${passage.title ?? ''} ${passage.text}`)
        .join('\n')
        .toLowerCase();
      for (const { response } of questions) {
        if (response === unanswered) continue;
        answered++;
        // A sentence of two hops ends with what was asked for.
        const last = response.replace(/\.$/, '').split(' ').at(-1) ?? '';
        expect(text).toContain(last.toLowerCase());
      }
    }
    expect(answered).toBeGreaterThan(1000);
  });

  it('is the same for the same seed, and another for another', () => {
    expect(makeExercise({ seed: 5, passages: 4, questions: 4 })).toEqual(
      makeExercise({ seed: 5, passages: 4, questions: 4 }),
    );
    expect(new Set(exercises.map(textOf)).size).toBe(exercises.length);
  });
});
