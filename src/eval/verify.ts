/**
 * Block mode against full attention on the user's own model and questions, and the verdict on it (verdict.ts).
 *
 * Knows answers and logits. That both come from one model in one state is the reader's business.
 */
import { z } from 'zod';
import {
  type StoredVerdict,
  type VerdictIdentity,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { cacheFolder } from '../models/index.ts';
import { bootstrapInterval, type Difference, type Interval, mean, pairedDifference } from './bootstrap.ts';
import { answerStops } from './evaluate.ts';
import { firstTokenKl } from './first-token.ts';
import { describeMachine, type Machine } from './machine.ts';
import { median } from './median.ts';
import { normalizeAnswer, scoreAnswer, tokenF1 } from './metrics.ts';
import type { Question } from './questions.ts';
import { Reader, type ReaderOptions } from './reader.ts';
import { ResultsFile, resultKey } from './results-file.ts';
import { runJobs } from './run-jobs.ts';
import { decide } from './verdict.ts';

export interface VerifyOptions extends ReaderOptions {
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

export interface ModeScores {
  readonly accuracy: number;
  readonly em: number;
  readonly f1: number;
  /** 95 % interval of the accuracy. */
  readonly interval: Interval;
}

export interface VerificationReport {
  readonly verdict: StoredVerdict['verdict'];
  /** Why not `block`: a sentence per condition that fails. */
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
  readonly machine: Machine;
  readonly seconds: number;
}

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
  const identity = await verdictIdentity(options);
  await using file =
    options.resume === undefined
      ? ResultsFile.memory<Pair>()
      : await ResultsFile.open<Pair>(options.resume, pairSchema);
  await using reader = await Reader.open(options);
  const pairs: Pair[] = [];
  let done = 0;
  await runJobs([...questions.entries()], { parallel, signal }, async ([index, question], either) => {
    const texts = question.passages.map(({ title, text }) => [title, text]);
    const key = resultKey([
      'verify',
      identity,
      maxTokens,
      answerStops,
      options.contextTokens,
      question.question,
      texts,
    ]);
    let pair = file.get(key);
    if (pair === undefined) {
      pair = await compare(reader, question, maxTokens, either);
      await file.add(key, pair);
    }
    pairs[index] = pair;
    onProgress?.({ done: ++done, total: questions.length });
  });
  const { full, block, ...figures } = summarise(pairs, questions);
  const decided = decide({ n: figures.n, fullInterval: full.interval, difference: figures.difference }, tolerance);
  const evidence = { tolerance, n: figures.n, difference: figures.difference };
  // Nothing was measured: there is nothing to remember, and no number to write.
  if (figures.n === 0) throw invalid('no question fits the context: give fewer or shorter passages per question');
  const storedAt = await writeVerdict(
    {
      ...decided,
      ...evidence,
      identity,
      fullAccuracy: full.accuracy,
      blockAccuracy: block.accuracy,
      difference: { value: evidence.difference.value, interval: [...evidence.difference.interval] },
      repair: null,
      measuredAt: new Date().toISOString(),
    },
    verdictPath(identity, options.cacheDir ?? cacheFolder()),
    // What was measured for hours is not thrown away for a folder that cannot be written.
  ).catch(() => null);
  return {
    ...decided,
    tolerance,
    full,
    block,
    ...figures,
    identity,
    storedAt,
    machine: describeMachine(),
    seconds: (performance.now() - started) / 1000,
  };
}

async function compare(reader: Reader, question: Question, maxTokens: number, signal: AbortSignal): Promise<Pair> {
  try {
    const full = await reader.read(question, { mode: 'full', maxTokens, stop: answerStops, signal });
    const block = await reader.read(question, { mode: 'block', maxTokens, stop: answerStops, signal });
    const { kl, sameTop } = firstTokenKl(full.logits, block.logits);
    return { full: full.text, block: block.text, kl, sameTop };
  } catch (error) {
    if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') return overflowed;
    throw error;
  }
}

function summarise(pairs: readonly Pair[], questions: readonly Question[]) {
  const kept = pairs.flatMap((pair, i) => (pair.overflow ? [] : [{ ...pair, gold: questions[i]?.answers ?? [] }]));
  const side = (mode: 'full' | 'block') => kept.map((pair) => scoreAnswer(pair[mode], pair.gold));
  const [full, block] = [side('full'), side('block')];
  const scores = (list: typeof full): ModeScores => ({
    accuracy: mean(list.map(({ accuracy }) => accuracy)),
    em: mean(list.map(({ em }) => em)),
    f1: mean(list.map(({ f1 }) => f1)),
    interval: bootstrapInterval(list.map(({ accuracy }) => accuracy)),
  });
  const normal = kept.map((pair) => [normalizeAnswer(pair.full), normalizeAnswer(pair.block)] as const);
  const kl = kept.map((pair) => pair.kl);
  return {
    n: kept.length,
    skipped: questions.length - kept.length,
    full: scores(full),
    block: scores(block),
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
