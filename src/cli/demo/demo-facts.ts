/**
 * What the demo reads and asks with the embedded model, a reader of short facts: reading tasks of the test split, so no
 * person, place or work of them occurred in its training.
 */
import type { Passage } from '@block-attention/engine/internal/engine';
import { generateReadingTasks } from '../../tasks/reading-tasks.ts';

export interface DemoQuestion {
  readonly question: string;
  /** Words that a right answer contains. */
  readonly expected: string;
}

export interface DemoFacts {
  readonly passages: readonly Passage[];
  /** Three, of one and two hops. */
  readonly questions: readonly DemoQuestion[];
}

export function demoFacts(): DemoFacts {
  const tasks = generateReadingTasks({ seed: 78, count: 1, split: 'test', passages: 16, questions: 3 });
  return {
    passages: tasks[0]?.passages ?? [],
    questions: tasks.map(({ question, answers }) => ({ question, expected: answers[0] ?? '' })),
  };
}
