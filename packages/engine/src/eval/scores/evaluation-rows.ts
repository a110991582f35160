/** From answers to the rows of a table: scores, their intervals, and what full attention does better. Pure. */
import { type Mode, plainPolicy } from '../../engine/index.ts';
import { abstains } from '../../scoring/abstention.ts';
import { type Difference, groupedInterval, type Interval, mean, pairedDifference } from '../../scoring/bootstrap.ts';
import { median } from '../../scoring/median.ts';
import { type Scores, scoreAnswer } from '../../scoring/metrics.ts';
import { type Answer, isPlain, type Read } from '../measurement.ts';
import type { Question } from '../questions/questions.ts';
import { type ModeScores, modeScores } from './mode-scores.ts';

export interface EvaluationRow extends ModeScores {
  readonly mode: Mode;
  /** Name of the context policy; null in full mode. */
  readonly policy: string | null;
  /** Questions scored. */
  readonly n: number;
  /** Answers that say they have none. Right where the passages do not say, else wrong. */
  readonly abstained: number;
  /** Negative log-likelihood of the first gold answer, per token in nats: mean over questions that have one, or null. */
  readonly nll: number | null;
  readonly nllInterval: Interval | null;
  /** KL divergence of the first token, full attention from this, in nats: mean. 0 in full mode; null if not compared. */
  readonly kl: number | null;
  readonly klInterval: Interval | null;
  /** How often both modes rank the same token first; null where they were not compared. */
  readonly sameTop: number | null;
  /** How much likelier the gold answer is than one that another passage answers, per token in nats; null without such. */
  readonly margin: number | null;
  /** accuracy(this) − accuracy(full) on the same questions; null in full mode, and where it was not measured. */
  readonly difference: Difference | null;
  /**
   * Shares of the gap between plain block mode and full attention that a policy closes, in accuracy, likelihood, KL and
   * margin; null where there is no gap, and where not all three were measured.
   */
  readonly gapClosed: number | null;
  readonly nllClosed: Difference | null;
  readonly klClosed: Difference | null;
  readonly marginClosed: Difference | null;
  /** Means, in tokens. */
  readonly promptTokens: number;
  readonly answerTokens: number;
  /**
   * Median time to first token in ms, and mean operations to it, as if all blocks had been there. null where answers
   * come from a file that does not tell. Requests in flight slow each other down: measure times with one at a time.
   */
  readonly ttftMs: number | null;
  readonly flops: number | null;
}

/** What people call a row. */
export function rowName({ policy }: Pick<EvaluationRow, 'policy'>): string {
  if (policy === null) return 'full attention';
  return policy === plainPolicy.name ? 'block mode' : `block, ${policy}`;
}

/** The answers of full attention or of a policy, by question. */
export interface Variant {
  readonly read: Read;
  /** Undefined for questions that are left out. */
  readonly answers: readonly (Answer | undefined)[];
}

/** Scores of an answer. Where the passages do not say, saying so is right. */
export function scoreText(text: string, gold: readonly string[]): Scores {
  if (gold.length > 0) return scoreAnswer(text, gold);
  const right = abstains(text) ? 1 : 0;
  return { accuracy: right, em: right, f1: right };
}

/** @param variants one or more, all of the same questions */
export function scoreRows(variants: readonly Variant[], questions: readonly Question[]): EvaluationRow[] {
  // What does not fit the context is left out by all.
  const kept = questions.flatMap((question, i) =>
    variants.every(({ answers }) => answers[i] !== undefined && !answers[i]?.overflow) ? [{ question, i }] : [],
  );
  const groups = groupsOf(kept.map(({ question }) => question));
  const scored = variants.map(({ read, answers }) => {
    const own = kept.flatMap(({ i }) => answers[i] ?? []);
    const scores = own.map((answer, i) => scoreText(answer.text, kept[i]?.question.answers ?? []));
    return { read, own, scores, accuracies: scores.map(({ accuracy }) => accuracy) };
  });
  const [full, plain] = [scored.find(({ read }) => read === null), scored.find(({ read }) => isPlain(read))];
  const gap = full === undefined || plain === undefined ? 0 : mean(full.accuracies) - mean(plain.accuracies);
  const closed = (own: readonly Answer[], read: Read, figure: Figure) =>
    read === null || isPlain(read) || full === undefined || plain === undefined
      ? null
      : shareClosed(
          groups,
          [full.own, plain.own, own].map((list) => list.map(figure)),
        );
  return scored.map(({ read, own, scores, accuracies }) => ({
    mode: read === null ? 'full' : 'block',
    policy: read?.name ?? null,
    n: own.length,
    ...modeScores(scores),
    abstained: own.filter(({ text }) => abstains(text)).length,
    ...likelihood(own, groups, read === null && scored.length > 1),
    difference: read === null || full === undefined ? null : pairedDifference(accuracies, full.accuracies),
    gapClosed:
      read === null || isPlain(read) || !(gap > 0) || plain === undefined
        ? null
        : (mean(accuracies) - mean(plain.accuracies)) / gap,
    nllClosed: closed(own, read, ({ nll }) => nll),
    klClosed: closed(own, read, ({ kl }) => kl ?? 0),
    marginClosed: closed(own, read, marginOf),
    promptTokens: mean(own.map((answer) => answer.promptTokens)),
    answerTokens: mean(own.map((answer) => answer.answerTokens)),
    ttftMs: median(own.flatMap(({ readyMs }) => readyMs ?? [])) ?? null,
    flops: meanOrNull(own.map(({ flops }) => flops)),
  }));
}

type Figure = (answer: Answer) => number | undefined;

function likelihood(own: readonly Answer[], groups: readonly (readonly number[])[], isReference: boolean) {
  const of = (figure: Figure) => {
    const values = own.map(figure);
    const value = meanOrNull(values);
    const interval = value === null ? null : groupedInterval(groups, (indexes) => meanAt(values, indexes));
    return { value, interval };
  };
  const [nll, kl] = [of(({ nll: value }) => value), of((answer) => (isReference ? 0 : answer.kl))];
  return {
    nll: nll.value,
    nllInterval: nll.interval,
    kl: kl.value,
    klInterval: kl.interval,
    sameTop: meanOrNull(own.map(({ sameTop }) => (sameTop === undefined ? undefined : Number(sameTop)))),
    margin: meanOrNull(own.map(marginOf)),
  };
}

function marginOf({ nll, wrongNll }: Answer): number | undefined {
  return nll === undefined || wrongNll === undefined ? undefined : wrongNll - nll;
}

/** (plain − this) / (plain − full), and its interval. @param figures of full, plain and this, by question */
function shareClosed(
  groups: readonly (readonly number[])[],
  figures: readonly (readonly (number | undefined)[])[],
): Difference | null {
  const [full = [], plain = [], own = []] = figures;
  const at = (indexes: readonly number[]) => {
    const [low, high, value] = [full, plain, own].map((list) => meanAt(list, indexes));
    return ((high ?? Number.NaN) - (value ?? Number.NaN)) / ((high ?? Number.NaN) - (low ?? Number.NaN));
  };
  const value = at(groups.flat());
  return Number.isFinite(value) ? { value, interval: groupedInterval(groups, at) } : null;
}

function meanAt(values: readonly (number | undefined)[], indexes: readonly number[]): number {
  let [sum, count] = [0, 0];
  for (const index of indexes) {
    const value = values[index];
    if (value === undefined) continue;
    sum += value;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}

function meanOrNull(values: readonly (number | undefined)[]): number | null {
  const known = values.flatMap((value) => value ?? []);
  return known.length === 0 ? null : mean(known);
}

/** Indexes of questions over the same passages. */
function groupsOf(questions: readonly Question[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const [i, { passages }] of questions.entries()) {
    const context = JSON.stringify(passages);
    groups.set(context, [...(groups.get(context) ?? []), i]);
  }
  return [...groups.values()];
}
