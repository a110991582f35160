/**
 * The rows of the paper's Table 1 on held-out reading tasks: two sets of weights, before and after block fine-tuning, in
 * both modes and with positions that are not re-encoded.
 */
import { bootstrapInterval, type Interval, mean } from '../src/eval/bootstrap.ts';
import { scoreAnswer } from '../src/eval/metrics.ts';
import { Reader } from '../src/eval/reader.ts';
import { generateReadingTasks } from '../src/eval/reading-tasks.ts';
import { runJobs } from '../src/eval/run-jobs.ts';

export const rowModes = [
  'full-ceiling',
  'block-without-finetuning',
  'block-finetuned',
  'block-finetuned-full-mode',
  'without-reencoding',
  'promptcache',
] as const;
export type RowMode = (typeof rowModes)[number];

export interface ReproductionRow {
  readonly mode: RowMode;
  /** Questions. */
  readonly n: number;
  /** Share of answers that hold the gold answer. */
  readonly accuracy: number;
  /** 95 % interval of the accuracy. */
  readonly interval: Interval;
}

interface RowPlan {
  readonly name: string;
  /** Accuracy in the paper, average of its four data sets, percent (Table 1, Llama-3.1-8B). */
  readonly paper: number;
  readonly weights: 'full' | 'block';
  readonly attention: 'full' | 'block';
  readonly places?: (tokens: readonly number[]) => { readonly starts: number[]; readonly first: number };
}

/** Tokens of a slot: more than any passage of the tasks has. */
const slotTokens = 64;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Keys stay at their local positions, the question follows all tokens. */
const local = (tokens: readonly number[]) => ({ starts: tokens.map(() => 0), first: sum(tokens) });
/** Every passage at the positions of a slot of its own, of fixed size. */
const slots = (tokens: readonly number[]) => ({
  starts: tokens.map((_, i) => i * slotTokens),
  first: tokens.length * slotTokens,
});

export const rowPlans: Readonly<Record<RowMode, RowPlan>> = {
  'full-ceiling': { name: 'full attention (ceiling)', paper: 71.3, weights: 'full', attention: 'full' },
  'block-without-finetuning': { name: 'block, not fine-tuned', paper: 50.0, weights: 'full', attention: 'block' },
  'block-finetuned': { name: 'block fine-tuned', paper: 70.0, weights: 'block', attention: 'block' },
  'block-finetuned-full-mode': { name: 'its full mode', paper: 71.8, weights: 'block', attention: 'full' },
  'without-reencoding': {
    name: 'without re-encoding',
    paper: 68.1,
    weights: 'block',
    attention: 'block',
    places: local,
  },
  promptcache: { name: 'PromptCache', paper: 42.6, weights: 'full', attention: 'block', places: slots },
};

export interface MeasureOptions {
  /** Paths of the weights before and after block fine-tuning. */
  readonly full: string;
  readonly block: string;
  /** Tasks, of 10 passages, half of them with two hops. */
  readonly count: number;
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** Told after every answer. */
  readonly onProgress: (mode: RowMode, done: number, total: number) => void;
}

/** Longest answer: a sentence has about 20 tokens. */
const maxTokens = 40;
/** The seed of the test split. */
export const testSeed = 2024;

export interface Measurement {
  readonly rows: readonly ReproductionRow[];
  /** Per row the score of each question, 0 or 1, in the order of the questions. */
  readonly scores: ReadonlyMap<RowMode, readonly number[]>;
}

/** @throws ABORTED; what opening a model throws */
export async function measureRows(options: MeasureOptions): Promise<Measurement> {
  const { count, threads, signal, onProgress } = options;
  const tasks = generateReadingTasks({ seed: testSeed, count, split: 'test' });
  const scoresOf = new Map<RowMode, number[]>();
  for (const weights of ['full', 'block'] as const) {
    await using reader = await Reader.open({ modelPath: options[weights], device: 'cpu', threads, template: 'plain' });
    for (const mode of rowModes.filter((name) => rowPlans[name].weights === weights)) {
      const { attention, places } = rowPlans[mode];
      const scores: number[] = [];
      let done = 0;
      await runJobs([...tasks.entries()], { parallel: 8, signal }, async ([index, task], either) => {
        const { text } = await reader.read(task, { mode: attention, maxTokens, stop: [], signal: either, places });
        scores[index] = scoreAnswer(text, task.answers).accuracy;
        onProgress(mode, ++done, count);
      });
      scoresOf.set(mode, scores);
    }
  }
  const rows = rowModes.map((mode) => {
    const scores = scoresOf.get(mode) ?? [];
    return { mode, n: scores.length, accuracy: mean(scores), interval: bootstrapInterval(scores) };
  });
  return { rows, scores: scoresOf };
}

/** The paper's figures and ours side by side. */
export function rowsTable(rows: readonly ReproductionRow[]): string[] {
  const percent = (share: number) => (share * 100).toFixed(1);
  const lines = rows.map(({ mode, accuracy, interval: [low, high] }) => {
    const { name, paper } = rowPlans[mode];
    return `${name.padEnd(26)}${paper.toFixed(1).padStart(7)}${percent(accuracy).padStart(9)}   ${percent(low)} to ${percent(high)}`;
  });
  return [`${'accuracy, %'.padEnd(26)}${'paper'.padStart(7)}${'ours'.padStart(9)}   95 % interval`, ...lines];
}
