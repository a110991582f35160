/** `adapt`: makes block mode safe for a model on the user's own documents. */

import { cacheFolder } from '@block-attention/engine/internal/platform';
import { plainPolicy } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import type { AdaptPlan, AdaptProgress, AdaptReport } from '../../adapt/index.ts';
import { loadAdapt, loadEval, loadOpenEngine } from '../lazy.ts';
import { differenceText, percent } from '../options/eval-options.ts';
import type { IndexFlags } from '../options/index-options.ts';
import { addModelOptions, engineOptions, type ModelOptions } from '../options/model-options.ts';
import { numberOption } from '../options/numbers.ts';
import { triedLines, verdictLines } from '../options/verdict-lines.ts';
import { passagesIn } from '../options/verify-documents.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatCount, formatDuration } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface Flags extends ModelOptions, IndexFlags {
  readonly documents: string;
  readonly minutes: number;
  readonly out?: string;
  readonly questions?: string;
  readonly passages: number;
  readonly contexts?: number;
  readonly tolerance: number;
  readonly lora: number;
  readonly lr?: number;
  readonly seed: number;
  readonly resume?: boolean;
  readonly json?: boolean;
}

export function addAdapt(program: Command, context: CommandContext): void {
  const command = program
    .command('adapt')
    .description('train and verify an adapter that makes block mode accurate enough for a model on your documents')
    .requiredOption('--documents <source>', 'a folder of documents, the folder of an index, or `index`');
  addModelOptions(command)
    .option('--index <dir>', 'folder of the index (default: index in the cache folder)')
    .option(
      '--out <dir>',
      'folder for the adapter and all other results (default: adapted-MODEL in the current folder)',
    )
    .option(
      '--questions <file>',
      'questions to verify with, JSONL as of `verify` (default: some made from the documents)',
    );
  const number = (flag: string, help: string, range: Parameters<typeof numberOption>[1], given?: number) => {
    const option = new Option(`${flag} <n>`, help).argParser(numberOption(flag, range));
    command.addOption(given === undefined ? option : option.default(given));
  };
  const whole = { min: 1, whole: true } as const;
  number('--minutes', 'time limit in minutes', { min: 0.1, max: 100_000 }, 30);
  number('--passages', 'maximum passages of a question', { ...whole, min: 2 }, 5);
  number('--contexts', 'contexts to practise on (default: what the time allows)', whole);
  number(
    '--tolerance',
    "what block mode may lose of the probability of full attention's own answers",
    { min: 0.001, max: 0.5 },
    0.05,
  );
  number('--lora', 'rank of the adapter', { ...whole, max: 1024 }, 16);
  number('--lr', "peak learning rate (default: one that fits the model's width)", { min: 1e-12, max: 1 });
  number(
    '--seed',
    'seed of the contexts, the questions and the start of the adapter',
    { min: 0, max: 2 ** 31, whole: true },
    1,
  );
  command
    .option('--resume', 'continue with what is in --out')
    .option('--json', 'result as one line of JSON')
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const {
    documents,
    minutes,
    passages: passagesPerQuestion,
    contexts,
    tolerance,
    lora: rank,
    lr,
    seed,
    resume,
  } = flags;
  const output = new Output(io, flags);
  const { readQuestions } = await loadEval();
  const questions = flags.questions === undefined ? undefined : await readQuestions(flags.questions);
  const { passages, model } = await readDocuments(flags, { io, output });
  const { adaptersOf } = await loadOpenEngine();
  const adapter = adaptersOf(flags, model);
  if (passages.length < 2)
    throw invalid(`--documents ${documents} holds ${counted(passages.length, 'passage')}: name more text`);
  const out = flags.out ?? `adapted-${model.name}`;
  const { adapt } = await loadAdapt();
  const report = await adapt({
    engine: { ...engineOptions(flags), adapter, modelPath: model.path, cacheDir: cacheFolder(io.env) },
    passages,
    out,
    minutes,
    passagesPerQuestion,
    questions,
    contexts,
    tolerance,
    rank,
    learningRate: lr,
    seed,
    resume,
    signal: io.signal,
    onPlan: (plan) => {
      for (const line of planLines(plan, minutes)) output.note(line);
    },
    onProgress: (progress) => show(output, progress),
  }).finally(() => output.progress.clear());
  for (const line of card(report, [model.name, ...adapter.flatMap((path) => ['--adapter', path])])) output.print(line);
  output.result({ ...report, model: { name: model.name, path: model.path }, documents });
}

/** What the documents hold, cut for this model. The engine is closed again: training wants its memory. */
async function readDocuments(flags: Flags, { io, output }: { io: CommandContext['io']; output: Output }) {
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output });
  output.progress.show({ label: 'reading documents' });
  const passages = await passagesIn(flags, { io, output, engine: opened.engine });
  output.progress.clear();
  return { passages, model: opened.model };
}

function planLines(plan: AdaptPlan, minutes: number): string[] {
  const { contexts, steps, passages, policy, limit, answerSeconds, trainingSeconds, verifySeconds, spentSeconds } =
    plan;
  const seconds = spentSeconds + answerSeconds + trainingSeconds + verifySeconds;
  const of = (value: number) => formatDuration(value * 1000);
  return [
    `${counted(passages, 'passage')}; ${counted(contexts, 'context')} to practise on, ` +
      `${reasons[limit]}; policy ${policy}`,
    `about ${of(seconds)}: ${of(answerSeconds)} for the model's own answers, ${of(trainingSeconds)} for ${counted(steps, 'step')}, at most ${of(verifySeconds)} to verify`,
    ...(seconds > minutes * 66
      ? [`warning: fewer contexts teach nothing, and that is more than --minutes ${minutes}`]
      : []),
  ];
}

const reasons = {
  time: 'what the time allows',
  documents: 'all that the documents are good for',
  asked: 'as asked for',
};

function show(output: Output, progress: AdaptProgress): void {
  const label = { questions: 'writing questions', measuring: 'measuring speed', answers: "the model's own answers" };
  if (progress.stage === 'training') {
    const { step, steps, divergence = 0, secondsLeft, validation } = progress.training;
    const apart = validation?.block;
    if (apart !== undefined) {
      const { divergence: kl = 0, agreement = 0 } = apart;
      output.note(
        `step ${step} of ${steps}: KL from full attention ${kl.toFixed(3)}, same token in ${percent(agreement)} %`,
      );
    }
    const detail = `step ${step} of ${steps}  KL ${divergence.toFixed(3)}  ${formatDuration(secondsLeft * 1000)} left`;
    output.progress.show({ label: 'training', done: step, total: steps, detail });
  } else if (progress.stage === 'verifying') {
    const { done, total, remainingMs } = progress;
    const left = remainingMs === undefined ? '' : `, at most ${formatDuration(remainingMs)} left`;
    output.progress.show({
      label: 'verifying',
      done,
      total,
      detail: `${formatCount(done)} of ${formatCount(total)}${left}`,
    });
  } else if (progress.stage === 'answers') {
    const { done, total } = progress;
    output.progress.show({
      label: label.answers,
      done,
      total,
      detail: `${formatCount(done)} of ${formatCount(total)} contexts`,
    });
  } else {
    output.progress.show({ label: label[progress.stage] });
  }
}

function card({ training, verification, seconds, files }: AdaptReport, model: readonly string[]): string[] {
  const { rows, difference, firstToken, n } = verification;
  const of = "probability of full attention's own answers";
  const [before, after] = [training.before?.block, training.after?.block];
  const apart = (value: number | undefined, of: (value: number) => string) => (value === undefined ? '?' : of(value));
  const nats = (value: number) => value.toFixed(3);
  const shares = (value: number) => `${percent(value)} %`;
  return [
    `Block mode from full attention, on held-out contexts: KL ${apart(before?.divergence, nats)} before, ${apart(after?.divergence, nats)} after`,
    `The same likeliest token: ${apart(before?.agreement, shares)} before, ${apart(after?.agreement, shares)} after`,
    `Verified on ${counted(n, 'question')}, ${rows[1]?.policy ?? plainPolicy.name} minus full: ${differenceText(difference, of)}`,
    `First token: KL ${firstToken.meanKl.toFixed(3)} nats, the same choice in ${percent(firstToken.sameTop)} %`,
    ...triedLines(verification, of),
    '',
    ...verdictLines(verification),
    `Writer   ${files.adapter}`,
    `Report   ${files.report}, ${files.chart}`,
    `Took     ${formatDuration(seconds * 1000)}`,
    `Use it   block-attention ask --model ${model.join(' ')} --adapter ${files.adapter} "…"`,
  ];
}
