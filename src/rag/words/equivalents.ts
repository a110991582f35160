/**
 * Words that ask for what a text calls otherwise, by language: how much something weighs is its weight in a table, and a
 * yearly budget an amount per year. Endings do not lead from one to the other. No thesaurus: a quantity and the words
 * that ask for it, a period and its adverb.
 */

const english: readonly string[] = [
  'weight weigh weighs weighed weighing heavy heavier',
  'price prices priced cost costs costing',
  'width wide wider',
  'depth deep deeper',
  'telephone phone',
  'year yearly annual annually',
  'quarter quarterly',
  'month monthly',
  'week weekly',
  'day daily',
  'hour hourly',
];
const byLanguage: Readonly<Record<string, readonly string[]>> = { English: english };

/** The one word for each of them, both without endings. @param stem cuts endings */
export function equivalentsOf(language: string, stem: (word: string) => string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const group of byLanguage[language] ?? []) {
    const [first = '', ...others] = group.split(' ').map(stem);
    for (const other of others) if (other !== first) found.set(other, first);
  }
  return found;
}
