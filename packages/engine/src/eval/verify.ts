/**
 * Block mode against full attention on the user's own model and questions, and the verdict on it (verdict.ts).
 *
 * Policies are tried in their order, and the first that holds is the verdict's. With known answers each reads every
 * question; without (`own`), each stops as soon as its interval decides, and all stop when the time is up.
 */

import {
  type ContextPolicy,
  type Engine,
  type PromptTemplate,
  plainPolicy,
  type StoredVerdict,
  shippedPath,
  type VerdictIdentity,
  verdictBeside,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import type { Difference } from '../scoring/bootstrap.ts';
import { type Agreement, Comparison, type FirstTokens, type Judged } from './comparison.ts';
import { answerSettings } from './evaluate.ts';
import { Measurement, openAnswers } from './measurement.ts';
import type { Question } from './questions/questions.ts';
import type { EvaluationRow } from './scores/evaluation-rows.ts';
import type { ModeScores } from './scores/mode-scores.ts';
import { describeMachine, type Machine } from './ttft/machine.ts';

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
   * Folder to write the verdict to as well, under the name by which a package finds its own, if it allows block mode.
   * Defaults to none.
   */
  readonly into?: string | undefined;
  /**
   * Policies to try in this order, cheapest first. Each is one more chance to pass by luck: give few. Defaults to
   * `plain`.
   */
  readonly policies?: readonly ContextPolicy[] | undefined;
  readonly questions: readonly Question[];
  /**
   * `gold`: questions have right answers. `own`: full attention's answers are taken for right, and what is compared is
   * their likelihood. Defaults to `gold`.
   */
  readonly labels?: 'gold' | 'own' | undefined;
  /** What block mode may lose, as a share in (0, 1): accuracy, or probability of full attention's own answers. Defaults to 0.02. */
  readonly tolerance?: number | undefined;
  /** Time for all of it, in minutes; what was measured by then counts. Defaults to no limit. */
  readonly minutes?: number | undefined;
  /** Longest answer, in tokens. Defaults to 200. */
  readonly maxTokens?: number | undefined;
  /** `short` asks for a few words copied from the passages. Defaults to `free`. */
  readonly answerStyle?: 'free' | 'short' | undefined;
  /** Questions in flight, each in one mode after the other. Defaults to 4. */
  readonly parallel?: number | undefined;
  /** File of answers to go on from and to add to. Defaults to none. */
  readonly resume?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface VerifyProgress {
  /** Answers read, and those that the policy under way may need at most. */
  readonly done: number;
  readonly total: number;
  /** What is being tried. */
  readonly policy: string;
  /** Until the end of this policy, or of the time allowed, whichever is first; undefined before the first answers. */
  readonly remainingMs: number | undefined;
}

export interface PolicyScores extends ModeScores {
  readonly policy: string;
  /** Of accuracy, or of probability (`own`): block with the policy − full, paired. */
  readonly difference: Difference;
  /** Context tokens recomputed per question, in the mean, and the time that took. */
  readonly tokens: number;
  readonly ms: number;
  /** Questions read. */
  readonly n: number;
  readonly reasons: readonly string[];
}

export interface VerificationReport extends Agreement {
  /** Full attention, then each policy that was tried, with full attention on the same questions. */
  readonly rows: readonly EvaluationRow[];
  readonly labels: 'gold' | 'own';
  readonly verdict: StoredVerdict['verdict'];
  /** The cheapest policy within the tolerance; null for the verdict `full`. */
  readonly policy: string | null;
  /** Policies that were tried after the first, in order. */
  readonly policies: readonly PolicyScores[];
  /** A sentence per condition that the first policy fails. */
  readonly reasons: readonly string[];
  readonly tolerance: number;
  /** Questions answered in both modes by the first policy. */
  readonly n: number;
  /** Questions left out because prompt and answer exceed the context. */
  readonly skipped: number;
  readonly full: ModeScores;
  /** The first policy. */
  readonly block: ModeScores;
  /** Of the first policy, as in `policies`. */
  readonly difference: Difference;
  readonly firstToken: FirstTokens;
  /** Whether the time was up before the last policy was decided. */
  readonly timeUp: boolean;
  readonly identity: VerdictIdentity;
  /** Where the verdict is stored; null where it could not be. */
  readonly storedAt: string | null;
  /** Where it lies beside the model or adapter; null unless asked for. */
  readonly besideAt: string | null;
  /** Where `into` put it; null where that was not asked for, could not be written, or block mode is not allowed. */
  readonly intoAt: string | null;
  readonly machine: Machine;
  readonly seconds: number;
}

/** Measures, decides, and stores the verdict. @throws INVALID_ARGUMENT, INVALID_DATA, ABORTED; what loading throws */
export async function verify(options: VerifyOptions): Promise<VerificationReport> {
  const { questions, tolerance = 0.02, maxTokens = 200, parallel = 4, signal, minutes, labels = 'gold' } = options;
  const { engine, template, cacheDir } = options;
  if (!(tolerance > 0 && tolerance < 1)) throw invalid(`tolerance is ${tolerance}: give a share between 0 and 1`);
  if (minutes !== undefined && !(minutes > 0)) throw invalid(`minutes is ${minutes}: give a number above 0`);
  const [first = plainPolicy, ...others] = options.policies ?? [plainPolicy];
  for (const [name, value] of Object.entries({ maxTokens, parallel, questions: questions.length })) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} is ${value}: give a whole number from 1`);
  }
  const started = performance.now();
  const { kvType, model } = engine;
  const adapter = model.adapter?.identity;
  const identity = await verdictIdentity({ modelPath: model.path, template, kvType, adapter, cacheDir });
  const settings = await answerSettings(engine, { template, cacheDir });
  await using file = await openAnswers(options.resume);
  const own = labels === 'own';
  const clock = new Clock(minutes);
  let done = 0;
  let current = first;
  const measurement = new Measurement({
    engine,
    questions,
    file,
    settings,
    maxTokens,
    parallel,
    own,
    compared: true,
    answerStyle: options.answerStyle,
    signal,
    onAnswer: () => {
      done++;
      const total = Math.max(done, questions.length * (2 + judged.length));
      options.onProgress?.({ done, total, policy: current.name, remainingMs: clock.remaining(done / total) });
    },
  });
  const comparison = new Comparison({ measurement, questions, own, tolerance });
  const judged: Judged[] = [];
  let timeUp = false;
  for (const [tried, policy] of [first, ...others].entries()) {
    current = policy;
    // Those that follow get a chance, too.
    const slice = clock.slice(others.length - tried);
    for (const to of own ? peeks(questions.length) : [questions.length]) {
      timeUp = await slice.run(signal, (until) => measurement.run([null, policy], { to, signal: until }));
      if (timeUp || (own && !comparison.judge(policy).open)) break;
    }
    const found = comparison.judge(policy);
    judged.push(found);
    if (found.verdict === 'block' || !found.mendable) break;
    if (clock.isOver) break;
  }
  const [plain] = judged;
  // Nothing was measured: there is nothing to remember, and no number to write.
  if (plain === undefined || plain.n === 0) {
    if (timeUp) throw invalid(`no question was answered within the time limit of ${minutes} min: allow more`);
    throw invalid(
      own && comparison.declined > 0
        ? `full attention answers none of the ${questions.length} questions: give others`
        : 'no question fits the context: give fewer or shorter passages per question',
    );
  }
  const holds = judged.find(({ verdict }) => verdict === 'block');
  const evidence = holds ?? plain;
  const stored: Omit<StoredVerdict, 'version'> = {
    verdict: holds === undefined ? 'full' : 'block',
    policy: holds?.policy ?? null,
    reasons: [...plain.reasons],
    tolerance,
    n: evidence.n,
    identity,
    fullAccuracy: evidence.fullMean,
    blockAccuracy: evidence.blockMean,
    difference: { value: evidence.difference.value, interval: [...evidence.difference.interval] },
    ...(own && { basis: 'own' as const }),
    measuredAt: new Date().toISOString(),
  };
  const storedAt = await writeVerdict(
    stored,
    verdictPath(identity, cacheDir ?? cacheFolder()),
    // What was measured for hours is not thrown away for a folder that cannot be written.
  ).catch(() => null);
  const beside = verdictBeside(model.adapter?.path ?? model.path);
  const besideAt = options.beside ? await writeVerdict(stored, beside, { forAll: true }).catch(() => null) : null;
  const into = holds && options.into !== undefined ? shippedPath(identity, options.into) : undefined;
  const intoAt = into === undefined ? null : await writeVerdict(stored, into, { forAll: true }).catch(() => null);
  return {
    rows: [comparison.fullRow(), ...judged.map(({ row }) => row)],
    labels,
    verdict: stored.verdict,
    policy: stored.policy,
    policies: judged.slice(1).map(({ row, ...rest }) => ({ ...scoresOf(row), ...rest })),
    reasons: plain.reasons,
    tolerance,
    n: plain.n,
    skipped: comparison.skipped,
    full: scoresOf(plain.fullRow),
    block: scoresOf(plain.row),
    difference: plain.difference,
    ...comparison.agreement(first),
    firstToken: comparison.firstToken(first),
    timeUp: timeUp && holds === undefined,
    identity,
    storedAt,
    besideAt,
    intoAt,
    machine: describeMachine(),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Numbers of questions after which it is asked whether they decide: each doubles the last, so few are by luck. */
function peeks(questions: number): number[] {
  const counts: number[] = [];
  for (let count = 24; count < questions; count *= 2) counts.push(count);
  return [...counts, questions];
}

/** Time that may be spent. */
class Clock {
  readonly #startedAt = performance.now();
  readonly #until: number;

  /** @param minutes undefined: without end */
  constructor(minutes: number | undefined) {
    this.#until = minutes === undefined ? Number.POSITIVE_INFINITY : this.#startedAt + minutes * 60_000;
  }

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  /** Half of what is left, or all of it for the last. @param others that come after */
  slice(others: number): Slice {
    const now = performance.now();
    return new Slice(others > 0 ? now + (this.#until - now) / 2 : this.#until);
  }

  /** In ms, by the share that is done. */
  remaining(share: number): number | undefined {
    const now = performance.now();
    const passed = now - this.#startedAt;
    if (share <= 0 || passed < 1_000) return undefined;
    return Math.max(0, Math.min(this.#until - now, passed / share - passed));
  }
}

class Slice {
  readonly #until: number;

  constructor(until: number) {
    this.#until = until;
  }

  /** Runs work until it is done or the time is over. @returns whether it is over. @throws what the work throws else */
  async run(
    signal: AbortSignal | undefined,
    work: (until: AbortSignal | undefined) => Promise<void>,
  ): Promise<boolean> {
    if (this.#until === Number.POSITIVE_INFINITY) {
      await work(signal);
      return false;
    }
    const end = AbortSignal.timeout(Math.max(1, Math.round(this.#until - performance.now())));
    try {
      await work(signal === undefined ? end : AbortSignal.any([signal, end]));
      return false;
    } catch (error) {
      if (!end.aborted || signal?.aborted) throw error;
      return true;
    }
  }
}

function scoresOf({ accuracy, em, f1, interval }: ModeScores): ModeScores {
  return { accuracy, em, f1, interval };
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
