/** The options that `eval` and `verify` share: which questions, and how they are answered. */

import type { Difference, EvaluationRow, Interval } from '@block-attention/engine/eval';
import type { ModelInfo } from '@block-attention/engine/internal/engine';
import { type ContextPolicy, parsePolicy } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import { counted, formatCount } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { addModelOptions, type ModelOptions } from './model-options.ts';
import { numberOption } from './numbers.ts';

export interface EvalFlags extends ModelOptions {
  readonly data?: string;
  readonly limit?: number;
  readonly sample?: number;
  readonly passages?: number;
  readonly passagesPerQuestion?: number;
  readonly maxTokens: number;
  readonly short?: boolean;
  readonly parallel: number;
  readonly policy?: readonly ContextPolicy[];
  /** Policies besides `plain`. */
  readonly repair?: readonly ContextPolicy[];
  readonly resume?: string;
  readonly json?: boolean;
}

export function addEvalOptions(command: Command): Command {
  const count = (flag: string, help: string, value?: number) => {
    const option = new Option(`${flag} <n>`, help).argParser(numberOption(flag, { min: 1, whole: true }));
    command.addOption(value === undefined ? option : option.default(value));
  };
  command.option(
    '--data <file>',
    'JSONL, packed with gzip or not, of {question, answers, passages}, {…, ctxs}, {blocks, question, answer} or {title, text, qas}',
  );
  addModelOptions(command);
  count('--limit', 'questions to read, from the first (default: all)');
  count('--sample', 'questions to draw from those, always the same ones (default: all, in their order)');
  count(
    '--passages',
    'passages of each question: those that answer and others, which sets of single paragraphs get from the file (default: as given)',
  );
  count('--passages-per-question', 'passages to keep of each question, from the first (default: all)');
  count('--max-tokens', 'maximum tokens of an answer', 200);
  count('--parallel', 'questions in flight', 4);
  return command
    .addOption(new Option('--policy <list>', policyHelp).argParser(parsePolicies))
    .addOption(
      new Option('--repair <list>', 'the same as --policy, with plain first')
        .argParser(parsePolicies)
        .conflicts('policy'),
    )
    .option('--short', 'ask for a few words copied from the passages')
    .option('--resume <file>', 'continue from the answers in this file, and append to it')
    .option('--json', 'result as one line of JSON');
}

const policyHelp =
  'policies of block mode to measure, cheapest first, with commas between, e.g. plain,head:8,attention:0.1';

function parsePolicies(text: string): ContextPolicy[] {
  return text.split(',').map(parsePolicy);
}

/** Memory for prompts whose beginning comes again. */
export const keptBytes = 256 * 2 ** 20;

/** Columns of a table of scores, the first of which names the row. */
export const scoreHead = ['', 'questions', 'accuracy', '95 % interval', 'EM', 'F1', 'NLL', 'KL', 'abstained'] as const;

export function scoreCells(row: EvaluationRow): string[] {
  const { n, accuracy, interval, em, f1, nll, kl, abstained } = row;
  const nats = (value: number | null) => (value === null ? '' : value.toFixed(3));
  const shares = [percent(accuracy), percentInterval(interval), percent(em), percent(f1)];
  return [formatCount(n), ...shares, nats(nll), nats(kl), formatCount(abstained)];
}

/** Shows how many answers there are. @param label what is done */
export function showAnswers(output: Output, label: string): (progress: { done: number; total: number }) => void {
  return ({ done, total }) => {
    output.progress.show({ label, done, total, detail: `${formatCount(done)} of ${formatCount(total)}` });
  };
}

export function noteSkipped(output: Output, skipped: number): void {
  if (skipped === 0) return;
  output.note(`warning: ${counted(skipped, 'question')} left out: prompt and answer exceed the context`);
}

/** What the model runs with, for cards. */
export function adapterLines({ adapter }: Pick<ModelInfo, 'adapter'>): string[] {
  if (adapter === null) return [];
  const { path, rank, scale, kind, over } = adapter;
  const name = kind === 'writer' ? 'Writer   ' : 'Adapter  ';
  const scaled = scale === 1 ? '' : `, scaled by ${scale}`;
  return [...adapterLines({ adapter: over }), `${name}${path}, rank ${rank}${scaled}`];
}

/** `43.0`: a share in percent. */
export function percent(share: number): string {
  return (share * 100).toFixed(1);
}

/** `33.0 to 53.0`. */
export function percentInterval([low, high]: Interval): string {
  return `${percent(low)} to ${percent(high)}`;
}

/** `-2.0 points of accuracy, 95 % interval -6.0 to 1.0`. */
export function differenceText({ value, interval }: Difference, of = 'accuracy'): string {
  return `${percent(value)} points of ${of}, 95 % interval ${percentInterval(interval)}`;
}
