/** `verify`: may this model be used in block mode? */
import { type Command, Option } from 'commander';
import type { VerificationReport } from '../eval/index.ts';
import { addEvalOptions, differenceText, type EvalFlags, percent, percentInterval } from './eval-options.ts';
import { formatCount, formatTable } from './format.ts';
import type { CommandContext } from './io.ts';
import { loadEval } from './lazy.ts';
import { engineOptions } from './model-options.ts';
import { numberOption } from './numbers.ts';
import { Output } from './output.ts';
import { showPull } from './pull.ts';

interface Flags extends EvalFlags {
  readonly tolerance: number;
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
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { neededQuestions, readQuestions, verify } = await loadEval();
  const questions = await readQuestions(flags.data, flags);
  const { data, tolerance, maxTokens, parallel, resume } = flags;
  const needed = neededQuestions(tolerance);
  if (questions.length < needed) {
    output.note(
      `warning: ${questions.length} questions cannot give the verdict "block" at this tolerance: ${needed} can`,
    );
  }
  const { cacheFolder, resolveModel } = await import('../models/index.ts');
  const onPull = (progress: Parameters<typeof showPull>[1]) => showPull(output, progress);
  const model = await resolveModel(flags.model, { env: io.env, signal: io.signal, onProgress: onPull });
  output.progress.show({ label: `loading ${model.name}` });
  const report = await verify({
    ...engineOptions(flags),
    modelPath: model.path,
    cacheDir: cacheFolder(io.env),
    questions,
    tolerance,
    maxTokens,
    parallel,
    resume,
    signal: io.signal,
    onProgress: ({ done, total }) => {
      output.progress.show({
        label: 'comparing',
        done,
        total,
        detail: `${formatCount(done)} of ${formatCount(total)}`,
      });
    },
  }).finally(() => output.progress.clear());
  for (const line of card(report)) output.print(line);
  if (report.skipped > 0)
    output.note(`warning: ${formatCount(report.skipped)} questions exceed the context and were left out`);
  output.result({ ...report, data, model: { name: model.name, path: model.path } });
}

function card(report: VerificationReport): string[] {
  const { full, block, n, difference, agreement, firstToken, tolerance, verdict, reasons, storedAt } = report;
  const row = (name: string, { accuracy, interval, em, f1 }: typeof full) => [
    name,
    formatCount(n),
    percent(accuracy),
    percentInterval(interval),
    percent(em),
    percent(f1),
  ];
  const head = ['', 'questions', 'accuracy', '95 % interval', 'EM', 'F1'];
  return [
    ...formatTable([head, row('full attention', full), row('block mode', block)], { left: 1 }),
    `block minus full: ${differenceText(difference)}`,
    `answers agree: ${percent(agreement.exact)} % are equal, F1 of one against the other ${percent(agreement.f1)}`,
    `first token: KL ${firstToken.meanKl.toFixed(3)} nats (median ${firstToken.medianKl.toFixed(3)}, most ${firstToken.maxKl.toFixed(2)}), the same choice in ${percent(firstToken.sameTop)} %`,
    '',
    `Verdict  ${verdict} (tolerance ${percent(tolerance)} points)`,
    ...reasons.map((reason) => `         ${reason}`),
    `Stored   ${storedAt ?? 'nowhere: the cache folder cannot be written'}`,
  ];
}
