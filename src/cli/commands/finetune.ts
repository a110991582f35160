/** `finetune`: trains a model for block mode. */

import { type ContextPolicy, parsePolicy } from '@block-attention/engine/internal/policy';
import type {
  FinetuneProgress,
  FinetuneReport,
  FinetuneStart,
  TrainingMode,
  Validation,
} from '@block-attention/engine/train';
import { type Command, Option } from 'commander';
import { loadTraining } from '../lazy.ts';
import { percent } from '../options/eval-options.ts';
import { modelReferenceHelp, repeated } from '../options/model-options.ts';
import { numberOption } from '../options/numbers.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatDuration, formatTable } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { showPull } from './pull.ts';

interface Flags {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  readonly adapter?: readonly string[];
  readonly writer?: boolean;
  readonly lora?: number;
  readonly full?: boolean;
  readonly alpha?: number;
  readonly modes?: readonly TrainingMode[];
  readonly distill?: number;
  readonly blockDropout?: number;
  readonly policy?: ContextPolicy;
  readonly epochs: number;
  readonly batch: number;
  readonly batchTokens: number;
  readonly precision: 'mixed' | 'f32';
  readonly lr?: number;
  readonly warmup: number;
  readonly decay: 'linear' | 'cosine' | 'none';
  readonly weightDecay: number;
  readonly clip: number;
  readonly maxTokens: number;
  readonly passages?: number;
  readonly refusal?: string;
  readonly limit?: number;
  readonly template: 'auto' | 'chat' | 'paper' | 'plain';
  readonly validation?: string;
  readonly validationShare: number;
  readonly evaluateEvery?: number;
  readonly patience: number;
  readonly checkpointEvery: number;
  readonly minutes?: number;
  readonly resume?: boolean;
  readonly merge?: boolean;
  readonly weights: 'f32' | 'f16' | 'q8_0' | 'same';
  readonly seed: number;
  readonly threads?: number;
  readonly json?: boolean;
}

export function addFinetune(program: Command, context: CommandContext): void {
  const command = program
    .command('finetune')
    .description('train a model for block mode: every sample with full attention and with the block mask')
    .requiredOption('--model <ref>', modelReferenceHelp)
    .requiredOption(
      '--data <file>',
      'JSONL of {question, answers, passages | ctxs}, {questions: [{question, answers}], passages}, {blocks, question, answer} or {messages, documents}',
    )
    .requiredOption('--out <dir>', 'folder for checkpoints and results');
  const number = (
    flag: string,
    value: string,
    help: string,
    range: Parameters<typeof numberOption>[1],
    given?: number,
  ) => {
    const option = new Option(`${flag} <${value}>`, help).argParser(numberOption(flag, range));
    command.addOption(given === undefined ? option : option.default(given));
  };
  const whole = { min: 1, whole: true } as const;
  number('--lora', 'rank', 'train adapters of this rank over the frozen weights (default: 16)', {
    ...whole,
    max: 1024,
  });
  command.option(
    '--adapter <file>',
    'continue with this adapter, its rank and alpha, instead of a new one; with --writer also the adapter that it is trained over',
    repeated,
  );
  command.option(
    '--writer',
    'train an adapter that acts on passages while they are encoded, and on nothing else: full attention stays as it is',
  );
  command.option('--full', 'train all weights, in f32: 16 bytes of memory for each');
  number('--alpha', 'x', "the adapters' output is multiplied by alpha / rank (default: twice the rank)", { min: 1e-6 });
  command.addOption(
    new Option('--modes <list>', 'modes each sample is trained in (default: full,block; block for a writer)').argParser(
      parseModes,
    ),
  );
  number(
    '--distill',
    'share',
    'share of the loss that is the divergence from the starting model with full attention; the rest is the answers (default: 0; 1 for a writer)',
    { min: 0, max: 1 },
  );
  number(
    '--block-dropout',
    'p',
    'probability that a passage attends to those before it in block mode, drawn again in each step (default: 0)',
    { min: 0, max: 0.99 },
  );
  command.addOption(
    new Option(
      '--policy <policy>',
      'context policy to train and serve under, e.g. anchor:header (default: that of the model or adapter it starts from, else plain; for a writer, the one that block mode runs under)',
    ).argParser(parsePolicy),
  );
  number('--epochs', 'n', 'passes over the data', whole, 1);
  number('--batch', 'n', 'samples of a step, each in every mode', whole, 64);
  number('--batch-tokens', 'n', 'tokens computed at once: memory, not results', whole, 2048);
  command.addOption(
    new Option(
      '--precision <kind>',
      'precision of products with frozen weights: mixed uses bf16 where the CPU is faster with it',
    )
      .choices(['mixed', 'f32'])
      .default('mixed'),
  );
  number('--lr', 'x', 'peak learning rate (default: 2e-4 with LoRA, 2e-5 with --full)', { min: 1e-12, max: 1 });
  number('--warmup', 'n', 'steps until the peak, at most a tenth of the run', { min: 0, whole: true }, 20);
  command.addOption(
    new Option('--decay <kind>', 'how the learning rate falls from its peak to zero')
      .choices(['linear', 'cosine', 'none'])
      .default('linear'),
  );
  number(
    '--weight-decay',
    'x',
    'weight decay of matrices, times the learning rate in each step',
    { min: 0, max: 1 },
    0,
  );
  number('--clip', 'x', 'maximum norm of the gradient', { min: 1e-6 }, 1);
  number('--max-tokens', 'n', 'longer samples are left out', whole, 4096);
  number('--passages', 'n', 'passages to keep of each sample, from the first (default: all)', whole);
  command.option('--refusal <text>', 'answer to questions whose answers are [] (default: what `ask` says then)');
  number('--limit', 'n', 'samples to read, from the first (default: all)', whole);
  command
    .addOption(
      new Option('--template <name>', 'prompt layout: the one you serve with')
        .choices(['auto', 'chat', 'paper', 'plain'])
        .default('auto'),
    )
    .option('--validation <file>', 'held-out samples (default: a share of the data)');
  number(
    '--validation-share',
    'x',
    'share of the data to hold out, at most 200 samples; 0 for none',
    { min: 0, max: 0.9 },
    0.05,
  );
  number('--evaluate-every', 'steps', 'steps between evaluations on them (default: a tenth of the run)', whole);
  number(
    '--patience',
    'n',
    'stop after this many evaluations without a better loss; 0 never',
    { min: 0, whole: true },
    3,
  );
  number('--checkpoint-every', 'steps', 'steps between checkpoints', whole, 50);
  number('--minutes', 'n', 'time limit in minutes: ends with the best so far, and --resume continues (default: none)', {
    min: 0.01,
    max: 1e6,
  });
  command
    .option('--resume', 'continue from the checkpoint in --out, with the same result')
    .option('--merge', 'with LoRA: also write the model with the adapter merged')
    .addOption(
      new Option('--weights <type>', 'how a written model stores its matrices')
        .choices(['f32', 'f16', 'q8_0', 'same'])
        .default('f16'),
    );
  number('--seed', 'n', 'order of the samples, start of the adapters', { min: 0, max: 2 ** 31, whole: true }, 1);
  number('--threads', 'n', 'compute threads (default: a core each)', { min: 1, max: 512, whole: true });
  command.option('--json', 'result as one line of JSON').action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const own = [flags.lora, flags.alpha, flags.merge, flags.adapter, flags.writer];
  if (flags.full && own.some((given) => given !== undefined)) {
    throw invalid('--full trains all weights: leave --lora, --alpha, --merge, --adapter and --writer out');
  }
  if (flags.writer && flags.distill === 0) {
    throw invalid('--distill is 0: a writer learns what full attention says, give a share above 0 or leave it out');
  }
  const [{ finetune }, { resolveModel }] = await Promise.all([loadTraining(), import('../../hub/index.ts')]);
  const { path } = await resolveModel(flags.model, {
    env: io.env,
    signal: io.signal,
    onProgress: (progress) => showPull(output, progress),
  });
  output.progress.clear();
  output.progress.show({ label: 'reading samples' });
  const { full = false, lora, lr, distill, modes, json: _, ...rest } = flags;
  const report = await finetune({
    ...rest,
    model: path,
    lora: full ? null : lora,
    modes: modes ?? (flags.writer ? undefined : ['full', 'block']),
    distill: distill === 0 ? undefined : distill,
    learningRate: lr,
    signal: io.signal,
    onStart: (start) => {
      for (const line of startLines(start)) output.note(line);
    },
    onProgress: (progress) => {
      if (progress.validation) output.note(`step ${progress.step}: ${validationText(progress.validation)}`);
      output.progress.show({
        label: 'training',
        done: progress.step,
        total: progress.steps,
        detail: progressText(progress),
      });
    },
  }).finally(() => output.progress.clear());
  for (const line of reportLines(report)) output.print(line);
  output.result({ ...report, model: path, data: flags.data });
}

function startLines(start: FinetuneStart): string[] {
  const { samples, questions, heldOut, skipped, tokensPerEpoch, trainedParameters, steps, firstStep, memoryBytes } =
    start;
  return [
    `${counted(samples, 'sample')}${questions > samples ? ` with ${counted(questions, 'question')}` : ''}, ${formatCount(heldOut)} held out, ${counted(tokensPerEpoch, 'token')} a pass; ` +
      `${formatCount(trainedParameters)} parameters; about ${formatBytes(memoryBytes)} of memory`,
    ...(skipped > 0 ? [`warning: ${counted(skipped, 'sample')} are longer than allowed and left out`] : []),
    firstStep > 0 ? `continuing from step ${formatCount(firstStep)} of ${formatCount(steps)}` : counted(steps, 'step'),
  ];
}

function progressText({ step, steps, loss, tokensPerSecond, secondsLeft }: FinetuneProgress): string {
  const left = formatDuration(secondsLeft * 1000);
  return `step ${step} of ${steps}  loss ${loss.toFixed(3)}  ${formatCount(tokensPerSecond)} tok/s  ${left} left`;
}

function validationText(validation: Validation): string {
  return Object.entries(validation)
    .map(([mode, { loss, divergence, agreement = 0, accuracy }]) => {
      const apart =
        divergence === undefined
          ? ''
          : `, divergence ${divergence.toFixed(3)}, ${percent(agreement)} % of tokens as the teacher`;
      return `${mode} loss ${loss.toFixed(3)}${apart}, ${percent(accuracy)} % right`;
    })
    .join('; ');
}

function reportLines({
  steps,
  ended,
  writtenStep,
  before,
  after,
  seconds,
  tokens,
  tokensPerSecond,
  files,
}: FinetuneReport): string[] {
  const rows = (['full', 'block'] as const).flatMap((mode) => {
    const [first, last] = [before?.[mode], after?.[mode]];
    if (first === undefined || last === undefined) return [];
    const apart = [first, last].flatMap(({ divergence }) => (divergence === undefined ? [] : divergence.toFixed(3)));
    const cells = [
      first.loss.toFixed(3),
      last.loss.toFixed(3),
      ...apart,
      percent(first.accuracy),
      percent(last.accuracy),
    ];
    return [[mode === 'full' ? 'full attention' : 'block mode', ...cells]];
  });
  const distilled = Object.values(before ?? {}).some(({ divergence }) => divergence !== undefined);
  const apartHead = distilled ? ['divergence before', 'after'] : [];
  const how = ended === 'early' ? ', stopped early' : ended === 'time' ? ', the time was up: --resume goes on' : '';
  const written = writtenStep === steps ? '' : `, written as of step ${writtenStep}, the best on held-out samples`;
  return [
    ...(rows.length === 0
      ? []
      : formatTable([['held-out samples', 'loss before', 'after', ...apartHead, '% right before', 'after'], ...rows], {
          left: 1,
        })),
    `${counted(steps, 'step')}${how}${written}`,
    `${counted(tokens, 'token')} in ${formatDuration(seconds * 1000)}, ${formatCount(tokensPerSecond)} tok/s`,
    ...(files.adapter === undefined ? [] : [`Adapter  ${files.adapter}`]),
    ...(files.model === undefined ? [] : [`Model    ${files.model}`]),
  ];
}

function parseModes(text: string): TrainingMode[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].map((mode) => {
    if (mode === 'full' || mode === 'block') return mode;
    throw invalid(`--modes is ${JSON.stringify(text)}: give full, block or both, with a comma between`);
  });
}
