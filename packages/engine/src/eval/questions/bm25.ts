/** Ranking of texts for a query by their words: BM25 with k1 1.2 and b 0.75, over lists that fit in memory. */

/** @returns indexes of the documents that share a word with the query, best first; ties in their order */
export function bm25(documents: readonly string[]): (query: string) => number[] {
  const lengths: number[] = [];
  const postings = new Map<string, Map<number, number>>();
  for (const [index, document] of documents.entries()) {
    const words = wordsOf(document);
    lengths.push(words.length);
    for (const word of words) {
      const posting = postings.get(word) ?? new Map<number, number>();
      posting.set(index, (posting.get(index) ?? 0) + 1);
      postings.set(word, posting);
    }
  }
  const mean = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, documents.length);
  return (query) => {
    const scores = new Map<number, number>();
    for (const word of new Set(wordsOf(query))) {
      const posting = postings.get(word);
      if (posting === undefined) continue;
      const rarity = Math.log(1 + (documents.length - posting.size + 0.5) / (posting.size + 0.5));
      for (const [index, count] of posting) {
        const length = (lengths[index] ?? 0) / mean;
        const weight = (count * 2.2) / (count + 1.2 * (0.25 + 0.75 * length));
        scores.set(index, (scores.get(index) ?? 0) + rarity * weight);
      }
    }
    return [...scores].sort(([a, left], [b, right]) => right - left || a - b).map(([index]) => index);
  };
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
