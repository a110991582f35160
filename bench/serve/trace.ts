/**
 * Requests as a retrieval application sends them: passages of a corpus, some far more often than others, in the order
 * of the day's ranking. Seeded: the same options give the same trace.
 */
export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

export interface TraceRequest {
  readonly passages: readonly Passage[];
  readonly question: string;
}

export interface TraceOptions {
  readonly requests: number;
  /** Passages in the corpus, and in one request. */
  readonly corpus: number;
  readonly perRequest: number;
  readonly wordsPerPassage: number;
  /** Exponent of Zipf's law: passage k is drawn in proportion to k^-s. */
  readonly zipf: number;
  readonly seed: number;
}

const syllables = 'ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo za'.split(' ');

export function makeTrace(options: TraceOptions): { corpus: Passage[]; requests: TraceRequest[] } {
  const random = generator(options.seed);
  const below = (n: number) => Math.floor(random() * n);
  const lexicon = Array.from({ length: 2000 }, () =>
    Array.from({ length: 1 + below(3) }, () => syllables[below(syllables.length)]).join(''),
  );
  const words = (count: number) => Array.from({ length: count }, () => lexicon[below(lexicon.length)]).join(' ');
  const corpus = Array.from({ length: options.corpus }, (_, i) => ({
    id: `p${i}`,
    title: `Entry ${i}: ${words(3)}`,
    text: `${words(options.wordsPerPassage)}.`,
  }));
  const weights = corpus.map((_, i) => (i + 1) ** -options.zipf);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const draw = () => {
    let left = random() * total;
    for (const [i, weight] of weights.entries()) {
      left -= weight;
      if (left <= 0) return i;
    }
    return weights.length - 1;
  };
  const requests = Array.from({ length: options.requests }, () => {
    // A set keeps the order of drawing: that of the ranking.
    const chosen = new Set<number>();
    while (chosen.size < Math.min(options.perRequest, options.corpus)) chosen.add(draw());
    const passages = [...chosen].flatMap((i) => corpus[i] ?? []);
    return { passages, question: `What do the entries say about ${words(8)}?` };
  });
  return { corpus, requests };
}

/** Mulberry32: uniform numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
