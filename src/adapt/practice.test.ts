import { documentQuestions } from '@block-attention/engine/eval';
import type { Passage } from '@block-attention/engine/internal/prompt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PracticeContext, practice, rounds } from './practice.ts';

const passages: Passage[] = Array.from({ length: 7 }, (_, i) => ({
  id: `/home/someone/river-${i}.md#1`,
  title: `Rivers › River ${i}`,
  text: `River ${i} is ${i + 2}0 km long and carries little water in summer. It rises in the hills of Tessen. It ends in sea ${i}.`,
}));

const all = (given: readonly Passage[], options: Parameters<typeof practice>[1]): PracticeContext[] => [
  ...practice(given, options),
];

describe('practice', () => {
  it('is the same for the same passages, and another with another seed', () => {
    expect(all(passages, { passages: 4 })).toEqual(all(passages, { passages: 4, seed: 1 }));
    expect(all(passages, { passages: 4, seed: 2 })).not.toEqual(all(passages, { passages: 4 }));
    // Fewer are the first of more: a run that goes on finds its place.
    const [first] = practice(passages, { passages: 4 });
    expect(first).toEqual(all(passages, { passages: 4 })[0]);
  });

  it('asks about every passage, in contexts of every size, and nothing that the verification asks', async () => {
    const contexts = all(passages, { passages: 4, questions: 5 });
    expect(contexts).toHaveLength(passages.length * rounds);
    expect(new Set(contexts.map((context) => context.passages.length))).toEqual(new Set([2, 3, 4]));
    const verified = new Set((await documentQuestions(passages)).map(({ question }) => question));
    for (const { questions } of contexts) {
      expect(questions.length).toBeGreaterThanOrEqual(1);
      expect(questions.length).toBeLessThanOrEqual(5);
      expect(new Set(questions).size).toBe(questions.length);
      expect(questions.filter((question) => verified.has(question))).toEqual([]);
    }
    // Each round begins with each passage once: it is in as many contexts at least.
    for (const { text } of passages) {
      const holding = contexts.filter((context) => context.passages.some((passage) => passage.text === text));
      expect(holding.length).toBeGreaterThanOrEqual(rounds);
    }
    // Where a document lies on this machine is not a part of a prompt.
    expect(JSON.stringify(contexts)).not.toContain('someone');
  });

  it('is none of documents without words', () => {
    const numbers = ['1 2 3', '---', '   '].map((text) => ({ text }));
    expect(all(numbers, { passages: 3 })).toEqual([]);
  });

  it('holds its bounds for any text', () => {
    const text = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 400 }));
    const given = fc.array(fc.record({ title: fc.option(text, { nil: undefined }), text }), { maxLength: 6 });
    fc.assert(
      fc.property(given, fc.integer({ min: 1, max: 6 }), (some, most) => {
        for (const { passages: own, questions } of practice(some, { passages: most, questions: 4 })) {
          expect(own.length).toBeLessThanOrEqual(Math.max(2, most));
          expect(questions.length).toBeGreaterThanOrEqual(1);
          expect(questions.length).toBeLessThanOrEqual(4);
          for (const question of questions) expect(question.trim().length).toBeGreaterThan(8);
        }
      }),
      { numRuns: 60 },
    );
  });
});
