/** `verify`: may this model be used in block mode? */
import { type Command, Option } from 'commander';
import { cacheFolder } from '../cache-folder.ts';
import { parsePolicy, plainPolicy } from '../engine/policy/policy.ts';
import type { EvaluationRow, VerificationReport } from '../eval/index.ts';
import { invalid } from './errors.ts';
import {
  adapterLines,
  addEvalOptions,
  differenceText,
  type EvalFlags,
  noteSkipped,
  percent,
  scoreCells,
  scoreHead,
  showAnswers,
} from './eval-options.ts';
import { formatMs, formatTable } from './format.ts';
import type { CommandContext } from './io.ts';
import { loadEval, loadOpenEngine } from './lazy.ts';
import { numberOption } from './numbers.ts';
import { Output } from './output.ts';

interface Flags extends EvalFlags {
  readonly tolerance: number;
  readonly beside?: boolean;
}

export function addVerify(program: Command, context: CommandContext): void {
  const command = program
    .command('verify')
    .description('compare block mode with full attention on your questions, and remember the verdict on the model');
  addEvalOptions(command)
    .addOption(
      new Option('--tolerance <share>', 'accuracy that block mode may lose')
        .argParser(numberOption('--tolerance', { min: 0.001, max: 0.5 }))
        .default(0.02),
    )
    .option('--beside', "write the verdict beside the model's file, or the adapter's, too, to travel with it")
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { neededQuestions, readQuestions, rowName, verify } = await loadEval();
  if (flags.data === undefined) throw invalid('--data is missing: name a file of questions');
  const questions = await readQuestions(flags.data, flags);
  const { data, tolerance, maxTokens, parallel, resume } = flags;
  const needed = neededQuestions(tolerance);
  if (questions.length < needed) {
    output.note(
      `warning: ${questions.length} questions cannot give the verdict "block" at this tolerance: ${needed} can`,
    );
  }
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output });
  const { engine, model } = opened;
  const report = await verify({
    engine,
    template: flags.template,
    cacheDir: cacheFolder(io.env),
    beside: flags.beside,
    policies: flags.policy ?? [plainPolicy, ...(flags.repair ?? defaultPolicies.map(parsePolicy))],
    questions,
    tolerance,
    maxTokens,
    answerStyle: flags.short ? 'short' : 'free',
    parallel,
    resume,
    signal: io.signal,
    onProgress: showAnswers(output, 'comparing'),
  }).finally(() => output.progress.clear());
  for (const line of [...card(report, rowName), ...adapterLines(engine.model)]) output.print(line);
  noteSkipped(output, report.skipped);
  output.result({ ...report, data, model: { name: model.name, path: model.path } });
}

/** Tried in this order where plain block mode loses too much. */
const defaultPolicies = ['head:8', 'deviation:0.15', 'head:32'];

function card(report: VerificationReport, nameOf: (row: EvaluationRow) => string): string[] {
  const { policy, policies, besideAt, rows, difference, agreement, firstToken, tolerance, verdict, reasons, storedAt } =
    report;
  return [
    ...formatTable([scoreHead, ...rows.map((row) => [nameOf(row), ...scoreCells(row)])], { left: 1 }),
    `block minus full: ${differenceText(difference)}`,
    ...policies.map(
      (tried) =>
        `${tried.policy} minus full: ${differenceText(tried.difference)}, ${tried.tokens.toFixed(0)} tokens recomputed in ${formatMs(tried.ms)}`,
    ),
    `answers agree: ${percent(agreement.exact)} % are equal, F1 of one against the other ${percent(agreement.f1)}`,
    `first token: KL ${firstToken.meanKl.toFixed(3)} nats (median ${firstToken.medianKl.toFixed(3)}, most ${firstToken.maxKl.toFixed(2)}), the same choice in ${percent(firstToken.sameTop)} %`,
    '',
    `Verdict  ${verdict}${policy === null || policy === plainPolicy.name ? '' : `, policy ${policy}`} (tolerance ${percent(tolerance)} points)`,
    ...reasons.map((reason) => `         ${reason}`),
    `Stored   ${storedAt ?? 'nowhere: the cache folder cannot be written'}`,
    ...(besideAt === null ? [] : [`         ${besideAt}`]),
  ];
}
