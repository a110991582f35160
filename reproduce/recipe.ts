/** Every number of the training run. */
import type { DocumentTitles } from '../src/tasks/document-tasks.ts';
import type { ModelShape } from './initial-weights.ts';

export interface Stage {
  readonly name: string;
  /** Most optimizer steps. */
  readonly steps: number;
  /** Ends the stage sooner: a mean loss over `lossWindow` steps. Defaults to none. */
  readonly until?: number;
  /** Numbers of passages of its exercises. */
  readonly passages: readonly number[];
  /** Tokens of a step, in one mode. */
  readonly tokens: number;
  /** Share of exercises that are tasks; the others are facts of many kinds. */
  readonly tasks: number;
  /** Share of tasks that are on documents, where passages depend on each other. */
  readonly documents: number;
  /** What documents are called. */
  readonly titles: DocumentTitles;
  /** Share of questions of two hops in the other tasks. */
  readonly twoHops: number;
  /** What the text of a passage set counts beside its answers; 0 leaves it out. */
  readonly text: number;
  /** Learning rate: from `rate` in a line to `endRate` over all of `steps`. */
  readonly rate: number;
  readonly endRate: number;
  readonly warmup: number;
}

export const shape: ModelShape = { layers: 4, headDim: 32, feedForward: 256, contextTokens: 4096 };

export const optimizer = { beta1: 0.9, beta2: 0.98, weightDecay: 0.01, clip: 1 } as const;

export const lossWindow = 40;

/** With full attention only, from short contexts to long ones, from tasks alone to facts of many kinds. */
export const pretraining: readonly Stage[] = [
  {
    name: 'short',
    steps: 600,
    until: 0.6,
    passages: [2, 3],
    tokens: 1200,
    tasks: 1,
    documents: 0,
    titles: 'place',
    twoHops: 0.5,
    text: 8,
    rate: 2e-3,
    endRate: 2e-3,
    warmup: 50,
  },
  {
    name: 'longer',
    steps: 400,
    passages: [4, 4, 6, 8],
    tokens: 1400,
    tasks: 0.85,
    documents: 0.6,
    titles: 'place',
    twoHops: 0.5,
    text: 0,
    rate: 2e-3,
    endRate: 2e-3,
    warmup: 20,
  },
  {
    name: 'whole',
    steps: 1400,
    passages: [2, 4, 8, 10, 10, 12],
    tokens: 1700,
    tasks: 0.85,
    documents: 0.65,
    titles: 'place',
    twoHops: 0.5,
    text: 0,
    rate: 2e-3,
    endRate: 3e-4,
    warmup: 20,
  },
  {
    name: 'misleading titles',
    steps: 500,
    passages: [4, 8, 10, 10, 10, 12],
    tokens: 1700,
    tasks: 0.85,
    documents: 0.75,
    titles: 'other',
    twoHops: 0.5,
    text: 0,
    rate: 1.5e-3,
    endRate: 1e-4,
    warmup: 20,
  },
];

/**
 * Every exercise in both modes (the paper's block fine-tuning). Documents are called by their subject's family from
 * here on.
 */
export const fineTuning: Stage = {
  name: 'fine-tuning',
  steps: 1200,
  passages: [2, 4, 8, 10, 10, 12, 16],
  tokens: 1100,
  tasks: 0.85,
  documents: 0.7,
  titles: 'family',
  twoHops: 0.5,
  text: 0,
  rate: 1.5e-3,
  endRate: 3e-5,
  warmup: 20,
};

/** Steps of fine-tuning at which accuracy in both modes is taken, for the curve. */
export const curveSteps: readonly number[] = [0, 25, 50, 100, 200, 400, 800, 1200];
/** Validation tasks of a point of the curve. */
export const curveTasks = 200;
