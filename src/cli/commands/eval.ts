/** `eval`: accuracy on questions, per attention mode. */

import { writeFile } from 'node:fs/promises';
import type { Difference, EvaluationReport, EvaluationRow } from '@block-attention/engine/eval';
import type { Mode } from '@block-attention/engine/internal/engine';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { plainPolicy } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import { loadEval, loadOpenEngine } from '../lazy.ts';
import {
  adapterLines,
  addEvalOptions,
  differenceText,
  type EvalFlags,
  keptBytes,
  noteSkipped,
  percent,
  percentInterval,
  scoreCells,
  scoreHead,
  showAnswers,
} from '../options/eval-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatDuration, formatFlops, formatMs, formatTable } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { checkWritable } from '../terminal/svg-file.ts';

interface Flags extends EvalFlags {
  readonly modes: readonly Mode[];
  readonly svg?: string;
}

export function addEval(program: Command, context: CommandContext): void {
  const command = program
    .command('eval')
    .description('measure accuracy on questions with known answers, in block mode and with full attention');
  addEvalOptions(command)
    .addOption(
      new Option('--modes <list>', 'modes to measure').argParser(parseModes).default(['full', 'block'], 'full,block'),
    )
    .option('--svg <file>', 'draw accuracy against time to first token; measures one question at a time')
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  if (flags.svg !== undefined) await checkWritable(flags.svg);
  const { accuracyChart, evaluate, paperAccuracyRows, readQuestions, rowName } = await loadEval();
  // What is wrong with the questions shows before a model is loaded.
  if (flags.data === undefined) throw invalid('--data is missing: name a file of questions');
  const questions = await readQuestions(flags.data, flags);
  const { openEngine } = await loadOpenEngine();
  // Questions over the same passages read them once, in full attention, too.
  await using opened = await openEngine(flags, { io, output, more: { prefixBytes: keptBytes } });
  const { engine, model } = opened;
  const { modes, maxTokens, template, resume, data, svg } = flags;
  const parallel = svg === undefined ? flags.parallel : 1;
  const report = await evaluate({
    engine,
    questions,
    modes,
    policies: flags.policy ?? (flags.repair && [plainPolicy, ...flags.repair]),
    maxTokens,
    answerStyle: flags.short ? 'short' : 'free',
    parallel,
    template,
    resume,
    cacheDir: cacheFolder(io.env),
    signal: io.signal,
    onProgress: showAnswers(output, 'answering'),
  }).finally(() => output.progress.clear());
  for (const line of table(report, rowName)) output.print(line);
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
  for (const line of adapterLines(engine.model)) output.print(line);
  output.print(
    `Setting  ${counted(threads, 'thread')}, keys and values ${kvType}, answers of at most ${maxTokens} tokens, greedy`,
  );
  output.print(
    `Took     ${formatDuration(report.seconds * 1000)} on ${report.machine.cpu}, ${counted(report.machine.cores, 'core')}`,
  );
  if (report.reused > 0) output.note(`${counted(report.reused, 'answer')} came from ${resume}`);
  noteSkipped(output, report.skipped);
  if (svg !== undefined) {
    await writeFile(svg, await accuracyChart(report, { modelName: model.name }));
    output.note(`curve drawn in ${svg}`);
  }
  const { rows, ...rest } = report;
  output.result({ rows, ...rest, data, model: { ...engine.model, name: model.name }, kvType, attention, threads });
}

function table({ rows, difference }: EvaluationReport, nameOf: (row: EvaluationRow) => string): string[] {
  const compared = rows.some(({ gapClosed, nllClosed }) => gapClosed !== null || nllClosed !== null);
  const margins = rows.some(({ margin }) => margin !== null);
  const closed = (share: Difference | null) =>
    share === null ? '' : `${percent(share.value)} (${percentInterval(share.interval)})`;
  const timed = rows.some(({ ttftMs }) => ttftMs !== null);
  const cells = rows.map((row) => [
    nameOf(row),
    ...scoreCells(row),
    ...(margins ? [row.margin === null ? '' : row.margin.toFixed(3)] : []),
    ...(compared
      ? [row.gapClosed === null ? '' : `${percent(row.gapClosed)} %`, closed(row.nllClosed), closed(row.klClosed)]
      : []),
    ...(timed
      ? [row.ttftMs === null ? '' : formatMs(row.ttftMs), row.flops === null ? '' : formatFlops(row.flops)]
      : []),
  ]);
  const more = [
    ...(margins ? ['margin'] : []),
    ...(compared ? ['gap closed', 'NLL closed', 'KL closed'] : []),
    ...(timed ? ['TTFT', 'FLOPs'] : []),
  ];
  const others = rows.flatMap((row) =>
    row.difference === null || row.difference === difference
      ? []
      : [`${nameOf(row)}, minus full: ${differenceText(row.difference)}`],
  );
  return [
    ...formatTable([[...scoreHead, ...more], ...cells], { left: 1 }),
    ...(difference === null ? [] : [`block minus full: ${differenceText(difference)}`]),
    ...others,
  ];
}

function parseModes(text: string): Mode[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].map((mode) => {
    if (mode === 'full' || mode === 'block') return mode;
    throw invalid(`--modes is ${JSON.stringify(text)}: give full, block or both, with a comma between`);
  });
}
