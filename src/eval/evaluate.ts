/**
 * Accuracy of a model on questions, per attention mode: the measurement behind the paper's Table 1.
 *
 * Answers come from the engine as users get them, greedily. Several requests are in flight at once; both modes of a
 * question run side by side, so that what an interrupted run leaves compares the same questions.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../cache-folder.ts';
import { type ContextPolicy, type Engine, type Mode, type PromptTemplate, plainPolicy } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { weightsDigest } from '../model/index.ts';
import { promptFormat } from '../prompt/index.ts';
import type { Difference } from './bootstrap.ts';
import { type EvaluationRow, scoreRows } from './evaluation-rows.ts';
import { describeMachine, type Machine } from './machine.ts';
import type { Question } from './questions.ts';
import { ResultsFile, resultKey } from './results-file.ts';
import { runJobs } from './run-jobs.ts';

export interface EvaluateOptions {
  readonly engine: Engine;
  readonly questions: readonly Question[];
  /** Defaults to full and block. */
  readonly modes?: readonly Mode[] | undefined;
  /** Policies of block mode to measure, one row each. Defaults to `plain`. */
  readonly policies?: readonly ContextPolicy[] | undefined;
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

/** Texts that end an answer: models without a chat template go on to ask the next question. */
export const answerStops = ['\nQuestion:'] as const;

const answerSchema = z.object({
  text: z.string(),
  promptTokens: z.number(),
  answerTokens: z.number(),
  /** To the first token, look-up, loading and encoding of blocks not counted, in ms. */
  readyMs: z.number().optional(),
  /** Operations to the first token. */
  flops: z.number().optional(),
  /** The prompt does not fit the context: there is no answer. */
  overflow: z.boolean().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** @throws INVALID_ARGUMENT; INVALID_DATA for the file; ABORTED; what Engine.answer() throws, but CONTEXT_OVERFLOW */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationReport> {
  const { engine, questions, modes = ['full', 'block'], maxTokens = 200, parallel = 4, signal, onProgress } = options;
  const policies = options.policies ?? [plainPolicy];
  const counts = { questions: questions.length, modes: modes.length, policies: policies.length };
  checkCounts({ maxTokens, parallel, ...counts });
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
    ...(model.adapter === null ? [] : [model.adapter.identity]),
  ];
  await using file =
    options.resume === undefined
      ? ResultsFile.memory<Answer>()
      : await ResultsFile.open<Answer>(options.resume, answerSchema);
  const variants = variantsOf(modes, policies);
  const jobs = questions.flatMap((question, index) => variants.map((variant) => ({ question, index, variant })));
  let [done, reused] = [0, 0];
  await runJobs(jobs, { parallel, signal }, async ({ question, index, variant }, either) => {
    const { mode, policy, answers } = variant;
    const key = resultKey([
      settings,
      mode,
      question.question,
      question.passages.map(({ title, text }) => [title, text]),
      ...(policy === null || policy.name === plainPolicy.name ? [] : [policy.name]),
    ]);
    let answer = file.get(key);
    if (answer === undefined) {
      answer = await ask(engine, question, { mode, policy, maxTokens, signal: either });
      await file.add(key, answer);
    } else reused++;
    answers[index] = answer;
    done++;
    onProgress?.({ done, total: jobs.length, reused });
  });
  const rows = scoreRows(variants, questions);
  if (rows.some(({ n }) => n === 0)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `no question fits the context of ${model.contextTokens} tokens: give fewer or shorter passages per question`,
    );
  }
  return {
    rows,
    difference: rows.find(({ policy }) => policy !== null)?.difference ?? null,
    skipped: questions.length - (rows[0]?.n ?? 0),
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
  {
    mode,
    policy,
    maxTokens,
    signal,
  }: {
    readonly mode: Mode;
    readonly policy: ContextPolicy | null;
    readonly maxTokens: number;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  try {
    const stream = engine.answer({
      passages,
      question,
      mode,
      policy: policy ?? undefined,
      maxTokens,
      stop: answerStops,
      prefixReuse: false,
      signal,
    });
    const { text, tokens, stopReason, ttftMs, timings, flops } = await stream.result;
    if (stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the evaluation was cancelled');
    // As if all blocks were there: what encoding them cost counts once, whatever is asked of them.
    return {
      text,
      promptTokens: tokens.context + tokens.question,
      answerTokens: tokens.answer,
      readyMs: ttftMs - timings.acquireMs,
      flops: flops.spent - flops.encoding,
    };
  } catch (error) {
    // Both modes read the same prompt, so both leave it out.
    if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') {
      return { text: '', promptTokens: 0, answerTokens: 0, overflow: true };
    }
    throw error;
  }
}

/** What is measured: full attention once, block mode with each policy. */
function variantsOf(modes: readonly Mode[], policies: readonly ContextPolicy[]) {
  const different = [...new Map(policies.map((policy) => [policy.name, policy])).values()];
  return [...new Set(modes)].flatMap((mode) =>
    (mode === 'full' ? [null] : different).map((policy) => {
      const answers: Answer[] = [];
      return { mode, policy, answers };
    }),
  );
}

function checkCounts(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
}
