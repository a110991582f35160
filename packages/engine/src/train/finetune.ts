/**
 * Block fine-tuning of a model (as the paper does it): every sample with the full and with the block mask,
 * cross-entropy on the response, AdamW under warm-up and decay. Writes checkpoints on the way, and an adapter or a
 * model in the end. From the follow-up paper: distillation from the starting model with full attention, and block
 * dropout.
 *
 * A run is a function of its model, data, options and seed: resumed from a checkpoint it takes the same steps.
 */

import { existsSync } from 'node:fs';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { defaultPolicy, trainedPolicy, trainingPolicy } from '../engine/policy/default-policy.ts';
import { plainPolicy } from '../engine/policy/policy.ts';
import { BlockAttentionError } from '../errors.ts';
import { openGguf } from '../ggml/gguf/gguf-file.ts';
import { loadTrainingKernel } from '../ggml/native/training-kernel.ts';
import { readHyperParameters } from '../model/architecture/hyper-parameters.ts';
import type { AdapterFile } from '../model/weights/adapter-file.ts';
import { weightsDigest } from '../model/weights/weights-digest.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { checkOptions, trainedOf } from './check-options.ts';
import { openBlocks } from './data/open-blocks.ts';
import { finalBlocks, sequenceTokens } from './data/packing.ts';
import { inModes, loadTrainingSet, type TrainingSet } from './data/training-set.ts';
import { distillOf, runDigest, type Starts } from './files/run-digest.ts';
import type { FinetuneOptions, FinetuneReport, Validation } from './finetune-options.ts';
import { estimateMemory, requireMemory } from './optimizer/memory-estimate.ts';
import { shuffled } from './optimizer/random.ts';
import { learningRateAt } from './optimizer/schedule.ts';
import { openSession, type TrainingSession } from './training-session.ts';
import type { TrainingMode } from './types.ts';

const checkpointName = 'checkpoint.gguf';
const bestName = 'best.gguf';
const logName = 'log.jsonl';

const evaluationSchema = z.object({
  loss: z.number(),
  divergence: z.number().optional(),
  agreement: z.number().optional(),
  tokenAccuracy: z.number(),
  accuracy: z.number(),
  responseTokens: z.number(),
});

/** What a checkpoint says beside the weights. */
const noteSchema = z.object({
  /** Digest of all that the trajectory depends on. */
  run: z.string(),
  best: z.object({ step: z.number(), loss: z.number() }).nullable(),
  /** Evaluations since the best one. */
  stale: z.number(),
  /** On held-out samples, before the first step; absent in checkpoints that were written without it. */
  before: z.record(z.string(), evaluationSchema).optional(),
});
type Note = z.infer<typeof noteSchema>;

/**
 * @throws INVALID_DATA naming line and field; INVALID_ARGUMENT; MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED,
 *   MODEL_TOO_LARGE; CHECKPOINT_INVALID; TRAINING_DIVERGED and ABORTED, after which `resume` goes on.
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneReport> {
  const run = await Run.prepare(options);
  try {
    return await run.train();
  } finally {
    run.dispose();
  }
}

class Run {
  readonly #options: FinetuneOptions;
  readonly #set: TrainingSet;
  readonly #session: TrainingSession;
  readonly #modes: readonly TrainingMode[];
  readonly #batch: number;
  readonly #stepsPerEpoch: number;
  readonly #steps: number;
  readonly #memoryBytes: number;
  #note: Note;

  private constructor(
    options: FinetuneOptions,
    set: TrainingSet,
    session: TrainingSession,
    { memoryBytes, weights, start }: { memoryBytes: number; weights: string; start: Starts },
  ) {
    this.#options = options;
    this.#set = set;
    this.#session = session;
    this.#memoryBytes = memoryBytes;
    this.#modes = options.writer === true ? ['block'] : (options.modes ?? ['full', 'block']);
    this.#batch = options.batch ?? 64;
    this.#stepsPerEpoch = Math.ceil(set.training.length / this.#batch);
    this.#steps = this.#stepsPerEpoch * (options.epochs ?? 1);
    this.#note = { run: runDigest(options, set, weights, start), best: null, stale: 0 };
  }

  static async prepare(options: FinetuneOptions): Promise<Run> {
    checkOptions(options);
    const file = await openGguf(options.model);
    const hyperParameters = readHyperParameters(file);
    const maxTokens = Math.min(options.maxTokens ?? 4096, hyperParameters.trainedContext);
    const { lora, start, over } = await trainedOf(options, file);
    const { template = 'auto', writer = false } = options;
    const trained = trainedPolicy({ file, adapter: start ?? over });
    const policy = trainingPolicy(options.policy ?? trained ?? (writer ? defaultPolicy(template) : plainPolicy));
    const set = await loadTrainingSet(options, policy, maxTokens);
    const { batchTokens = 2048, threads, device, weightDecay, clip } = options;
    const responses = set.training.flatMap((sample) => finalBlocks({ ...sample, mode: 'full' }));
    const response = responses.reduce((sum, { responseTokens }) => sum + responseTokens, 0) / set.training.length;
    const outputs = Math.ceil((response * Math.max(batchTokens, set.longest)) / Math.max(1, set.longest)) + 32;
    const distill = distillOf(options);
    const need = {
      lora: lora?.rank ?? null,
      batchTokens,
      longest: set.longest,
      outputs,
      teacher: distill !== undefined,
      native: (options.device ?? 'cpu') === 'cpu' && loadTrainingKernel() !== undefined,
    };
    const memoryBytes = estimateMemory(file, hyperParameters, need);
    requireMemory(memoryBytes);
    await prepareFolder(options);
    const digests = join(cacheFolder(), 'digests');
    const weights = await weightsDigest(options.model, digests);
    const digestOf = (adapter: AdapterFile | undefined) => adapter && weightsDigest(adapter.path, digests);
    const starts = { start: await digestOf(start), over: await digestOf(over) };
    const settings = {
      model: options.model,
      lora,
      over: over?.path,
      policy: policy.name,
      distill,
      batchTokens,
      threads,
      device,
      ...(weightDecay === undefined ? {} : { weightDecay }),
      ...(clip === undefined ? {} : { clip }),
    };
    const session = await openSession(settings, start);
    const run = new Run(options, set, session, { memoryBytes, weights, start: starts });
    try {
      if (options.resume === true) await run.#resume();
      return run;
    } catch (error) {
      session.dispose();
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.#options.out, name);
  }

  async #resume(): Promise<void> {
    const path = this.#path(checkpointName);
    const text = await this.#session.loadState(path);
    const note = noteSchema.safeParse(parseJson(text));
    if (!note.success || note.data.run !== this.#note.run) {
      throw new BlockAttentionError(
        'CHECKPOINT_INVALID',
        `${path} is of a run with another model, other data or options: give the same ones, or another --out`,
      );
    }
    this.#note = note.data;
  }

  async train(): Promise<FinetuneReport> {
    const { onStart, onProgress, signal, patience = 3, checkpointEvery = 50, minutes = Infinity } = this.#options;
    const { training, heldOut, skipped } = this.#set;
    const session = this.#session;
    const firstStep = session.steps;
    const tokensOf = (samples: typeof training) =>
      inModes(samples, this.#modes, this.#set.anchor).reduce((sum, sequence) => sum + sequenceTokens(sequence), 0);
    const epochTokens = tokensOf(training);
    onStart?.({
      samples: training.length,
      questions: training.reduce((sum, { branches }) => sum + 1 + branches.length, 0),
      heldOut: heldOut.length,
      skipped,
      tokensPerEpoch: epochTokens,
      trainedParameters: session.trainedParameters,
      steps: this.#steps,
      firstStep,
      memoryBytes: this.#memoryBytes,
    });
    const startedAt = performance.now();
    const evaluateEvery = this.#options.evaluateEvery ?? Math.max(1, Math.ceil(this.#steps / 10));
    const before = await this.#before();
    const losses: number[] = [];
    let after: Validation | undefined;
    let tokens = 0;
    let trainingMs = 0;
    let ended: FinetuneReport['ended'] = 'complete';
    while (session.steps < this.#steps) {
      if (signal?.aborted) await this.#abort();
      const stepAt = performance.now();
      const learningRate = this.#learningRate(session.steps);
      const report = await this.#step(learningRate);
      trainingMs += performance.now() - stepAt;
      tokens += report.tokens;
      losses.push(report.loss);
      const step = session.steps;
      const timeUp = performance.now() - startedAt > minutes * 60_000;
      const last = step === this.#steps || timeUp;
      const validation = step % evaluateEvery === 0 || last ? await this.#validate() : undefined;
      if (validation !== undefined) {
        after = validation;
        await this.#judge(validation);
      }
      const tokensPerSecond = (tokens / trainingMs) * 1000;
      const epoch = Math.ceil(step / this.#stepsPerEpoch);
      const left = ((this.#steps - step) / this.#stepsPerEpoch) * (epochTokens / tokensPerSecond);
      const progress = { step, steps: this.#steps, epoch, ...report, learningRate, tokensPerSecond, secondsLeft: left };
      onProgress?.({ ...progress, validation });
      await appendFile(this.#path(logName), `${JSON.stringify({ ...progress, validation })}\n`);
      if (patience > 0 && this.#note.stale >= patience && !last) ended = 'early';
      if (timeUp && step < this.#steps) ended = 'time';
      if (last || ended !== 'complete' || step % checkpointEvery === 0) await this.#checkpoint();
      if (ended !== 'complete') break;
    }
    const steps = session.steps;
    const { best } = this.#note;
    const writtenStep = best !== null && best.step < steps && existsSync(this.#path(bestName)) ? best.step : steps;
    if (writtenStep !== steps) {
      await session.loadState(this.#path(bestName));
      after = await this.#validate();
    }
    // Of a run that was resumed after its last step.
    after ??= await this.#validate();
    return {
      steps,
      ended,
      writtenStep,
      samples: training.length,
      heldOut: heldOut.length,
      skipped,
      trainedParameters: session.trainedParameters,
      loss: mean(losses.slice(-10)),
      before,
      after,
      seconds: (performance.now() - startedAt) / 1000,
      tokens,
      tokensPerSecond: trainingMs === 0 ? 0 : (tokens / trainingMs) * 1000,
      files: { ...(await this.#writeResults()), log: this.#path(logName) },
    };
  }

  #learningRate(step: number): number {
    const { lora = 16, warmup = 20, decay = 'linear' } = this.#options;
    const peak = this.#options.learningRate ?? (lora === null ? 2e-5 : 2e-4);
    const limited = Math.min(warmup, Math.ceil(this.#steps / 10));
    return learningRateAt({ peak, steps: this.#steps, warmup: limited, decay }, step);
  }

  async #step(learningRate: number) {
    const { seed = 1, blockDropout = 0 } = this.#options;
    const index = this.#session.steps;
    const epoch = Math.floor(index / this.#stepsPerEpoch);
    const at = (index % this.#stepsPerEpoch) * this.#batch;
    const samples = shuffled(this.#set.training, seed + 1 + epoch).slice(at, at + this.#batch);
    try {
      const sequences = inModes(samples, this.#modes, this.#set.anchor);
      return await this.#session.step(openBlocks(sequences, blockDropout, [seed, index]), { learningRate });
    } catch (error) {
      if (!BlockAttentionError.isInstance(error) || error.code !== 'TRAINING_DIVERGED') throw error;
      const path = this.#path(checkpointName);
      const good = existsSync(path)
        ? `the last good checkpoint is ${path}: resume`
        : 'no checkpoint was due yet: start again';
      throw new BlockAttentionError(error.code, `${error.message}; ${good} with a lower rate`, { cause: error });
    }
  }

  /** What the model did before the run's first step, however often the run was interrupted. */
  async #before(): Promise<Validation | undefined> {
    const { before } = this.#note;
    if (before !== undefined) return before as Validation;
    const measured = await this.#validate();
    const numbers = Object.values(measured ?? {}).flatMap((report) => Object.values(report));
    // JSON has no other numbers.
    const isWritable = numbers.length > 0 && numbers.every((value) => Number.isFinite(value));
    if (isWritable && this.#session.steps === 0) this.#note = { ...this.#note, before: { ...measured } };
    return measured;
  }

  async #validate(): Promise<Validation | undefined> {
    const { heldOut } = this.#set;
    if (heldOut.length === 0) return undefined;
    const validation: { -readonly [M in keyof Validation]: Validation[M] } = {};
    for (const mode of this.#modes)
      validation[mode] = await this.#session.evaluate(inModes(heldOut, [mode], this.#set.anchor));
    return validation;
  }

  /** Keeps the weights when the mean loss of all modes is the lowest so far. */
  async #judge(validation: Validation): Promise<void> {
    const distill = distillOf(this.#options) ?? 0;
    const mixed = Object.values(validation).map(
      ({ loss: own, divergence = 0 }) => (1 - distill) * own + distill * divergence,
    );
    const loss = mean(mixed);
    const { best } = this.#note;
    if (best !== null && loss >= best.loss) {
      this.#note = { ...this.#note, stale: this.#note.stale + 1 };
      return;
    }
    this.#note = { ...this.#note, best: { step: this.#session.steps, loss }, stale: 0 };
    await this.#session.saveState(this.#path(bestName), '');
  }

  #checkpoint(): Promise<void> {
    return this.#session.saveState(this.#path(checkpointName), JSON.stringify(this.#note));
  }

  async #abort(): Promise<never> {
    await this.#checkpoint();
    throw new BlockAttentionError(
      'ABORTED',
      `stopped after step ${this.#session.steps} of ${this.#steps}: continue with --resume`,
    );
  }

  async #writeResults(): Promise<{ adapter?: string; model?: string }> {
    const { lora = 16, merge = false, weights = 'f16' } = this.#options;
    const [adapter, model] = [this.#path('adapter.gguf'), this.#path('model.gguf')];
    if (lora === null || merge) await this.#session.save(model, { weights });
    if (lora !== null) await this.#session.saveAdapter(adapter);
    return { ...(lora === null ? {} : { adapter }), ...(lora === null || merge ? { model } : {}) };
  }

  dispose(): void {
    this.#session.dispose();
  }
}

async function prepareFolder({ out, resume = false }: FinetuneOptions): Promise<void> {
  await mkdir(out, { recursive: true });
  const checkpoint = join(out, checkpointName);
  if (resume) {
    if (existsSync(checkpoint)) return;
    throw new BlockAttentionError('CHECKPOINT_INVALID', `${checkpoint} does not exist: start without --resume`);
  }
  if (existsSync(checkpoint)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${out} holds the checkpoint of a run: give --resume to continue, or another --out`,
    );
  }
  for (const name of [bestName, logName]) await rm(join(out, name), { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
