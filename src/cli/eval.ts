/** `eval`: accuracy on questions, per attention mode. */
import { type Command, Option } from 'commander';
import type { Mode } from '../engine/index.ts';
import type { EvaluationReport } from '../eval/index.ts';
import { cacheFolder } from '../models/cache-folder.ts';
import { invalid } from './errors.ts';
import { addEvalOptions, differenceText, type EvalFlags, percent, percentInterval } from './eval-options.ts';
import { formatCount, formatDuration, formatTable } from './format.ts';
import type { CommandContext } from './io.ts';
import { loadEval, loadOpenEngine } from './lazy.ts';
import { Output } from './output.ts';

interface Flags extends EvalFlags {
  readonly modes: readonly Mode[];
}

export function addEval(program: Command, context: CommandContext): void {
  const command = program
    .command('eval')
    .description('accuracy on questions with known answers, in block mode and by full attention');
  addEvalOptions(command)
    .addOption(
      new Option('--modes <list>', 'what to measure').argParser(parseModes).default(['full', 'block'], 'full,block'),
    )
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { evaluate, paperAccuracyRows, readQuestions } = await loadEval();
  // What is wrong with the questions shows before a model is loaded.
  const questions = await readQuestions(flags.data, flags);
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output });
  const { engine, model } = opened;
  const { modes, maxTokens, parallel, template, resume, data } = flags;
  const report = await evaluate({
    engine,
    questions,
    modes,
    maxTokens,
    parallel,
    template,
    resume,
    cacheDir: cacheFolder(io.env),
    signal: io.signal,
    onProgress: ({ done, total }) => {
      output.progress.show({
        label: 'answering',
        done,
        total,
        detail: `${formatCount(done)} of ${formatCount(total)}`,
      });
    },
  }).finally(() => output.progress.clear());
  for (const line of table(report)) output.print(line);
  output.print();
  const paper = paperAccuracyRows.map(({ name, twoWiki, hotpotQa, nq, triviaQa, average }) => [
    name,
    ...[twoWiki, hotpotQa, nq, triviaQa, average].map((value) => value.toFixed(1)),
  ]);
  for (const line of formatTable([['the paper, 8B model', '2wiki', 'HotpotQA', 'NQ', 'TriviaQA', 'avg'], ...paper], {
    left: 1,
  })) {
    output.print(output.faint(line));
  }
  output.print();
  const { kvType, attention, threads } = engine;
  output.print(`Model    ${model.name} (${model.path})`);
  output.print(
    `Setting  ${threads} threads, keys and values ${kvType}, answers of at most ${maxTokens} tokens, greedy`,
  );
  output.print(
    `Took     ${formatDuration(report.seconds * 1000)} on ${report.machine.cpu}, ${report.machine.cores} cores`,
  );
  if (report.reused > 0) output.note(`${formatCount(report.reused)} answers came from ${resume}`);
  if (report.skipped > 0)
    output.note(`warning: ${formatCount(report.skipped)} questions exceed the context and were left out`);
  const { rows, ...rest } = report;
  output.result({ rows, ...rest, data, model: { ...engine.model, name: model.name }, kvType, attention, threads });
}

function table({ rows, difference }: EvaluationReport): string[] {
  const cells = rows.map(({ mode, n, accuracy, interval, em, f1 }) => [
    mode === 'full' ? 'full attention' : 'block mode',
    formatCount(n),
    percent(accuracy),
    percentInterval(interval),
    percent(em),
    percent(f1),
  ]);
  return [
    ...formatTable([['', 'questions', 'accuracy', '95 % interval', 'EM', 'F1'], ...cells], { left: 1 }),
    ...(difference === null ? [] : [`block minus full: ${differenceText(difference)}`]),
  ];
}

function parseModes(text: string): Mode[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].map((mode) => {
    if (mode === 'full' || mode === 'block') return mode;
    throw invalid(`--modes is ${JSON.stringify(text)}: give full, block or both, with a comma between`);
  });
}
