/**
 * A made-up page of facts: statements, each with what is asked about it.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { type PageQuestion, unsaid } from '../made-up-page.ts';
import { months } from '../manual-words.ts';

export interface Fact {
  /** A paragraph, a line of a list or a row of a table. */
  readonly text: string;
  readonly asked: readonly PageQuestion[];
}

export const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
export const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);
export const day = (random: Random) =>
  `${between(random, 1, 28)} ${random.pick(months as readonly string[] as [string])}`;
export function page(
  random: Random,
  titles: readonly [string, ...string[]],
  facts: readonly Fact[],
  unasked: string[] = [],
) {
  const list = facts.every(({ text }) => text.startsWith('- '));
  return {
    markdown: `# ${random.pick(titles)}\n\n${facts.map(({ text }) => text).join(list ? '\n' : '\n\n')}\n`,
    questions: [...random.shuffle(facts.flatMap(({ asked }) => asked)), ...unasked.map(unsaid)],
  };
}
