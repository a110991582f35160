/** What all made-up pages have in common: their questions, and what stands in them. */
import type { Random } from '@block-attention/engine/internal/base';

export interface PageQuestion {
  readonly question: string;
  readonly answer: string | undefined;
  /** Text of the page that the answer stands in; undefined for what it does not say. */
  readonly evidence: string | undefined;
}

export interface ManualPage {
  /** Pages of one kind answer the same questions. */
  readonly kind: string;
  readonly markdown: string;
  readonly questions: readonly PageQuestion[];
}

/** @param product invented name of what the page is about */
export type Write = (random: Random, product: string) => Omit<ManualPage, 'kind'>;

/** A page of one of the kinds. @param set what its kind is called by, too */
export function pageOfSome(
  random: Random,
  product: string,
  set: string,
  kinds: Readonly<Record<string, Write>>,
): ManualPage {
  const [kind, write] = random.pick(Object.entries(kinds) as [[string, Write], ...[string, Write][]]);
  return { kind: `${set}: ${kind}`, ...write(random, product) };
}

/** `count` of the values, in random order. */
export function some<T>(random: Random, values: readonly T[], count: number): T[] {
  return random.shuffle(values).slice(0, count);
}

export const said = (question: string, answer: string, evidence: string): PageQuestion => ({
  question,
  answer,
  evidence,
});
export const unsaid = (question: string): PageQuestion => ({ question, answer: undefined, evidence: undefined });
