/** How alike two answers are. Pure. */
import { normalizeAnswer, tokenF1 } from './metrics.ts';

/** 1 for equal texts, else the F1 of their words; two texts without words agree when they are equal. */
export function textAgreement(a: string, b: string): number {
  return a === b ? 1 : tokenF1(normalizeAnswer(a), normalizeAnswer(b));
}
