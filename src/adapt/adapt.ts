/**
 * Makes block mode safe for a model on somebody's documents: questions from the documents, the model's own answers in full
 * mode, a writer that brings block mode to say the same, and the verdict on the two together.
 *
 * Four stages, each of which goes on where it was interrupted: practice.jsonl grows by a context, checkpoint.gguf is the
 * training's, verified.jsonl the verification's. What is planned by the clock is planned once and kept in adapt.json.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  documentQuestions,
  type Question,
  readQuestions,
  type VerificationReport,
  verify,
} from '@block-attention/engine/eval';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { createEngine, type Engine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { adapterIdentity, weightsDigest } from '@block-attention/engine/internal/model';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { parsePolicy, trainingPart } from '@block-attention/engine/internal/policy';
import {
  type FinetuneOptions,
  type FinetuneProgress,
  type FinetuneReport,
  finetune,
  type SequenceScores,
} from '@block-attention/engine/train';
import { adaptChart } from './adapt-chart.ts';
import type { AdaptOptions, AdaptPlan, AdaptPoint, AdaptReport } from './adapt-options.ts';
import { answerTokens, OwnAnswers } from './own-answers.ts';
import { batch, epochs, heldOutShare, type Plan, peakRate, planFor } from './plan.ts';
import { type PracticeContext, practice, rounds } from './practice.ts';
import { type AdaptState, openState, writeState } from './state.ts';

const names = {
  practice: 'practice.jsonl',
  questions: 'questions.jsonl',
  verified: 'verified.jsonl',
  adapter: 'adapter.gguf',
  log: 'log.jsonl',
  report: 'report.json',
  chart: 'report.svg',
} as const;
/** For prompts whose passages come again with the next question. */
const prefixBytes = 256 * 2 ** 20;
/** Share of the time that the model may take to write questions of its own. */
const writingShare = 0.04;
/** Least time of the verification, whatever went before. */
const leastVerifyMinutes = 0.25;

/**
 * @throws INVALID_ARGUMENT, INVALID_DATA for documents without words, CHECKPOINT_INVALID; ABORTED, after which `resume` goes
 *   on; what loading and training a model throws
 */
export async function adapt(options: AdaptOptions): Promise<AdaptReport> {
  check(options);
  const run = await Adaptation.open(options);
  return run.go();
}

class Adaptation {
  readonly #options: AdaptOptions;
  readonly #minutes: number;
  readonly #startedAt = performance.now();
  #state: AdaptState;
  #policy = '';

  private constructor(options: AdaptOptions, state: AdaptState) {
    this.#options = options;
    this.#minutes = options.minutes ?? 30;
    this.#state = state;
  }

  static async open(options: AdaptOptions): Promise<Adaptation> {
    return new Adaptation(options, await openState(options.out, await digestOf(options), options.resume ?? false));
  }

  async go(): Promise<AdaptReport> {
    const { out } = this.#options;
    try {
      const { plan, questions } = await this.#prepare();
      const training = await this.#train(plan);
      const verification = await this.#verify(questions);
      const seconds = this.#spent();
      const files = {
        adapter: this.#path('adapter'),
        verdict: verification.besideAt,
        questions: this.#path('questions'),
        report: this.#path('report'),
        chart: this.#path('chart'),
      };
      const curve = await distances(this.#path('log'), training.before?.block);
      const report: AdaptReport = { plan, training, curve, verification, seconds, files };
      await writeFile(files.report, `${JSON.stringify(report, undefined, 2)}\n`);
      await writeFile(
        files.chart,
        await adaptChart({ curve, plan, verdict: verification.verdict, policy: verification.policy }),
      );
      return report;
    } finally {
      await writeState(out, { ...this.#state, spentSeconds: this.#spent() });
    }
  }

  #path(name: keyof typeof names): string {
    return join(this.#options.out, names[name]);
  }

  /** Of all runs together, in seconds. */
  #spent(): number {
    return this.#state.spentSeconds + (performance.now() - this.#startedAt) / 1000;
  }

  /** Questions, plan and answers: all that needs the model as it is. */
  async #prepare(): Promise<{ plan: AdaptPlan; questions: readonly Question[] }> {
    const { passages, signal, onProgress, onPlan, passagesPerQuestion = 5, seed } = this.#options;
    await using engine = await this.#openEngine([]);
    const { policy } = engine.chooseMode({ mode: 'block' });
    this.#policy = trainingPart(policy ?? parsePolicy('plain')).name;
    onProgress?.({ stage: 'questions' });
    const questions = await this.#questions(engine);
    const contexts = () => practice(passages, { passages: passagesPerQuestion, seed });
    const answers = await OwnAnswers.open(this.#path('practice'));
    const plan = this.#state.plan ?? (await this.#plan(engine, answers, contexts));
    this.#state = { ...this.#state, plan };
    await writeState(this.#options.out, this.#state);
    const told = { ...plan, passages: passages.length, policy: this.#policy, spentSeconds: this.#spent() };
    onPlan?.(told);
    await answers.answer(contexts(), {
      engine,
      count: plan.contexts,
      signal,
      onProgress: ({ done, total }) => onProgress?.({ stage: 'answers', done, total }),
    });
    return { plan: told, questions };
  }

  /** Those of the verification, kept in a file to be read. */
  async #questions(engine: Engine): Promise<readonly Question[]> {
    const { questions: given, passages, passagesPerQuestion, signal } = this.#options;
    const path = this.#path('questions');
    if (given === undefined && existsSync(path)) return readQuestions(path);
    const until = AbortSignal.timeout(Math.max(1, Math.round(this.#minutes * 60_000 * writingShare)));
    const made =
      given ?? (await documentQuestions(passages, { passages: passagesPerQuestion ?? 5, engine, until, signal }));
    if (made.length === 0) throw noWords();
    await writeFile(path, `${made.map((question) => JSON.stringify(question)).join('\n')}\n`);
    return made;
  }

  /** Answers the first contexts and trains on them once, thrown away, to see how long that takes. */
  async #plan(engine: Engine, answers: OwnAnswers, contexts: () => Generator<PracticeContext>): Promise<Plan> {
    const { passages, signal, onProgress, contexts: wanted } = this.#options;
    onProgress?.({ stage: 'measuring' });
    const most = wanted ?? passages.length * rounds;
    const probe = Math.min(2, most);
    const started = performance.now();
    await answers.answer(contexts(), { engine, count: probe, signal });
    const answerSeconds = (performance.now() - started) / 1000 / probe;
    if (!existsSync(answers.path)) throw noWords();
    const out = join(this.#options.out, 'probe');
    await rm(out, { recursive: true, force: true });
    try {
      const { tokens, tokensPerSecond, samples } = await finetune({
        ...this.#finetuning(),
        out,
        epochs: 1,
        batch: probe,
        validationShare: 0,
      });
      const contextTokens = tokens / samples;
      const measured = { answerSeconds, tokensPerSecond, contextTokens, spentSeconds: this.#spent() };
      const learningRate = this.#options.learningRate ?? peakRate(engine.model.embeddingLength);
      const plan = planFor(this.#minutes, most, measured);
      return { ...plan, learningRate, ...(wanted !== undefined && { limit: 'asked' as const }) };
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  }

  #finetuning(): FinetuneOptions {
    const { engine, rank = 16, seed, signal } = this.#options;
    const threads = typeof engine.threads === 'number' ? engine.threads : undefined;
    const { modelPath: model, adapter, template, device } = engine;
    return {
      model,
      adapter,
      template,
      threads,
      device: device === 'auto' ? undefined : device,
      signal,
      seed,
      data: this.#path('practice'),
      out: this.#options.out,
      writer: true,
      policy: this.#policy,
      lora: rank,
      batch,
    };
  }

  async #train({ contexts, steps, learningRate }: Plan): Promise<FinetuneReport> {
    const { onProgress } = this.#options;
    const left = this.#minutes - this.#spent() / 60;
    return finetune({
      ...this.#finetuning(),
      epochs,
      learningRate,
      validationShare: contexts * heldOutShare >= 1 ? heldOutShare : Math.min(0.5, 1.01 / contexts),
      evaluateEvery: Math.max(1, Math.ceil(steps / 8)),
      checkpointEvery: Math.max(1, Math.min(10, Math.ceil(steps / 4))),
      // The plan is an estimate, the time allowed is not: the machine may have become slower since.
      minutes: Math.max(leastVerifyMinutes, left - this.#verifyMinutes()),
      resume: existsSync(join(this.#options.out, 'checkpoint.gguf')),
      onProgress: (training) => onProgress?.({ stage: 'training', training }),
    });
  }

  #verifyMinutes(): number {
    return (this.#state.plan?.verifySeconds ?? 0) / 60;
  }

  async #verify(questions: readonly Question[]): Promise<VerificationReport> {
    const { engine: settings, tolerance = 0.05, signal, onProgress } = this.#options;
    await using engine = await this.#openEngine([this.#path('adapter')]);
    return await verify({
      engine,
      template: settings.template,
      cacheDir: settings.cacheDir,
      beside: true,
      policies: [this.#policy, `${this.#policy}+head:8`].map(parsePolicy),
      questions,
      labels: 'own',
      tolerance,
      minutes: Math.max(leastVerifyMinutes, this.#verifyMinutes(), this.#minutes - this.#spent() / 60),
      maxTokens: answerTokens,
      resume: this.#path('verified'),
      signal,
      onProgress: ({ done, total, remainingMs }) => onProgress?.({ stage: 'verifying', done, total, remainingMs }),
    });
  }

  #openEngine(writers: readonly string[]): Promise<Engine> {
    const { adapter, mode: _, policy: __, store: ___, ...rest } = this.#options.engine;
    return createEngine({ ...rest, prefixBytes, adapter: [adapter ?? [], writers].flat() });
  }
}

/** From the log of the training, which lines of several runs may stand in. */
async function distances(log: string, before: SequenceScores | undefined): Promise<AdaptPoint[]> {
  const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const points = lines.map((line) => JSON.parse(line) as Pick<FinetuneProgress, 'step' | 'validation'>);
  const curve = new Map<number, AdaptPoint>();
  for (const { step, block } of [
    { step: 0, block: before },
    ...points.map(({ step, validation }) => ({ step, block: validation?.block })),
  ]) {
    const { divergence, agreement } = block ?? {};
    if (divergence !== undefined && agreement !== undefined) curve.set(step, { step, divergence, agreement });
  }
  return [...curve.values()].sort((one, other) => one.step - other.step);
}

/** All that the results depend on, but for the time. */
async function digestOf(options: AdaptOptions): Promise<string> {
  const { engine, passages, passagesPerQuestion = 5, questions, contexts, rank = 16, learningRate, seed = 1 } = options;
  const memory = join(engine.cacheDir ?? cacheFolder(), 'digests');
  const { template = 'auto', kvType = 'f16' }: EngineOptions = engine;
  const adapters = await Promise.all([engine.adapter ?? []].flat().map((path) => adapterIdentity({ path }, memory)));
  const about = [
    await weightsDigest(engine.modelPath, memory),
    adapters,
    [template, kvType],
    passages.map(({ title, text }) => [title, text]),
    [passagesPerQuestion, contexts, rank, learningRate, seed],
    questions?.map(({ question }) => question),
  ];
  return createHash('sha256').update(JSON.stringify(about)).digest('hex');
}

function check({ minutes = 30, contexts = 1, passagesPerQuestion = 5, passages, engine }: AdaptOptions): void {
  if (!(minutes > 0 && Number.isFinite(minutes))) throw invalid(`minutes is ${minutes}: give a number above 0`);
  for (const [name, value] of Object.entries({ contexts, passagesPerQuestion })) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} is ${value}: give a whole number from 1`);
  }
  if (passages.length < 2) {
    throw new BlockAttentionError(
      'INVALID_DATA',
      `the documents have ${passages.length === 1 ? '1 passage' : 'no passages'}: block mode differs from full attention from 2 on, name more documents`,
    );
  }
  if (engine.adapterScale !== undefined && engine.adapterScale !== 1) {
    throw invalid(`adapterScale is ${engine.adapterScale}: a writer goes over an adapter as it is, leave it out`);
  }
}

function noWords(): BlockAttentionError {
  return new BlockAttentionError(
    'INVALID_DATA',
    'the model answers none of the questions made from the documents: name documents with words, or another model',
  );
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
