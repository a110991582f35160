/**
 * Whether an answer stands in its passages, and where: down to the lines, sentence by sentence.
 *
 * Small models do not cite reliably, so citations are found, not asked for. A sentence that nothing bears out is not
 * cited; an answer of which less than half is borne out counts as not in the documents.
 */
import { type SearchHit, sourceOf } from '../types.ts';
import type { Words } from '../words/words.ts';
import { cutPassage, sentenceRanges } from './passage-sentences.ts';
import { Evidence, type Support } from './support.ts';

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
  /** As in a chunk. */
  readonly place?: string | undefined;
  readonly title: string;
  /** Id of the block among `blocks`. */
  readonly passage: string;
  /** Half-open ranges of the answer's text that rest on it. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
  /** Half-open ranges of the passage's text that bear them out: whole sentences, each once. */
  readonly quotes: readonly (readonly [start: number, end: number])[];
}

export interface Judgement {
  /** False for an answer that says so itself, says nothing, or says what no passage bears out. */
  readonly inDocuments: boolean;
  /** Empty when it is not in the documents. */
  readonly citations: readonly Citation[];
}

export interface JudgedAnswer {
  readonly answer: string;
  readonly question: string;
  /** The question before it, which a short one may lean on. Defaults to none. */
  readonly previous?: string | undefined;
}

const refusal =
  /\b(?:not|n[o']t|never|no|cannot)\b.{0,60}\b(?:documents?|passages?|context|text|provided|given|mentioned?|specif\w*|stated?|contain|information)\b|\b(?:documents?|passages?|context|text|information)\b.{0,60}\b(?:not|n't|no|cannot)\b/i;

export function judgeAnswer(
  { answer, question, previous }: JudgedAnswer,
  hits: readonly SearchHit[],
  words: Words,
): Judgement {
  const nothing: Judgement = { inDocuments: false, citations: [] };
  const ranges = sentenceRanges(answer);
  const [first] = ranges;
  if (first === undefined || refusal.test(answer.slice(...first))) return nothing;
  const passages = hits.map((hit) => cutPassage(hit, words));
  const questions = previous === undefined ? [question] : [question, `${previous}\n${question}`];
  const evidence = questions.map((one) => new Evidence(one, passages, words));
  const found = new Map<string, Noted>();
  let [stating, borneOut] = [0, 0];
  for (const [start, end] of ranges) {
    const statement = answer.slice(start, end);
    if (!evidence.some((one) => one.states(statement))) continue;
    stating += 1;
    let support: Support | undefined;
    for (const one of evidence) support ??= one.of(statement);
    if (support === undefined) continue;
    borneOut += 1;
    note(found, support, [start, end]);
  }
  if (borneOut === 0 || borneOut * 2 < stating) return nothing;
  return { inDocuments: true, citations: [...found.values()] };
}

interface Noted extends Citation {
  readonly ranges: (readonly [number, number])[];
  readonly quotes: (readonly [number, number])[];
}

function note(found: Map<string, Noted>, { passage, sentence }: Support, range: readonly [number, number]): void {
  const { chunk } = passage.hit;
  const { root, path, title, page, place: part } = chunk;
  // On a page-crossing chunk lines of another page would mislead.
  const lines = sentence.startLine >= 1 ? sentence : chunk;
  const place = { startLine: lines.startLine, endLine: lines.endLine };
  const source = sourceOf(chunk, place);
  const known = found.get(`${root}\0${source}`);
  if (known !== undefined) {
    known.ranges.push(range);
    if (known.quotes.every(([start]) => start !== sentence.range[0])) known.quotes.push(sentence.range);
    return;
  }
  found.set(`${root}\0${source}`, {
    index: found.size + 1,
    source,
    root,
    path,
    ...place,
    ...(page !== undefined && { page }),
    ...(part !== undefined && { place: part }),
    title,
    passage: chunk.source,
    ranges: [range],
    quotes: [sentence.range],
  });
}
