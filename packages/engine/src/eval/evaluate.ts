/**
 * Accuracy of a model on questions, per attention mode: the measurement behind the paper's Table 1.
 *
 * Answers come from the engine as users get them, greedily. Several requests are in flight at once; both modes of a
 * question run side by side, so that what an interrupted run leaves compares the same questions.
 */
import { join } from 'node:path';
import { type ContextPolicy, type Engine, type Mode, type PromptTemplate, plainPolicy } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { weightsDigest } from '../model/index.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { promptFormat } from '../prompt/index.ts';
import type { Difference } from '../scoring/bootstrap.ts';
import { Measurement, openAnswers, readsOf } from './measurement.ts';
import type { Question } from './questions/questions.ts';
import { type EvaluationRow, scoreRows } from './scores/evaluation-rows.ts';
import { describeMachine, type Machine } from './ttft/machine.ts';

export interface EvaluateOptions {
  readonly engine: Engine;
  readonly questions: readonly Question[];
  /** Defaults to full and block. */
  readonly modes?: readonly Mode[] | undefined;
  /** Policies of block mode to measure, one row each. Defaults to `plain`. */
  readonly policies?: readonly ContextPolicy[] | undefined;
  /** Longest answer, in tokens. Defaults to 200, as in the paper. */
  readonly maxTokens?: number | undefined;
  /** `short` asks for a few words copied from the passages. Defaults to `free`. */
  readonly answerStyle?: 'free' | 'short' | undefined;
  /** Questions in flight. Defaults to 4. */
  readonly parallel?: number | undefined;
  /** The template the engine was made with: part of what an answer is known by. Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** File of answers to go on from and to add to. Defaults to none. */
  readonly resume?: string | undefined;
  /** Folder of remembered digests. Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told after every answer. `reused` answers came from the file. */
  readonly onProgress?: ((progress: { done: number; total: number; reused: number }) => void) | undefined;
}

export interface EvaluationReport {
  readonly rows: readonly EvaluationRow[];
  /** accuracy(block, first policy) − accuracy(full) on the same questions; null unless both were measured. */
  readonly difference: Difference | null;
  /** Questions left out in every mode because prompt and answer exceed the context. */
  readonly skipped: number;
  /** Answers that came from the file. */
  readonly reused: number;
  readonly maxTokens: number;
  /** Hex SHA-256 of the model's file. */
  readonly weights: string;
  readonly machine: Machine;
  readonly seconds: number;
}

/** @throws INVALID_ARGUMENT; INVALID_DATA for the file; ABORTED; what Engine.answer() throws, but CONTEXT_OVERFLOW */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationReport> {
  const { engine, questions, modes = ['full', 'block'], maxTokens = 200, parallel = 4, signal, onProgress } = options;
  const policies = options.policies ?? [plainPolicy];
  const counts = { questions: questions.length, modes: modes.length, policies: policies.length };
  checkCounts({ maxTokens, parallel, ...counts });
  const started = performance.now();
  const settings = await answerSettings(engine, options);
  await using file = await openAnswers(options.resume);
  const compared = modes.includes('full');
  const reads = readsOf(compared, modes.includes('block') ? policies : []);
  const total = reads.length * questions.length;
  let [done, reused] = [0, 0];
  const measurement = new Measurement({
    engine,
    questions,
    file,
    settings,
    maxTokens,
    parallel,
    answerStyle: options.answerStyle,
    compared,
    signal,
    onAnswer: (known) => {
      done++;
      if (known) reused++;
      onProgress?.({ done, total, reused });
    },
  });
  await measurement.run(reads);
  const rows = scoreRows(
    reads.map((read) => ({ read, answers: measurement.answers(read) })),
    questions,
  );
  if (rows.some(({ n }) => n === 0)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `no question fits the context of ${engine.model.contextTokens} tokens: give fewer or shorter passages per question`,
    );
  }
  return {
    rows,
    difference: rows.find(({ policy }) => policy !== null)?.difference ?? null,
    skipped: questions.length - (rows[0]?.n ?? 0),
    reused,
    maxTokens,
    weights: settings.weights,
    machine: describeMachine(),
    seconds: (performance.now() - started) / 1000,
  };
}

/** What an answer depends on besides its question. */
export async function answerSettings(
  { model, kvType }: Engine,
  { template = 'auto', cacheDir }: Pick<EvaluateOptions, 'template' | 'cacheDir'>,
): Promise<AnswerSettings> {
  const weights = await weightsDigest(model.path, join(cacheDir ?? cacheFolder(), 'digests'));
  const { adapter, contextTokens } = model;
  return { weights, promptFormat, template, kvType, contextTokens, adapter: adapter?.identity ?? null };
}

interface AnswerSettings {
  /** Hex SHA-256 of the model's file. */
  readonly weights: string;
  readonly promptFormat: unknown;
  readonly template: PromptTemplate;
  readonly kvType: Engine['kvType'];
  readonly contextTokens: number;
  readonly adapter: string | null;
}

function checkCounts(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
}
