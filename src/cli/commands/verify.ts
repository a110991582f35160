/** `verify`: may this model be used in block mode? */
import { accessSync, constants, mkdirSync } from 'node:fs';
import type { EvaluationRow, VerificationReport, VerifyProgress } from '@block-attention/engine/eval';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { namesFile, plainPolicy, runsOn } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import { defaultModel, modelAliases } from '../../hub/aliases.ts';
import { loadEval, loadOpenEngine } from '../lazy.ts';
import {
  adapterLines,
  addEvalOptions,
  differenceText,
  type EvalFlags,
  keptBytes,
  noteSkipped,
  percent,
  scoreCells,
  scoreHead,
} from '../options/eval-options.ts';
import { numberOption } from '../options/numbers.ts';
import { usualPolicies } from '../options/usual-policies.ts';
import { triedLines, verdictLines } from '../options/verdict-lines.ts';
import { questionsOf } from '../options/verify-documents.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatCount, formatDuration, formatTable } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface Flags extends EvalFlags {
  readonly documents?: string;
  readonly questions?: string;
  readonly index?: string;
  readonly minutes?: number;
  readonly tolerance?: number;
  readonly beside?: boolean;
  readonly into?: string;
}

/** Of accuracy, with known answers. */
const defaultTolerance = 0.02;
/** Of the probability of full attention's own answers, without. */
const defaultOwnTolerance = 0.05;
/** Without known answers the beginning of an answer tells as much as all of it. */
const ownAnswerTokens = 24;
const defaultMinutes = 3;

export function addVerify(program: Command, context: CommandContext): void {
  const command = program
    .command('verify')
    .description('compare block mode with full attention on your questions or documents, and remember the verdict');
  addEvalOptions(command)
    .option(
      '--documents <source>',
      'instead of --data: a folder of documents, or `index`; questions are made from them',
    )
    .option('--questions <file>', 'file that keeps these questions, to read and edit (default: in the cache folder)')
    .option('--index <dir>', 'folder of the index (default: index in the cache folder)')
    .addOption(
      new Option('--minutes <n>', 'time limit in minutes (default: 3 with --documents, else none)').argParser(
        numberOption('--minutes', { min: 0.01, max: 100_000 }),
      ),
    )
    .addOption(
      new Option(
        '--tolerance <share>',
        "what block mode may lose: accuracy (default: 0.02), or with --documents probability of full attention's own answers (default: 0.05)",
      ).argParser(numberOption('--tolerance', { min: 0.001, max: 0.5 })),
    )
    .option('--beside', "write the verdict beside the model's file, or the adapter's, too, to travel with it")
    .option('--into <dir>', 'write a verdict that allows block mode into this folder, too, as a package carries them')
    .action((flags: Flags) => {
      const asked = command.getOptionValueSource('maxTokens') !== 'default';
      return run(flags, asked ? flags.maxTokens : undefined, context);
    });
}

async function run(flags: Flags, askedTokens: number | undefined, { io }: CommandContext): Promise<void> {
  const { data, documents, parallel, resume } = flags;
  if (data === undefined && documents === undefined) {
    throw invalid(
      '--data is missing: name a file of questions with answers, or --documents a folder to make some from',
    );
  }
  if (data !== undefined && documents !== undefined) throw invalid('--data and --documents: give one of them');
  const named = flags.model ?? defaultModel(io.env);
  const carried = modelAliases[named]?.file ?? modelAliases[named]?.adapter;
  if (flags.beside === true && flags.adapter === undefined && carried !== undefined) {
    throw invalid(
      `--beside would replace the verdict that ${named} comes with: leave it out, yours is kept in the cache`,
    );
  }
  if (flags.into !== undefined) checkInto(flags.into, flags);
  const own = documents !== undefined;
  const output = new Output(io, flags);
  const { neededQuestions, readQuestions, rowName, verify } = await loadEval();
  const tolerance = flags.tolerance ?? (own ? defaultOwnTolerance : defaultTolerance);
  const minutes = flags.minutes ?? (own ? defaultMinutes : undefined);
  const maxTokens = askedTokens ?? (own ? ownAnswerTokens : flags.maxTokens);
  const given = data === undefined ? undefined : await readQuestions(data, flags);
  const needed = neededQuestions(tolerance);
  if (given !== undefined && given.length < needed) {
    output.note(
      `warning: ${counted(given.length, 'question')} cannot give the verdict "block" at this tolerance: give at least ${formatCount(needed)}`,
    );
  }
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output, more: { prefixBytes: keptBytes } });
  const { engine, model } = opened;
  const started = performance.now();
  const made = own
    ? await questionsOf({ ...flags, documents }, { io, output, engine, minutes: minutes ?? defaultMinutes })
    : undefined;
  const questions = given ?? made?.questions ?? [];
  if (made !== undefined) {
    output.note(
      `${counted(questions.length, 'question')} ${made.made ? 'in' : 'from'} ${made.path}: edit them as you like`,
    );
  }
  // What making the questions took is part of the time.
  const left = minutes === undefined ? undefined : Math.max(0.01, minutes - (performance.now() - started) / 60_000);
  const report = await verify({
    engine,
    template: flags.template,
    cacheDir: cacheFolder(io.env),
    beside: flags.beside,
    into: flags.into,
    policies: flags.policy ?? [
      plainPolicy,
      ...(flags.repair ??
        usualPolicies(questions, { limited: minutes !== undefined }).filter((one) => runsOn(one, engine.model))),
    ],
    questions,
    labels: own ? 'own' : 'gold',
    tolerance,
    minutes: left,
    maxTokens,
    answerStyle: flags.short ? 'short' : 'free',
    parallel,
    resume,
    signal: io.signal,
    onProgress: (progress) => showComparing(output, progress),
  }).finally(() => output.progress.clear());
  for (const line of [...card(report, rowName), ...adapterLines(engine.model)]) output.print(line);
  noteSkipped(output, report.skipped);
  const source = own ? { documents, questions: made?.path } : { data };
  output.result({ ...report, ...source, model: { name: model.name, path: model.path } });
}

/** Hours of measuring must not end at a folder that cannot be written, nor in a verdict that holds on this machine alone. */
function checkInto(folder: string, { adapter, policy = [] }: Flags): void {
  if (adapter !== undefined)
    throw invalid('--into is for models, --adapter for one: --beside puts the verdict beside it');
  const own = policy.find(namesFile);
  if (own !== undefined) throw invalid(`--into: policy ${own.name} names a file of this machine`);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw invalid(
      `--into is ${folder}, which cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function showComparing(output: Output, { done, total, policy, remainingMs }: VerifyProgress): void {
  const left = remainingMs === undefined ? '' : `, at most ${formatDuration(remainingMs)} left`;
  output.progress.show({
    label: `comparing ${policy}`,
    done,
    total,
    detail: `${formatCount(done)} of ${formatCount(total)}${left}`,
  });
}

function card(report: VerificationReport, nameOf: (row: Pick<EvaluationRow, 'policy'>) => string): string[] {
  const { rows, difference, agreement, firstToken, storedAt, besideAt, intoAt, labels, abstentions } = report;
  const own = labels === 'own';
  const of = own ? "probability of full attention's own answers" : 'accuracy';
  return [
    ...formatTable([scoreHead, ...rows.map((row) => [nameOf(row), ...scoreCells(row)])], { left: 1 }),
    `${nameOf({ policy: rows[1]?.policy ?? null })} minus full: ${differenceText(difference, of)}`,
    ...triedLines(report, of),
    `answers agree: ${percent(agreement.exact)} % are equal, F1 of one against the other ${percent(agreement.f1)}`,
    ...(own
      ? [
          `no answer: full attention on ${abstentions.full} questions, block mode on ${abstentions.block}, both on ${abstentions.both}`,
        ]
      : []),
    `first token: KL ${firstToken.meanKl.toFixed(3)} nats (median ${firstToken.medianKl.toFixed(3)}, most ${firstToken.maxKl.toFixed(2)}), the same choice in ${percent(firstToken.sameTop)} %`,
    '',
    ...verdictLines(report),
    `Stored   ${storedAt ?? 'nowhere: the cache folder cannot be written'}`,
    ...[besideAt, intoAt].filter((path) => path !== null).map((path) => `         ${path}`),
  ];
}
