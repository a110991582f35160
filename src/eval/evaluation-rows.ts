/** From answers to the rows of a table: scores, their intervals, and what full attention does better. Pure. */
import { type ContextPolicy, type Mode, plainPolicy } from '../engine/index.ts';
import { type Difference, mean, pairedDifference } from './bootstrap.ts';
import type { Answer } from './evaluate.ts';
import { median } from './median.ts';
import { scoreAnswer } from './metrics.ts';
import { type ModeScores, modeScores } from './mode-scores.ts';
import type { Question } from './questions.ts';

export interface EvaluationRow extends ModeScores {
  readonly mode: Mode;
  /** Name of the context policy; null in full mode. */
  readonly policy: string | null;
  /** Questions scored. */
  readonly n: number;
  /** accuracy(this) − accuracy(full) on the same questions; null in full mode, and where it was not measured. */
  readonly difference: Difference | null;
  /** Share of the gap between plain block mode and full attention that a policy closes; null where there is no gap. */
  readonly gapClosed: number | null;
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

/** The answers of one mode and policy, by question. */
export interface Variant {
  readonly mode: Mode;
  /** Null in full mode. */
  readonly policy: ContextPolicy | null;
  readonly answers: readonly Answer[];
}

export function scoreRows(variants: readonly Variant[], questions: readonly Question[]): EvaluationRow[] {
  const scored = variants.map((variant) => ({ ...variant, ...score(variant.answers, questions) }));
  const of = (wanted: string | undefined) => scored.find(({ policy }) => policy?.name === wanted)?.accuracies;
  const [full, block] = [of(undefined), of(plainPolicy.name)];
  const gap = full === undefined || block === undefined ? 0 : mean(full) - mean(block);
  return scored.map(({ mode, policy, accuracies, row }) => ({
    mode,
    policy: policy?.name ?? null,
    ...row,
    difference: mode === 'full' || full === undefined ? null : pairedDifference(accuracies, full),
    gapClosed:
      policy === null || policy.name === plainPolicy.name || !(gap > 0) || block === undefined
        ? null
        : (mean(accuracies) - mean(block)) / gap,
  }));
}

function score(answers: readonly Answer[], questions: readonly Question[]) {
  const kept = answers.flatMap((answer, i) => {
    const question = questions[i];
    return question === undefined || answer.overflow ? [] : [{ answer, gold: question.answers }];
  });
  const scores = kept.map(({ answer, gold }) => scoreAnswer(answer.text, gold));
  const accuracies = scores.map(({ accuracy }) => accuracy);
  const known = (part: 'readyMs' | 'flops') => kept.flatMap(({ answer }) => answer[part] ?? []);
  const flops = known('flops');
  const row = {
    n: kept.length,
    ...modeScores(scores),
    promptTokens: mean(kept.map(({ answer }) => answer.promptTokens)),
    answerTokens: mean(kept.map(({ answer }) => answer.answerTokens)),
    ttftMs: median(known('readyMs')) ?? null,
    flops: flops.length === 0 ? null : mean(flops),
  };
  return { row, accuracies };
}
