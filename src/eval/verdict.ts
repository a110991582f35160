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
