/**
 * How much of what is done within the time that is allowed: pure arithmetic over what was measured on the first context.
 *
 * A fifth of the time is verification's. The rest is for contexts, each answered once and trained on `epochs` times.
 */
import type { AdaptPlan } from './adapt-options.ts';

export interface Measured {
  /** Of answering one context. */
  readonly answerSeconds: number;
  /** Of training: tokens of sequences a second. */
  readonly tokensPerSecond: number;
  /** Of one context as it is trained on, questions and answers included. */
  readonly contextTokens: number;
  /** What was spent until here. */
  readonly spentSeconds: number;
}

/** What the arithmetic says of a plan. */
export type Plan = Pick<
  AdaptPlan,
  'contexts' | 'steps' | 'answerSeconds' | 'trainingSeconds' | 'verifySeconds' | 'learningRate' | 'limit'
>;

export const epochs = 2;
/** Contexts of an optimizer step. */
export const batch = 4;
/** Share of the contexts that is not trained on, to see what is learnt. */
export const heldOutShare = 0.1;
/** Fewer teach nothing. */
const fewest = 8;
const verifyShare = 0.2;
/** What evaluations on held-out contexts add to training. */
const evaluations = 1.25;

/** @param minutes allowed in all. @param most contexts that the documents give */
export function planFor(minutes: number, most: number, measured: Measured): Omit<Plan, 'learningRate'> {
  const { answerSeconds, tokensPerSecond, contextTokens, spentSeconds } = measured;
  const verifySeconds = minutes * 60 * verifyShare;
  const room = minutes * 60 - verifySeconds - spentSeconds;
  const training = (contextTokens / tokensPerSecond) * epochs * (1 - heldOutShare) * evaluations;
  const fitting = Math.floor(room / (answerSeconds + training));
  const contexts = Math.min(most, Math.max(fewest, fitting));
  return {
    contexts,
    steps: Math.ceil((contexts * (1 - heldOutShare)) / batch) * epochs,
    answerSeconds: contexts * answerSeconds,
    trainingSeconds: contexts * training,
    verifySeconds,
    limit: fitting >= most ? 'documents' : 'time',
  };
}

/** A peak that held for wide and narrow models: the change of an output grows with the width. */
export function peakRate(embeddingLength: number): number {
  return Math.min(2e-3, 0.6 / embeddingLength);
}
