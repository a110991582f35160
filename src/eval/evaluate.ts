/**
 * Accuracy of a model on questions, per attention mode: the measurement behind the paper's Table 1.
 *
 * Answers come from the engine as users get them, greedily. Several requests are in flight at once; both modes of a
 * question run side by side, so that what an interrupted run leaves compares the same questions.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Engine, Mode, PromptTemplate } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { weightsDigest } from '../model/index.ts';
import { cacheFolder } from '../models/index.ts';
import { promptFormat } from '../prompt/index.ts';
import { bootstrapInterval, type Difference, type Interval, mean, pairedDifference } from './bootstrap.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Scores, scoreAnswer } from './metrics.ts';
import type { Question } from './questions.ts';
import { ResultsFile, resultKey } from './results-file.ts';
import { runJobs } from './run-jobs.ts';

export interface EvaluateOptions {
  readonly engine: Engine;
  readonly questions: readonly Question[];
  /** Defaults to full and block. */
  readonly modes?: readonly Mode[] | undefined;
  /** Longest answer, in tokens. Defaults to 200, as in the paper. */
  readonly maxTokens?: number | undefined;
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

export interface EvaluationRow {
  readonly mode: Mode;
  /** Questions scored. */
  readonly n: number;
  /** Shares in [0, 1]: see metrics.ts. */
  readonly accuracy: number;
  readonly em: number;
  readonly f1: number;
  /** 95 % interval of the accuracy. */
  readonly interval: Interval;
  /** Means, in tokens. */
  readonly promptTokens: number;
  readonly answerTokens: number;
}

export interface EvaluationReport {
  readonly rows: readonly EvaluationRow[];
  /** accuracy(block) − accuracy(full) on the same questions; null unless both were measured. */
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

/** Texts that end an answer: models without a chat template go on to ask the next question. */
export const answerStops = ['\nQuestion:'] as const;

const answerSchema = z.object({
  text: z.string(),
  promptTokens: z.number(),
  answerTokens: z.number(),
  /** The prompt does not fit the context: there is no answer. */
  overflow: z.boolean().optional(),
});
type Answer = z.infer<typeof answerSchema>;

/** @throws INVALID_ARGUMENT; INVALID_DATA for the file; ABORTED; what Engine.answer() throws, but CONTEXT_OVERFLOW */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationReport> {
  const { engine, questions, modes = ['full', 'block'], maxTokens = 200, parallel = 4, signal, onProgress } = options;
  checkCounts({ maxTokens, parallel, questions: questions.length, modes: modes.length });
  const started = performance.now();
  const weights = await weightsDigest(engine.model.path, join(options.cacheDir ?? cacheFolder(), 'digests'));
  const { kvType, model } = engine;
  const settings = [
    weights,
    promptFormat,
    options.template ?? 'auto',
    kvType,
    maxTokens,
    answerStops,
    model.contextTokens,
  ];
  await using file =
    options.resume === undefined
      ? ResultsFile.memory<Answer>()
      : await ResultsFile.open<Answer>(options.resume, answerSchema);
  const answers = new Map<Mode, Answer[]>(modes.map((mode) => [mode, []]));
  const jobs = questions.flatMap((question, index) => [...new Set(modes)].map((mode) => ({ question, index, mode })));
  let [done, reused] = [0, 0];
  await runJobs(jobs, { parallel, signal }, async ({ question, index, mode }, either) => {
    const key = resultKey([
      settings,
      mode,
      question.question,
      question.passages.map(({ title, text }) => [title, text]),
    ]);
    let answer = file.get(key);
    if (answer === undefined) {
      answer = await ask(engine, question, { mode, maxTokens, signal: either });
      await file.add(key, answer);
    } else reused++;
    const list = answers.get(mode);
    if (list !== undefined) list[index] = answer;
    done++;
    onProgress?.({ done, total: jobs.length, reused });
  });
  const scored = [...answers].map(([mode, list]) => score(mode, list, questions));
  if (scored.some(({ row }) => row.n === 0)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `no question fits the context of ${model.contextTokens} tokens: give fewer or shorter passages per question`,
    );
  }
  const accuracy = (mode: Mode) => scored.find((entry) => entry.row.mode === mode)?.scores.map((s) => s.accuracy);
  const [full, block] = [accuracy('full'), accuracy('block')];
  return {
    rows: scored.map(({ row }) => row),
    difference: full === undefined || block === undefined ? null : pairedDifference(block, full),
    skipped: questions.length - (scored[0]?.row.n ?? 0),
    reused,
    maxTokens,
    weights,
    machine: describeMachine(),
    seconds: (performance.now() - started) / 1000,
  };
}

async function ask(
  engine: Engine,
  { question, passages }: Question,
  { mode, maxTokens, signal }: { readonly mode: Mode; readonly maxTokens: number; readonly signal: AbortSignal },
): Promise<Answer> {
  try {
    const stream = engine.answer({ passages, question, mode, maxTokens, stop: answerStops, signal });
    const { text, tokens, stopReason } = await stream.result;
    if (stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the evaluation was cancelled');
    return { text, promptTokens: tokens.context + tokens.question, answerTokens: tokens.answer };
  } catch (error) {
    // Both modes read the same prompt, so both leave it out.
    if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') {
      return { text: '', promptTokens: 0, answerTokens: 0, overflow: true };
    }
    throw error;
  }
}

function score(mode: Mode, answers: readonly Answer[], questions: readonly Question[]) {
  const kept = answers.flatMap((answer, i) => {
    const question = questions[i];
    return question === undefined || answer.overflow ? [] : [{ answer, gold: question.answers }];
  });
  const scores: Scores[] = kept.map(({ answer, gold }) => scoreAnswer(answer.text, gold));
  const accuracy = scores.map((entry) => entry.accuracy);
  const row: EvaluationRow = {
    mode,
    n: kept.length,
    accuracy: mean(accuracy),
    em: mean(scores.map(({ em }) => em)),
    f1: mean(scores.map(({ f1 }) => f1)),
    interval: bootstrapInterval(accuracy),
    promptTokens: mean(kept.map(({ answer }) => answer.promptTokens)),
    answerTokens: mean(kept.map(({ answer }) => answer.answerTokens)),
  };
  return { row, scores };
}

function checkCounts(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
}
