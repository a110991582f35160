/**
 * What measured answers say about policies: rows, agreement, and whether the rule of verdict.ts holds. Pure but for the
 * measurement, which it only reads, and which may grow between two calls.
 */
import type { ContextPolicy } from '../engine/index.ts';
import { abstains } from '../scoring/abstention.ts';
import { type Difference, mean } from '../scoring/bootstrap.ts';
import { median } from '../scoring/median.ts';
import { normalizeAnswer, tokenF1 } from '../scoring/metrics.ts';
import { decide, decideOwn } from '../scoring/verdict.ts';
import type { Answer, Measurement } from './measurement.ts';
import type { Question } from './questions/questions.ts';
import { type EvaluationRow, scoreRows } from './scores/evaluation-rows.ts';

/** How like the two modes are. */
export interface Agreement {
  /** Share of equal answers, normalised, and mean F1 of one against the other. */
  readonly agreement: { readonly exact: number; readonly f1: number };
  /** Questions on which full attention, block mode, and both say that there is no answer. */
  readonly abstentions: { readonly full: number; readonly block: number; readonly both: number };
}

/** KL divergence, full from block, of the answer's first token, in nats; and how often both rank one token first. */
export interface FirstTokens {
  readonly meanKl: number;
  readonly medianKl: number;
  readonly maxKl: number;
  readonly sameTop: number;
}

export interface Judged {
  readonly policy: string;
  readonly verdict: 'block' | 'full';
  readonly reasons: readonly string[];
  /** Whether another policy could do better on these questions. */
  readonly mendable: boolean;
  /** Whether more questions could still change the verdict. */
  readonly open: boolean;
  readonly n: number;
  readonly row: EvaluationRow;
  /** Full attention on the same questions. */
  readonly fullRow: EvaluationRow;
  /** What is compared, in the mean: accuracy, or the probability of full attention's own answers. */
  readonly fullMean: number;
  readonly blockMean: number;
  readonly difference: Difference;
  readonly tokens: number;
  readonly ms: number;
}

interface Pair {
  readonly full: Answer;
  readonly block: Answer;
}

export class Comparison {
  readonly #measurement: Measurement;
  readonly #questions: readonly Question[];
  readonly #own: boolean;
  readonly #tolerance: number;

  constructor(options: {
    readonly measurement: Measurement;
    readonly questions: readonly Question[];
    readonly own: boolean;
    readonly tolerance: number;
  }) {
    this.#measurement = options.measurement;
    this.#questions = options.questions;
    this.#own = options.own;
    this.#tolerance = options.tolerance;
  }

  /** Questions that exceed the context. */
  get skipped(): number {
    return this.#measurement.answers(null).filter((answer) => answer?.overflow).length;
  }

  /** Questions that full attention does not answer. */
  get declined(): number {
    return this.#measurement.answers(null).filter((answer) => answer && !answer.overflow && abstains(answer.text))
      .length;
  }

  judge(policy: ContextPolicy): Judged {
    const [fullRow, row] = this.#rows([null, policy]);
    const pairs = this.#pairs(policy);
    if (fullRow === undefined || row === undefined) throw new RangeError('nothing was measured');
    const work = {
      tokens: mean(pairs.map(({ block }) => block.recomputed?.tokens ?? 0)),
      ms: mean(pairs.map(({ block }) => block.recomputed?.ms ?? 0)),
    };
    const common = { policy: policy.name, n: row.n, row, fullRow, ...work };
    if (this.#own) {
      const answered = pairs.filter(({ full }) => !abstains(full.text));
      const checks = answered.map(({ full, block }) => ({
        full: probability(full),
        block: probability(block),
        agreement: tokenF1(normalizeAnswer(full.text), normalizeAnswer(block.text)),
        kl: block.kl ?? Number.NaN,
        declined: abstains(block.text),
      }));
      return { ...common, ...decideOwn(checks, this.#tolerance), mendable: true };
    }
    const difference = row.difference ?? { value: Number.NaN, interval: [Number.NaN, Number.NaN] as const };
    const decided = decide({ n: row.n, fullInterval: fullRow.interval, difference }, this.#tolerance);
    return { ...common, ...decided, open: false, fullMean: fullRow.accuracy, blockMean: row.accuracy, difference };
  }

  /** Full attention on all questions it read. */
  fullRow(): EvaluationRow {
    const [row] = this.#rows([null]);
    if (row === undefined) throw new RangeError('nothing was measured');
    // Block mode is compared with it, so it is its own reference.
    return { ...row, kl: 0, klInterval: [0, 0] };
  }

  agreement(policy: ContextPolicy): Agreement {
    const pairs = this.#pairs(policy);
    const normal = pairs.map(({ full, block }) => [normalizeAnswer(full.text), normalizeAnswer(block.text)] as const);
    const declines = pairs.map(({ full, block }) => [abstains(full.text), abstains(block.text)] as const);
    return {
      agreement: {
        exact: mean(normal.map(([left, right]) => (left === right ? 1 : 0))),
        f1: mean(normal.map(([left, right]) => tokenF1(left, right))),
      },
      abstentions: {
        full: declines.filter(([full]) => full).length,
        block: declines.filter(([, block]) => block).length,
        both: declines.filter(([full, block]) => full && block).length,
      },
    };
  }

  firstToken(policy: ContextPolicy): FirstTokens {
    const read = this.#pairs(policy).map(({ block }) => block);
    const kl = read.flatMap((answer) => answer.kl ?? []);
    return {
      meanKl: mean(kl),
      medianKl: median(kl) ?? Number.NaN,
      maxKl: kl.reduce((most, value) => Math.max(most, value), 0),
      sameTop: mean(read.map(({ sameTop }) => Number(sameTop ?? false))),
    };
  }

  /** With full attention's answers as the right ones where there are no others; what it does not answer is left out. */
  #rows(reads: readonly (ContextPolicy | null)[]): EvaluationRow[] {
    const full = this.#measurement.answers(null);
    const counts = (index: number) => {
      const answer = full[index];
      return answer !== undefined && (!this.#own || !abstains(answer.text));
    };
    const variants = reads.map((read) => {
      const answers = this.#measurement.answers(read);
      return { read, answers: this.#questions.map((_, i) => (counts(i) ? answers[i] : undefined)) };
    });
    const questions = this.#questions.map((question, i) =>
      this.#own ? { ...question, answers: [full[i]?.text ?? ''] } : question,
    );
    return scoreRows(variants, questions);
  }

  #pairs(policy: ContextPolicy): Pair[] {
    const [fulls, blocks] = [this.#measurement.answers(null), this.#measurement.answers(policy)];
    return this.#questions.flatMap((_, i) => {
      const [full, block] = [fulls[i], blocks[i]];
      return full === undefined || block === undefined || full.overflow || block.overflow ? [] : [{ full, block }];
    });
  }
}

/** Per-token probability of what is right: the geometric mean. */
function probability({ nll }: Answer): number {
  return nll === undefined ? 0 : Math.exp(-nll);
}
