/**
 * Which passages an answer rests on, down to the lines.
 *
 * Small models do not cite reliably, so citations are found, not asked for: each sentence of the answer goes to the
 * passage that holds most of its words. A sentence that no passage holds is not cited.
 */
import { type SearchHit, sourceOf } from '../types.ts';
import type { Words } from '../words/words.ts';

export interface Citation {
  /** 1-based, in order of first use. */
  readonly index: number;
  /** File and lines, `docs/keys.md:12-30`; `paper.pdf:p3:1-20` in a PDF. */
  readonly source: string;
  readonly root: string;
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  /** PDFs only. */
  readonly page?: number | undefined;
  readonly title: string;
  /** Id of the block among `blocks`. */
  readonly passage: string;
  /** Half-open ranges of the answer's text that rest on it. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

/** Share of a sentence's words that a passage must hold to be cited for it. */
const leastSupport = 0.5;
/** Of a word that question and passage share, against one that answer and passage share. */
const questionWeight = 0.25;

/** Citations of an answer over its passages. */
export function cite(answer: string, question: string, hits: readonly SearchHit[], words: Words): Citation[] {
  const asked = new Set(words.content(question));
  const passages = hits.map((hit) => ({ hit, words: new Set(words.all(`${hit.chunk.title}\n${hit.chunk.text}`)) }));
  const found = new Map<string, Citation & { ranges: (readonly [number, number])[] }>();
  for (const [start, end] of sentences(answer)) {
    const said = words.content(answer.slice(start, end));
    // What the question said already proves nothing, unless there is nothing else.
    const own = said.filter((word) => !asked.has(word));
    const telling = new Set(own.length > 0 ? own : said);
    if (telling.size === 0) continue;
    let best: (typeof passages)[number] | undefined;
    let bestScore = 0;
    for (const passage of passages) {
      const support = shared(telling, passage.words) / telling.size;
      const score = support + questionWeight * (shared(asked, passage.words) / Math.max(1, asked.size));
      if (support >= leastSupport && score > bestScore) [best, bestScore] = [passage, score];
    }
    if (best === undefined) continue;
    const { chunk } = best.hit;
    const lines = supportingLines(best.hit, telling, asked, words);
    const source = sourceOf(chunk, lines);
    const known = found.get(`${chunk.root}\0${source}`);
    if (known !== undefined) known.ranges.push([start, end]);
    else {
      const { root, path, title, page } = chunk;
      const place = { source, root, path, ...lines, ...(page !== undefined && { page }), title };
      found.set(`${root}\0${source}`, {
        index: found.size + 1,
        ...place,
        passage: chunk.source,
        ranges: [[start, end]],
      });
    }
  }
  return [...found.values()];
}

/**
 * Share of the answer's own words, those that the question does not have, that stand in the passages; undefined when it
 * has none.
 */
export function grounding(
  answer: string,
  question: string,
  hits: readonly SearchHit[],
  words: Words,
): number | undefined {
  const asked = new Set(words.content(question));
  const own = new Set(words.content(answer).filter((word) => !asked.has(word)));
  if (own.size === 0) return undefined;
  const all = new Set(hits.flatMap(({ chunk }) => words.all(`${chunk.title}\n${chunk.text}`)));
  return shared(own, all) / own.size;
}

/** The lines of the one unit that speaks most of it. */
function supportingLines(
  { chunk }: SearchHit,
  telling: ReadonlySet<string>,
  asked: ReadonlySet<string>,
  words: Words,
): { startLine: number; endLine: number } {
  let best = { startLine: chunk.startLine, endLine: chunk.endLine };
  let bestScore = 0;
  for (const [index, [offset, startLine, endLine]] of chunk.spans.entries()) {
    const present = new Set(words.all(chunk.text.slice(offset, chunk.spans[index + 1]?.[0])));
    const score = shared(telling, present) + questionWeight * shared(asked, present);
    // On a page-crossing chunk lines of another page would mislead.
    if (score > bestScore && startLine >= 1) [best, bestScore] = [{ startLine, endLine }, score];
  }
  return best;
}

function shared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let count = 0;
  for (const word of a) if (b.has(word)) count += 1;
  return count;
}

/** Half-open ranges of the sentences and lines of a text, white space around them left out. */
function sentences(text: string): [number, number][] {
  const ranges: [number, number][] = [];
  for (const { 0: piece, index } of text.matchAll(/[^\n]+?(?:[.!?]+(?=\s|$)|(?=\n)|$)/g)) {
    const lead = piece.length - piece.trimStart().length;
    if (piece.trim() !== '') ranges.push([index + lead, index + piece.trimEnd().length]);
  }
  return ranges;
}
