/**
 * The rule that decides whether a model may be used in block mode. Pure; engine/verdict-store.ts keeps what it decides.
 */
import type { Difference, Interval } from './bootstrap.ts';

export interface Evidence {
  /** Questions answered in both modes. */
  readonly n: number;
  /** 95 % interval of full attention's accuracy. */
  readonly fullInterval: Interval;
  /** accuracy(block) − accuracy(full), paired. */
  readonly difference: Difference;
}

/**
 * The rule. `block` if all three hold, else `full`:
 *   1. n ≥ 3 / tolerance: fewer questions can miss a loss of the tolerance altogether ("rule of three");
 *   2. full attention is right often enough for a loss to show: its accuracy's lower end exceeds the tolerance;
 *   3. the lower end of the paired 95 % interval of accuracy(block) − accuracy(full) is at least −tolerance.
 * @param tolerance accuracy that block mode may lose, as a share in (0, 1)
 * @returns the verdict, a sentence for each condition that fails, and whether it is the third alone, which less loss mends
 */
export function decide({ n, fullInterval, difference }: Evidence, tolerance: number) {
  const reasons: string[] = [];
  const needed = neededQuestions(tolerance);
  const points = (share: number) => `${(share * 100).toFixed(1)} points`;
  if (n < needed) {
    reasons.push(`${n} questions cannot show a loss of ${points(tolerance)}: give at least ${needed}`);
  }
  if (!(fullInterval[0] > tolerance)) {
    reasons.push(
      `full attention itself may be right in only ${points(fullInterval[0])} of 100, so a loss would not show: give questions that the model can answer`,
    );
  }
  const mendable = reasons.length === 0;
  const [low] = difference.interval;
  if (!(low >= -tolerance)) {
    reasons.push(`block mode may lose up to ${points(-low)} of accuracy, more than the ${points(tolerance)} allowed`);
  }
  const verdict: 'block' | 'full' = reasons.length === 0 ? 'block' : 'full';
  return { verdict, reasons, mendable };
}

/** Questions that rule 1 asks for. */
export function neededQuestions(tolerance: number): number {
  // 3 / 0.03 is 100.00000000000001 in some roundings.
  return Math.ceil(3 / tolerance - 1e-9);
}

/** Fewer questions say nothing, however alike the modes are on them. */
export const leastOwnQuestions = 24;

export interface OwnEvidence {
  /** Questions that full attention answered, read in both modes. */
  readonly n: number;
  /** Per-token probability of full attention's own answer: that in block mode minus that in full attention, paired. */
  readonly difference: Difference;
  /** Share of those questions on which block mode says that there is no answer. */
  readonly lost: number;
}

/**
 * The rule without right answers: what full attention would have said must stay as likely. `block` if all hold:
 *   1. n ≥ leastOwnQuestions;
 *   2. the lower end of the paired 95 % interval of the difference in probability is at least −tolerance;
 *   3. block mode declines to answer on no larger a share of the questions than the tolerance.
 * @param tolerance probability that may be lost, as a share in (0, 1)
 * @returns also whether more questions could still change the verdict
 */
export function decideOwn({ n, difference, lost }: OwnEvidence, tolerance: number) {
  const reasons: string[] = [];
  const points = (share: number) => `${(share * 100).toFixed(1)} points`;
  if (n < leastOwnQuestions) {
    reasons.push(`${n} questions that full attention answers say too little: ${leastOwnQuestions} are needed`);
  }
  const [low, high] = difference.interval;
  if (!(low >= -tolerance)) {
    reasons.push(
      `full attention's own answers may lose up to ${points(-low)} of probability in block mode, more than the ${points(tolerance)} allowed`,
    );
  }
  if (!(lost <= tolerance)) reasons.push(`block mode finds no answer on ${points(lost)} more of 100 questions`);
  const verdict: 'block' | 'full' = reasons.length === 0 ? 'block' : 'full';
  const open = n < leastOwnQuestions || (verdict === 'full' && high >= -tolerance);
  return { verdict, reasons, open };
}
