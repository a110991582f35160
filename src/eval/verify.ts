/**
 * Block mode against full attention on the user's own model and questions, and the verdict on it (verdict.ts).
 *
 * Knows answers and logits. That both come from one model in one state is the reader's business.
 */

import { z } from 'zod';
import { cacheFolder } from '../cache-folder.ts';
import {
  type ContextPolicy,
  type Engine,
  type Mode,
  type PromptTemplate,
  plainPolicy,
  type StoredVerdict,
  type VerdictIdentity,
  verdictBeside,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { type Difference, mean, pairedDifference } from './bootstrap.ts';
import { answerStops } from './evaluate.ts';
import { firstTokenKl } from './first-token.ts';
import { describeMachine, type Machine } from './machine.ts';
import { median } from './median.ts';
import { normalizeAnswer, scoreAnswer, tokenF1 } from './metrics.ts';
import { type ModeScores, modeScores } from './mode-scores.ts';
import type { Question } from './questions.ts';
import { ResultsFile, resultKey } from './results-file.ts';
import { runJobs } from './run-jobs.ts';
import { decide } from './verdict.ts';

export interface VerifyOptions {
  /** The engine that will serve: its model, template and KV type are what the verdict is about. */
  readonly engine: Engine;
  /** The template the engine was made with. Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** Folder of verdicts and remembered digests. Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
  /** Writes the verdict beside the model's file, or its adapter's, as well, to travel with it. Defaults to false. */
  readonly beside?: boolean | undefined;
  /**
   * Policies to try in this order, cheapest first, where plain block mode loses too much. Each is one more chance to
   * pass by luck: give few. Defaults to none.
   */
  readonly policies?: readonly ContextPolicy[] | undefined;
  readonly questions: readonly Question[];
  /** Accuracy that block mode may lose, as a share in (0, 1). Defaults to 0.02. */
  readonly tolerance?: number | undefined;
  /** Longest answer, in tokens. Defaults to 200. */
  readonly maxTokens?: number | undefined;
  /** Questions in flight, each in one mode after the other. Defaults to 4. */
  readonly parallel?: number | undefined;
  /** File of answers to go on from and to add to. Defaults to none. */
  readonly resume?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

export interface PolicyScores extends ModeScores {
  readonly policy: string;
  /** accuracy(block with the policy) − accuracy(full), paired. */
  readonly difference: Difference;
  /** Context tokens recomputed per question, in the mean, and the time that took. */
  readonly tokens: number;
  readonly ms: number;
  readonly reasons: readonly string[];
}

export interface VerificationReport {
  readonly verdict: StoredVerdict['verdict'];
  /** The cheapest policy within the tolerance; null for the verdict `full`. */
  readonly policy: string | null;
  /** Policies that were tried after `plain`, in order. */
  readonly policies: readonly PolicyScores[];
  /** A sentence per condition that plain block mode fails. */
  readonly reasons: readonly string[];
  readonly tolerance: number;
  /** Questions answered in both modes. */
  readonly n: number;
  /** Questions left out because prompt and answer exceed the context. */
  readonly skipped: number;
  readonly full: ModeScores;
  readonly block: ModeScores;
  /** accuracy(block) − accuracy(full), paired. */
  readonly difference: Difference;
  /** How like the two modes' answers are: share of equal ones, normalised, and mean F1 of one against the other. */
  readonly agreement: { readonly exact: number; readonly f1: number };
  /** KL divergence, full from block, of the answer's first token, in nats; and how often both rank one token first. */
  readonly firstToken: {
    readonly meanKl: number;
    readonly medianKl: number;
    readonly maxKl: number;
    readonly sameTop: number;
  };
  readonly identity: VerdictIdentity;
  /** Where the verdict is stored; null where it could not be. */
  readonly storedAt: string | null;
  /** Where it lies beside the model or adapter; null unless asked for. */
  readonly besideAt: string | null;
  readonly machine: Machine;
  readonly seconds: number;
}

const triedSchema = z.object({ text: z.string(), tokens: z.number(), ms: z.number() });
type Tried = z.infer<typeof triedSchema>;
const pairSchema = z.object({
  full: z.string(),
  block: z.string(),
  kl: z.number(),
  sameTop: z.boolean(),
  overflow: z.boolean().optional(),
});
type Pair = z.infer<typeof pairSchema>;
const overflowed: Pair = { full: '', block: '', kl: 0, sameTop: true, overflow: true };

/** Measures, decides, and stores the verdict. @throws INVALID_ARGUMENT, INVALID_DATA, ABORTED; what loading throws */
export async function verify(options: VerifyOptions): Promise<VerificationReport> {
  const { questions, tolerance = 0.02, maxTokens = 200, parallel = 4, signal, onProgress } = options;
  if (!(tolerance > 0 && tolerance < 1)) throw invalid(`tolerance is ${tolerance}: give a share between 0 and 1`);
  for (const [name, value] of Object.entries({ maxTokens, parallel, questions: questions.length })) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} is ${value}: give a whole number from 1`);
  }
  const started = performance.now();
  const { engine, template, cacheDir } = options;
  const { kvType, model } = engine;
  const identity = await verdictIdentity({
    modelPath: model.path,
    template,
    kvType,
    adapter: model.adapter?.identity,
    cacheDir,
  });
  await using file =
    options.resume === undefined
      ? ResultsFile.memory<Pair | Tried>()
      : await ResultsFile.open<Pair | Tried>(options.resume, z.union([pairSchema, triedSchema]));
  const keyOf = (question: Question, ...more: unknown[]) => {
    const texts = question.passages.map(({ title, text }) => [title, text]);
    return resultKey([
      'verify',
      identity,
      maxTokens,
      answerStops,
      model.contextTokens,
      question.question,
      texts,
      ...more,
    ]);
  };
  const pairs: Pair[] = [];
  let done = 0;
  let total = questions.length;
  const step = () => onProgress?.({ done: ++done, total });
  await runJobs([...questions.entries()], { parallel, signal }, async ([index, question], either) => {
    const key = keyOf(question);
    const known = file.get(key);
    const pair = known !== undefined && 'full' in known ? known : await compare(engine, question, maxTokens, either);
    if (known === undefined) await file.add(key, pair);
    pairs[index] = pair;
    step();
  });
  const { full, block, ...figures } = summarise(pairs, questions);
  // Nothing was measured: there is nothing to remember, and no number to write.
  if (figures.n === 0) throw invalid('no question fits the context: give fewer or shorter passages per question');
  const decided = decide({ n: figures.n, fullInterval: full.interval, difference: figures.difference }, tolerance);
  const policies: PolicyScores[] = [];
  // What lacks questions or right answers is not mended by any policy.
  if (decided.verdict === 'full' && decided.mendable) {
    for (const policy of options.policies ?? []) {
      const answers: Tried[] = [];
      total += questions.length;
      await runJobs([...questions.entries()], { parallel, signal }, async ([index, question], either) => {
        if (pairs[index]?.overflow) return step();
        const key = keyOf(question, policy.name);
        const known = file.get(key);
        const answer =
          known !== undefined && 'ms' in known ? known : await readTried(engine, question, policy, maxTokens, either);
        if (known === undefined) await file.add(key, answer);
        answers[index] = answer;
        step();
      });
      const scores = policyScores(policy, answers, pairs, questions);
      const { reasons } = decide(
        { n: figures.n, fullInterval: full.interval, difference: scores.difference },
        tolerance,
      );
      policies.push({ ...scores, reasons });
      if (reasons.length === 0) break;
    }
  }
  const found = policies.find(({ reasons }) => reasons.length === 0);
  const verdict = found === undefined ? decided.verdict : 'block';
  const difference = found?.difference ?? figures.difference;
  const stored: Omit<StoredVerdict, 'version'> = {
    verdict,
    policy: verdict === 'full' ? null : (found?.policy ?? plainPolicy.name),
    reasons: decided.reasons,
    tolerance,
    n: figures.n,
    identity,
    fullAccuracy: full.accuracy,
    blockAccuracy: (found ?? block).accuracy,
    difference: { value: difference.value, interval: [...difference.interval] },
    measuredAt: new Date().toISOString(),
  };
  const storedAt = await writeVerdict(
    stored,
    verdictPath(identity, cacheDir ?? cacheFolder()),
    // What was measured for hours is not thrown away for a folder that cannot be written.
  ).catch(() => null);
  const beside = verdictBeside(model.adapter?.path ?? model.path);
  const besideAt = options.beside ? await writeVerdict(stored, beside).catch(() => null) : null;
  return {
    verdict,
    reasons: decided.reasons,
    policy: stored.policy,
    policies,
    tolerance,
    full,
    block,
    ...figures,
    identity,
    storedAt,
    besideAt,
    machine: describeMachine(),
    seconds: (performance.now() - started) / 1000,
  };
}

async function compare(engine: Engine, question: Question, maxTokens: number, signal: AbortSignal): Promise<Pair> {
  try {
    const full = await read(engine, question, 'full', plainPolicy, maxTokens, signal);
    const block = await read(engine, question, 'block', plainPolicy, maxTokens, signal);
    const { kl, sameTop } = firstTokenKl(full.logits, block.logits);
    return { full: full.result.text, block: block.result.text, kl, sameTop };
  } catch (error) {
    if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') return overflowed;
    throw error;
  }
}

async function readTried(
  engine: Engine,
  question: Question,
  policy: ContextPolicy,
  maxTokens: number,
  signal: AbortSignal,
): Promise<Tried> {
  const { result } = await read(engine, question, 'block', policy, maxTokens, signal);
  return { text: result.text, ...result.recomputed };
}

/** A greedy answer as users get it, and the logits its first token was drawn from, [vocabulary]. */
async function read(
  engine: Engine,
  { question, passages }: Question,
  mode: Mode,
  policy: ContextPolicy,
  maxTokens: number,
  signal: AbortSignal,
) {
  let logits = new Float32Array(0);
  const stream = engine.answer({
    question,
    passages,
    mode,
    policy,
    maxTokens,
    stop: answerStops,
    prefixReuse: false,
    signal,
    onPromptLogits: (all) => {
      logits = all.slice();
    },
  });
  const result = await stream.result;
  if (result.stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the verification was cancelled');
  return { result, logits };
}

function policyScores(
  policy: ContextPolicy,
  answers: readonly Tried[],
  pairs: readonly Pair[],
  questions: readonly Question[],
): Omit<PolicyScores, 'reasons'> {
  const kept = questions.flatMap(({ answers: gold }, i) => {
    const [pair, answer] = [pairs[i], answers[i]];
    return pair === undefined || pair.overflow || answer === undefined ? [] : [{ pair, answer, gold }];
  });
  const scores = kept.map(({ answer, gold }) => scoreAnswer(answer.text, gold));
  const full = kept.map(({ pair, gold }) => scoreAnswer(pair.full, gold).accuracy);
  return {
    policy: policy.name,
    ...modeScores(scores),
    difference: pairedDifference(
      scores.map(({ accuracy }) => accuracy),
      full,
    ),
    tokens: mean(kept.map(({ answer }) => answer.tokens)),
    ms: mean(kept.map(({ answer }) => answer.ms)),
  };
}

function summarise(pairs: readonly Pair[], questions: readonly Question[]) {
  const kept = pairs.flatMap((pair, i) => (pair.overflow ? [] : [{ ...pair, gold: questions[i]?.answers ?? [] }]));
  const side = (mode: 'full' | 'block') => kept.map((pair) => scoreAnswer(pair[mode], pair.gold));
  const [full, block] = [side('full'), side('block')];
  const normal = kept.map((pair) => [normalizeAnswer(pair.full), normalizeAnswer(pair.block)] as const);
  const kl = kept.map((pair) => pair.kl);
  return {
    n: kept.length,
    skipped: questions.length - kept.length,
    full: modeScores(full),
    block: modeScores(block),
    difference: pairedDifference(
      block.map(({ accuracy }) => accuracy),
      full.map(({ accuracy }) => accuracy),
    ),
    agreement: {
      exact: mean(normal.map(([left, right]) => (left === right ? 1 : 0))),
      f1: mean(normal.map(([left, right]) => tokenF1(left, right))),
    },
    firstToken: {
      meanKl: mean(kl),
      medianKl: median(kl) ?? Number.NaN,
      maxKl: kl.reduce((most, value) => Math.max(most, value), 0),
      sameTop: mean(kept.map((pair) => (pair.sameTop ? 1 : 0))),
    },
  };
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
