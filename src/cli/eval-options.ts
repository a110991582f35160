/** The options that `eval` and `verify` share: which questions, and how they are answered. */
import { type Command, Option } from 'commander';
import { type ContextPolicy, parsePolicy } from '../engine/policy/policy.ts';
import type { ModelInfo } from '../engine/types.ts';
import type { Difference, Interval, ModeScores } from '../eval/index.ts';
import { formatCount } from './format.ts';
import { addModelOptions, type ModelOptions } from './model-options.ts';
import { numberOption } from './numbers.ts';
import type { Output } from './output.ts';

export interface EvalFlags extends ModelOptions {
  readonly data: string;
  readonly limit?: number;
  readonly passagesPerQuestion?: number;
  readonly maxTokens: number;
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
  command.requiredOption(
    '--data <file>',
    'JSONL of {question, answers, passages}, {…, ctxs} or {blocks, question, answer}',
  );
  addModelOptions(command);
  count('--limit', 'questions to read, from the first (default: all)');
  count('--passages-per-question', 'passages to keep of each question, from the first (default: all)');
  count('--max-tokens', 'longest answer', 200);
  count('--parallel', 'questions in flight', 4);
  return command
    .addOption(new Option('--policy <list>', policyHelp).argParser(parsePolicies))
    .addOption(
      new Option('--repair <list>', 'the same, with plain before them').argParser(parsePolicies).conflicts('policy'),
    )
    .option('--resume <file>', 'go on from the answers in this file, and add to it')
    .option('--json', 'result as one line of JSON');
}

const policyHelp =
  'policies of block mode to measure, cheapest first, with commas between, e.g. plain,head:8,deviation:0.15';

function parsePolicies(text: string): ContextPolicy[] {
  return text.split(',').map(parsePolicy);
}

/** Columns of a table of scores, the first of which names the row. */
export const scoreHead = ['', 'questions', 'accuracy', '95 % interval', 'EM', 'F1'] as const;

export function scoreCells(n: number, { accuracy, interval, em, f1 }: ModeScores): string[] {
  return [formatCount(n), percent(accuracy), percentInterval(interval), percent(em), percent(f1)];
}

/** Shows how many answers there are. @param label what is done */
export function showAnswers(output: Output, label: string): (progress: { done: number; total: number }) => void {
  return ({ done, total }) => {
    output.progress.show({ label, done, total, detail: `${formatCount(done)} of ${formatCount(total)}` });
  };
}

export function noteSkipped(output: Output, skipped: number): void {
  if (skipped === 0) return;
  output.note(`warning: ${formatCount(skipped)} questions exceed the context and were left out`);
}

/** What the model runs with, for cards. */
export function adapterLines({ adapter }: Pick<ModelInfo, 'adapter'>): string[] {
  if (adapter === null) return [];
  return [`Adapter  ${adapter.path}, rank ${adapter.rank}${adapter.scale === 1 ? '' : `, scaled by ${adapter.scale}`}`];
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
export function differenceText({ value, interval }: Difference): string {
  return `${percent(value)} points of accuracy, 95 % interval ${percentInterval(interval)}`;
}
