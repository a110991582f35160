/**
 * The rows of the paper's Table 1 on held-out reading tasks: two sets of weights, before and after block fine-tuning, in
 * both modes and with positions that are not re-encoded.
 */
import type { Mode } from '@block-attention/engine/internal/engine';
import { runJobs } from '../packages/engine/src/eval/run-jobs.ts';
import { bootstrapInterval, type Interval, mean } from '../packages/engine/src/scoring/bootstrap.ts';
import { scoreAnswer } from '../packages/engine/src/scoring/metrics.ts';
import { type DocumentTaskKind, documentTaskKinds, generateDocumentTasks } from '../src/tasks/document-tasks.ts';
import { Reader } from './placed-reader.ts';

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
  readonly attention: Mode;
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
  /** Path of weights fine-tuned with full attention only, if they are to be measured, too. */
  readonly control?: string | undefined;
  /** Tasks on documents, of 10 passages. */
  readonly count: number;
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** Told after every answer. */
  readonly onProgress: (row: string, done: number, total: number) => void;
}

/** Longest answer: a sentence has about 20 tokens. */
const maxTokens = 40;
/** The seed of the test split. */
export const testSeed = 2024;

export interface Measurement {
  readonly rows: readonly ReproductionRow[];
  /** Per row the score of each question, 0 or 1, in the order of the questions. */
  readonly scores: ReadonlyMap<RowMode, readonly number[]>;
  /** Kind of each question. */
  readonly kinds: readonly DocumentTaskKind[];
  /** Of the control, in both modes. */
  readonly control?: Readonly<Record<Mode, number>>;
}

/** @throws ABORTED; what opening a model throws */
export async function measureRows(options: MeasureOptions): Promise<Measurement> {
  const { count, threads, signal, onProgress, control } = options;
  const tasks = generateDocumentTasks({ seed: testSeed, count, split: 'test' });
  const open = (modelPath: string) => Reader.open({ modelPath, device: 'cpu', threads, template: 'plain' });
  const score = async (reader: Reader, name: string, plan: Pick<RowPlan, 'attention' | 'places'>) => {
    const { attention, places } = plan;
    const scores: number[] = [];
    let done = 0;
    await runJobs([...tasks.entries()], { parallel: 8, signal }, async ([index, task], either) => {
      const { text } = await reader.read(task, { mode: attention, maxTokens, stop: [], signal: either, places });
      scores[index] = scoreAnswer(text, task.answers).accuracy;
      onProgress(name, ++done, count);
    });
    return scores;
  };
  const scoresOf = new Map<RowMode, readonly number[]>();
  for (const weights of ['full', 'block'] as const) {
    await using reader = await open(options[weights]);
    for (const mode of rowModes.filter((name) => rowPlans[name].weights === weights)) {
      scoresOf.set(mode, await score(reader, mode, rowPlans[mode]));
    }
  }
  const rows = rowModes.map((mode) => {
    const scores = scoresOf.get(mode) ?? [];
    return { mode, n: scores.length, accuracy: mean(scores), interval: bootstrapInterval(scores) };
  });
  const measured = { rows, scores: scoresOf, kinds: tasks.map(({ kind }) => kind) };
  if (control === undefined) return measured;
  await using reader = await open(control);
  const accuracy = async (attention: Mode) => mean(await score(reader, `control, ${attention}`, { attention }));
  return { ...measured, control: { full: await accuracy('full'), block: await accuracy('block') } };
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

/** Accuracy of every row on each kind of question, in percent. */
export function kindsTable({ scores, kinds }: Measurement): string[] {
  const cells = (row: readonly number[]) =>
    documentTaskKinds.map((kind) => {
      const own = row.filter((_, i) => kinds[i] === kind);
      return (own.length === 0 ? '' : (mean(own) * 100).toFixed(1)).padStart(11);
    });
  const lines = rowModes.map((mode) => `${rowPlans[mode].name.padEnd(26)}${cells(scores.get(mode) ?? []).join('')}`);
  const counts = documentTaskKinds.map((kind) => String(kinds.filter((each) => each === kind).length).padStart(11));
  return [
    `${'accuracy, %'.padEnd(26)}${documentTaskKinds.map((kind) => kind.padStart(11)).join('')}`,
    ...lines,
    `${'questions'.padEnd(26)}${counts.join('')}`,
  ];
}
