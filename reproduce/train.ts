/**
 * The whole training: from random weights to a reader with full attention, then block fine-tuning. Leaves in its folder
 * `full-attention.gguf`, `block.gguf` and `curve.json`, and `control.gguf` if asked for. A run that was cut off goes on
 * from the last finished part.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TrainingMode, type TrainingSequence, TrainingSession } from '@block-attention/engine/train';
import type { Tokenizer } from '../packages/engine/src/ggml/llama/tokenizer.ts';
import { openTokenizer } from '../packages/engine/src/ggml/llama/vocab.ts';
import { type DocumentTitles, generateDocumentTasks } from '../src/tasks/document-tasks.ts';
import { writeInitialWeights } from './initial-weights.ts';
import { curveSteps, curveTasks, fineTuning, lossWindow, optimizer, pretraining, type Stage, shape } from './recipe.ts';
import { ExerciseStream, questionSequence, taskSequence, textSequence } from './training-data.ts';
import { makeVocabulary } from './vocabulary.ts';

export interface CurvePoint {
  /** Steps of fine-tuning. */
  readonly step: number;
  /** Shares of validation tasks of 10 passages whose whole response is right. */
  readonly full: number;
  readonly block: number;
}

export interface TrainReaderOptions {
  readonly folder: string;
  readonly seed: number;
  readonly threads: number | undefined;
  /** Also fine-tune on the same exercises with full attention only. */
  readonly control: boolean;
  /** Told lines for people. */
  readonly log: (line: string) => void;
}

export const weightFiles = { full: 'full-attention.gguf', block: 'block.gguf', control: 'control.gguf' } as const;
const curveFile = 'curve.json';

export async function trainReader(options: TrainReaderOptions): Promise<void> {
  const { folder, seed, log } = options;
  await mkdir(folder, { recursive: true });
  const initial = join(folder, 'initial.gguf');
  if (!existsSync(initial)) {
    log('learning a vocabulary');
    await writeInitialWeights(initial, shape, makeVocabulary(), seed);
  }
  let before = initial;
  for (const [index, stage] of pretraining.entries()) {
    const after = join(folder, `pretrained-${index + 1}.gguf`);
    if (!existsSync(after)) await pretrain(before, after, stage, index, options);
    before = after;
  }
  for (const kind of options.control ? (['block', 'control'] as const) : (['block'] as const)) {
    if (!existsSync(join(folder, weightFiles[kind]))) await fineTune(before, kind, options);
  }
}

async function pretrain(from: string, to: string, stage: Stage, index: number, options: TrainReaderOptions) {
  const tokenizer = await openTokenizer(from);
  const session = await open(from, options);
  try {
    const stream = new ExerciseStream(tokenizer, 10 * options.seed + index);
    await runStage(session, stage, options, () => {
      const samples = stream.batch(stage);
      const texts = stage.text > 0 ? samples.slice(0, Math.ceil(samples.length / 3)) : [];
      return [
        ...samples.map((sample) => questionSequence(sample, 'full')),
        ...texts.map((sample) => textSequence(sample, stage.text)),
      ];
    });
    const { accuracy, loss } = await session.evaluate(tasks(tokenizer, 'full', stage.titles));
    options.log(`${stage.name}: ${percent(accuracy)} of validation tasks right, loss ${loss.toFixed(3)}`);
    await session.save(to);
    if (index === pretraining.length - 1) {
      const name = 'Block-Attention reader, full';
      await session.save(join(options.folder, weightFiles.full), { weights: 'f16', name });
    }
  } finally {
    session.dispose();
    tokenizer.dispose();
  }
}

/** Every exercise in both modes (the paper's block fine-tuning); as a control with full attention only. */
async function fineTune(from: string, kind: 'block' | 'control', options: TrainReaderOptions): Promise<void> {
  const { folder, seed, log } = options;
  const modes: readonly TrainingMode[] = kind === 'block' ? ['full', 'block'] : ['full'];
  const name = kind === 'block' ? 'fine-tuning' : 'fine-tuning, full only';
  const tokenizer = await openTokenizer(from);
  const session = await open(from, options);
  try {
    const stream = new ExerciseStream(tokenizer, 10 * seed + 9);
    const { titles } = fineTuning;
    const validation = { full: tasks(tokenizer, 'full', titles), block: tasks(tokenizer, 'block', titles) };
    const curve: CurvePoint[] = [];
    const measure = async (step: number) => {
      if (!curveSteps.includes(step)) return;
      const full = (await session.evaluate(validation.full)).accuracy;
      const block = (await session.evaluate(validation.block)).accuracy;
      curve.push({ step, full, block });
      log(`${name}, step ${step}: full ${percent(full)}, block ${percent(block)}`);
      if (kind === 'block') await writeFile(join(folder, curveFile), `${JSON.stringify(curve)}\n`);
    };
    await measure(0);
    const batch = () =>
      stream.batch(fineTuning).flatMap((sample) => modes.map((mode) => questionSequence(sample, mode)));
    await runStage(session, { ...fineTuning, name }, options, batch, measure);
    await session.save(join(folder, weightFiles[kind]), { weights: 'f16', name: 'Block-Attention reader' });
  } finally {
    session.dispose();
    tokenizer.dispose();
  }
}

async function runStage(
  session: TrainingSession,
  stage: Stage,
  { log }: TrainReaderOptions,
  batch: () => TrainingSequence[],
  after: (step: number) => Promise<void> = async () => {},
): Promise<void> {
  const { steps, rate, endRate, warmup, until = 0 } = stage;
  const started = performance.now();
  const losses: number[] = [];
  let tokens = 0;
  for (let step = 0; step < steps; step++) {
    const share = step / steps;
    const learningRate = Math.min(1, (step + 1) / warmup) * (rate + (endRate - rate) * share);
    const report = await session.step(batch(), { learningRate });
    losses.push(report.loss);
    tokens += report.tokens;
    const recent = losses.slice(-lossWindow);
    const mean = recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
    if ((step + 1) % 20 === 0) {
      const seconds = (performance.now() - started) / 1000;
      log(
        `${stage.name} ${step + 1}/${steps}: loss ${mean.toFixed(3)}, ${Math.round(tokens / seconds)} tokens/s, ${seconds.toFixed(0)} s`,
      );
    }
    await after(step + 1);
    if (losses.length >= lossWindow && mean < until) return;
  }
}

function open(model: string, { threads }: TrainReaderOptions): Promise<TrainingSession> {
  return TrainingSession.open({ model, threads, batchTokens: 2048, ...optimizer });
}

function tasks(tokenizer: Tokenizer, mode: TrainingMode, titles: DocumentTitles): TrainingSequence[] {
  return generateDocumentTasks({ seed: 1, count: curveTasks, split: 'validation', titles }).map((task) =>
    taskSequence(task, tokenizer, mode),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** The curve of a run. */
export async function readCurve(folder: string): Promise<CurvePoint[]> {
  return JSON.parse(await readFile(join(folder, curveFile), 'utf8')) as CurvePoint[];
}
