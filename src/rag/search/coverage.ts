/**
 * How much of a question a chunk speaks of: its words, weighed by how rare they are in the index.
 *
 * It tells questions that the index can answer from those about other subjects about as well as BM25's own score
 * (figures in docs/log/documents.md), and unlike a score it means the same in every index.
 */
export interface WeighedWord {
  /** As `Words` gives it. */
  readonly word: string;
  readonly weight: number;
}

/** Weight of a word that `documents` of `total` chunks have. */
export function rarity(documents: number, total: number): number {
  return Math.log(1 + total / (documents + 0.5));
}

/** In [0, 1]; 0 for a question without content words. @param present the words of the chunk */
export function coverageOf(words: readonly WeighedWord[], present: ReadonlySet<string>): number {
  let [covered, all] = [0, 0];
  for (const { word, weight } of words) {
    all += weight;
    if (present.has(word)) covered += weight;
  }
  return all === 0 ? 0 : covered / all;
}
