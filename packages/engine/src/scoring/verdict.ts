/**
 * The rule that decides whether a model may be used in block mode. Pure; engine/verdict-store.ts keeps what it decides.
 */
import { bootstrapInterval, type Difference, type Interval, mean, pairedDifference } from './bootstrap.ts';

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

/** Least mean agreement of answers, and greatest mean KL divergence of the first token in nats: those of shadow checks. */
export const ownAgreement = 0.6;
export const ownKl = 0.5;

/** A question without a right answer, read in both modes. */
export interface OwnCheck {
  /** Per-token probability of full attention's own answer: there, and in block mode. */
  readonly full: number;
  readonly block: number;
  /** How alike the two answers are, in [0, 1]. */
  readonly agreement: number;
  /** KL divergence of the first token, full from block, in nats. */
  readonly kl: number;
  /** Block mode says that there is no answer. */
  readonly declined: boolean;
}

/**
 * The rule without right answers: what full attention would have said must stay as likely. `block` if all hold:
 *   1. there are at least `least` questions that full attention answers;
 *   2. it is sure enough of its answers for a loss to show: the lower end of their mean probability exceeds the tolerance;
 *   3. the lower end of the paired 95 % interval of the difference in probability is at least −tolerance;
 *   4. the answers agree to `ownAgreement` in the mean, and the first tokens' divergence is at most `ownKl`;
 *   5. block mode declines to answer on no larger a share of the questions than the tolerance.
 * @param tolerance probability that may be lost, as a share in (0, 1)
 * @returns also what was compared, and whether more questions could still change the verdict
 */
export function decideOwn(checks: readonly OwnCheck[], tolerance: number, least = leastOwnQuestions) {
  const reasons: string[] = [];
  const points = (share: number) => `${(share * 100).toFixed(1)} points`;
  // Taken again and again as questions come in: fewer resamples are precise enough for that.
  const resamples = { resamples: 2_000 };
  const of = (field: 'full' | 'block' | 'agreement' | 'kl') => checks.map((check) => check[field]);
  const range = (field: 'full' | 'agreement' | 'kl') => bootstrapInterval(of(field), resamples);
  const difference = pairedDifference(of('block'), of('full'), resamples);
  const [low, high] = difference.interval;
  const [agreement, kl] = [mean(of('agreement')), mean(of('kl'))];
  const lost = mean(checks.map(({ declined }) => Number(declined)));
  let hopeless = high < -tolerance;
  if (checks.length < least) {
    reasons.push(`${checks.length} questions that full attention answers say too little: ${least} are needed`);
  }
  const [sure, surest] = range('full');
  if (!(sure > tolerance)) {
    reasons.push(
      `full attention itself gives its answers only ${points(sure)} of probability, so a loss would not show`,
    );
    hopeless ||= surest <= tolerance;
  }
  if (!(low >= -tolerance)) {
    reasons.push(
      `full attention's own answers may lose up to ${points(-low)} of probability in block mode, more than the ${points(tolerance)} allowed`,
    );
  }
  if (!(agreement >= ownAgreement)) {
    reasons.push(`answers agree to ${agreement.toFixed(2)}, less than the ${ownAgreement} needed`);
    hopeless ||= range('agreement')[1] < ownAgreement;
  }
  if (!(kl <= ownKl)) {
    reasons.push(`the first token diverges by ${kl.toFixed(2)} nats, more than the ${ownKl} allowed`);
    hopeless ||= range('kl')[0] > ownKl;
  }
  if (!(lost <= tolerance)) reasons.push(`block mode finds no answer on ${points(lost)} more of 100 questions`);
  const verdict: 'block' | 'full' = reasons.length === 0 ? 'block' : 'full';
  const open = checks.length < least || (verdict === 'full' && !hopeless);
  return { verdict, reasons, open, difference, fullMean: mean(of('full')), blockMean: mean(of('block')) };
}
