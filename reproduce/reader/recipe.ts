/** Every number of the reader's training: sets, contexts, stages. Changing one changes the adapter. */
import type { ContextRecipe } from './contexts.ts';
import { codeSet, factSet, manualSet, tableSet } from './manuals.ts';

/** What is trained: the alias, whose file all sources hold alike. */
export const baseModel = 'smollm2-135m';

export interface Stage {
  readonly name: string;
  /** Contexts, each with some ten questions. */
  readonly contexts: number;
  readonly seed: number;
  readonly recipe: ContextRecipe;
  /** Pages to make up, where the recipe asks for some. */
  readonly pages: number;
  readonly learningRate: number;
  /** Contexts a step. Defaults to `batch`. */
  readonly batch?: number;
  readonly maxTokens: number;
  /** Steps between evaluations on held-out contexts; the best weights of these are kept. */
  readonly evaluateEvery: number;
}

/** Policy that passages are trained and served under. */
export const policy = 'anchor:header';
export const batch = 3;
export const rank = 16;
/** Stages at the end whose adapters' mean is what ships. */
export const averaged = 2;

const common = { perUnit: 3, distractors: 3, neighbours: 0.5, unanswered: 0.6, longest: 1400 } as const;

/** Of stages in which most passages stand alone. */
const apart = { batch: 8, learningRate: 8e-4, maxTokens: 3000, evaluateEvery: 80 } as const;
const commonApart = { ...common, perContext: 40, distractors: 5, aloneDistractor: 0.4 } as const;

export const stages: readonly Stage[] = [
  {
    name: 'reading',
    contexts: 256,
    seed: 1,
    pages: 0,
    learningRate: 1e-3,
    maxTokens: 2200,
    evaluateEvery: 42,
    recipe: {
      ...common,
      perContext: 16,
      passages: [1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 8, 10],
      shares: {
        'train-squad1.1': 0.62,
        'train-squadshifts-new-wiki': 0.08,
        'train-2wikimultihopqa-10p': 0.08,
        'train-hotpotqa-10p': 0.05,
        'train-boolq-yesno': 0.05,
        'train-fairytaleqa': 0.05,
        'train-quoref': 0.04,
        'train-squad2.0-unanswerable-10-articles': 0.03,
      },
    },
  },
  {
    name: 'pages',
    contexts: 110,
    seed: 2,
    pages: 1500,
    learningRate: 6e-4,
    maxTokens: 2600,
    evaluateEvery: 50,
    recipe: {
      ...common,
      perUnit: 5,
      perContext: 14,
      passages: [2, 3, 4, 5, 5, 6, 7, 8, 10, 12],
      shares: {
        [manualSet]: 0.42,
        'train-squad1.1': 0.28,
        'train-squadshifts-new-wiki': 0.08,
        'train-2wikimultihopqa-10p': 0.07,
        'train-hotpotqa-10p': 0.05,
        'train-boolq-yesno': 0.04,
        'train-quoref': 0.03,
        'train-squad2.0-unanswerable-10-articles': 0.03,
      },
    },
  },
  {
    name: 'wide',
    contexts: 440,
    seed: 3,
    pages: 1500,
    learningRate: 1e-3,
    maxTokens: 3000,
    evaluateEvery: 50,
    recipe: {
      ...common,
      perUnit: 5,
      perContext: 40,
      passages: [2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10],
      shares: {
        'train-squad1.1': 0.56,
        [manualSet]: 0.14,
        'train-2wikimultihopqa-10p': 0.09,
        'train-squadshifts-new-wiki': 0.08,
        'train-hotpotqa-10p': 0.06,
        'train-boolq-yesno': 0.03,
        'train-quoref': 0.02,
        'train-squad2.0-unanswerable-10-articles': 0.02,
      },
    },
  },
  {
    name: 'more',
    contexts: 310,
    seed: 4,
    pages: 1500,
    learningRate: 8e-4,
    maxTokens: 3000,
    evaluateEvery: 50,
    recipe: {
      ...common,
      perUnit: 5,
      perContext: 40,
      passages: [3, 4, 5, 6, 7, 8, 9, 10, 10, 10],
      shares: {
        'train-squad1.1': 0.5,
        [manualSet]: 0.22,
        'train-2wikimultihopqa-10p': 0.09,
        'train-squadshifts-new-wiki': 0.08,
        'train-hotpotqa-10p': 0.06,
        'train-quoref': 0.02,
        'train-boolq-yesno': 0.02,
        'train-squad2.0-unanswerable-10-articles': 0.01,
      },
    },
  },
  {
    name: 'alone',
    contexts: 2000,
    seed: 5,
    pages: 1500,
    ...apart,
    recipe: {
      ...commonApart,
      perUnit: 5,
      aloneUnanswered: 4,
      passages: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 6, 10],
      shares: {
        'train-nq-open-10p': 0.36,
        'train-squad1.1': 0.3,
        [manualSet]: 0.07,
        [tableSet]: 0.12,
        'train-2wikimultihopqa-10p': 0.04,
        'train-hotpotqa-10p': 0.04,
        'train-squadshifts-new-wiki': 0.04,
        'train-boolq-yesno': 0.02,
        'train-squad2.0-unanswerable-10-articles': 0.01,
      },
    },
  },
  {
    name: 'close',
    contexts: 1900,
    seed: 6,
    pages: 2000,
    ...apart,
    recipe: {
      ...commonApart,
      perUnit: 6,
      aloneUnanswered: 3,
      passages: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 8],
      shares: {
        [factSet]: 0.24,
        [tableSet]: 0.2,
        [manualSet]: 0.06,
        'train-squad1.1': 0.18,
        'train-nq-open-10p': 0.12,
        'train-boolq-yesno': 0.07,
        'train-2wikimultihopqa-10p': 0.05,
        'train-hotpotqa-10p': 0.04,
        'train-squadshifts-new-wiki': 0.03,
        'train-squad2.0-unanswerable-10-articles': 0.01,
      },
    },
  },
  {
    name: 'code',
    contexts: 1900,
    seed: 7,
    pages: 2000,
    ...apart,
    recipe: {
      ...commonApart,
      perUnit: 6,
      aloneUnanswered: 3,
      passages: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 5, 8],
      shares: {
        [codeSet]: 0.18,
        [factSet]: 0.17,
        [tableSet]: 0.17,
        [manualSet]: 0.05,
        'train-squad1.1': 0.15,
        'train-nq-open-10p': 0.11,
        'train-2wikimultihopqa-10p': 0.07,
        'train-hotpotqa-10p': 0.06,
        'train-boolq-yesno': 0.02,
        'train-squadshifts-new-wiki': 0.01,
        'train-squad2.0-unanswerable-10-articles': 0.01,
      },
    },
  },
  {
    name: 'excerpts',
    contexts: 2600,
    seed: 8,
    pages: 2000,
    ...apart,
    batch: 12,
    evaluateEvery: 60,
    recipe: {
      ...commonApart,
      perUnit: 5,
      aloneUnanswered: 3,
      aloneExcerpt: 0.6,
      passages: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3],
      shares: {
        [tableSet]: 0.22,
        [factSet]: 0.17,
        [codeSet]: 0.14,
        [manualSet]: 0.06,
        'train-squad1.1': 0.22,
        'train-nq-open-10p': 0.08,
        'train-2wikimultihopqa-10p': 0.04,
        'train-hotpotqa-10p': 0.03,
        'train-squadshifts-new-wiki': 0.04,
      },
    },
  },
];
