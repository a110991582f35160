/**
 * How an answer is scored against the gold answers of its question (as in the paper's experiments).
 *
 * All three scores look at normalised text: NFKC, lower case, without punctuation and symbols, without the words a, an
 * and the, single spaces. That is the usual normalisation of open-domain question answering, extended from ASCII
 * to Unicode. The best gold answer counts.
 */

export interface Scores {
  /** 1 when a gold answer is a substring of the output: the paper's accuracy. */
  readonly accuracy: number;
  /** 1 when the output is a gold answer and nothing else. */
  readonly em: number;
  /** Harmonic mean of precision and recall of the output's words, in [0, 1]. */
  readonly f1: number;
}

export function normalizeAnswer(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\p{P}\p{S}]/gu, '')
    .replace(/(?<![\p{L}\p{N}\p{M}])(?:a|an|the)(?![\p{L}\p{N}\p{M}])/gu, ' ')
    .replace(/\s+/gu, ' ')
    .trim();
}

/** @param answers gold answers; at least one */
export function scoreAnswer(output: string, answers: readonly string[]): Scores {
  const said = normalizeAnswer(output);
  const scores = answers.map((answer) => {
    const gold = normalizeAnswer(answer);
    // An answer such as "A" normalises to nothing, which every output contains: only itself is right then.
    if (gold === '') {
      const same = output.trim() !== '' && output.trim().toLowerCase() === answer.trim().toLowerCase() ? 1 : 0;
      return { accuracy: same, em: same, f1: same };
    }
    return { accuracy: said.includes(gold) ? 1 : 0, em: said === gold ? 1 : 0, f1: tokenF1(said, gold) };
  });
  const best = (score: (scores: Scores) => number) => Math.max(0, ...scores.map(score));
  return { accuracy: best((s) => s.accuracy), em: best((s) => s.em), f1: best((s) => s.f1) };
}

/** Words in common, counted as often as they occur in both. Of two empty texts 1. @param left, right normalised */
export function tokenF1(left: string, right: string): number {
  const [a, b] = [words(left), words(right)];
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 1 : 0;
  const counts = new Map<string, number>();
  for (const word of a) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of b) {
    const count = counts.get(word) ?? 0;
    if (count === 0) continue;
    counts.set(word, count - 1);
    common++;
  }
  return (2 * common) / (a.length + b.length);
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}
