/**
 * Excerpts: the sentences, list items and table rows of what was found that share most with the question. Where a policy
 * chooses passages, each of them stands for election beside them, as a passage of its own under its chunk's title: what
 * reads one row cannot take its neighbour for it.
 *
 * They are chosen by words alone, in about a millisecond. What they win: docs/log/quality.md.
 */
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { rarity } from '../search/coverage.ts';
import type { Chunk, SearchHit } from '../types.ts';
import type { Words } from '../words/words.ts';
import { type CutPassage, cutPassage, type Sentence } from './passage-sentences.ts';

export const defaultExcerpts = 3;

/** Many more cost more than reading what they are of. */
const mostExcerpts = 32;

/** Between what an excerpt is of, and which characters of its text it is: `docs/keys.md:12-30~40-98`. */
const mark = '~';

/** What a word of the title counts, where the sentence does not have it. */
const titleShare = 0.5;

export interface ExcerptOptions {
  readonly question: string;
  readonly words: Words;
  readonly most: number;
}

/** The best first. Sentences that share no word with the question are none, and chunks of one sentence have none. */
export function excerptsOf(hits: readonly SearchHit[], { question, words, most }: ExcerptOptions): SearchHit[] {
  const asked = new Set(words.all(question));
  const cut = hits.map((hit) => cutPassage(hit, words));
  const all = cut.flatMap(({ sentences }) => sentences);
  const weights = [...asked].map((word) => {
    const having = all.filter((sentence) => sentence.words.has(word)).length;
    return { word, weight: rarity(having, all.length) };
  });
  const scoreOf = (passage: CutPassage, sentence: Sentence) => {
    let [own, titled] = [0, 0];
    for (const { word, weight } of weights) {
      if (sentence.words.has(word)) own += weight;
      else if (passage.title.has(word)) titled += titleShare * weight;
    }
    return own === 0 ? 0 : own + titled;
  };
  const scored = cut
    .filter(({ sentences }) => sentences.length > 1)
    .flatMap((passage) =>
      passage.sentences.map((sentence) => ({ passage, sentence, score: scoreOf(passage, sentence) })),
    );
  const excerpts = new Map<string, SearchHit>();
  // Of equals, the one that was found first.
  for (const { passage, sentence, score } of scored.sort((a, b) => b.score - a.score)) {
    if (score === 0 || excerpts.size === most) break;
    const said = JSON.stringify([passage.hit.chunk.title, sentence.text]);
    if (!excerpts.has(said)) excerpts.set(said, { ...passage.hit, chunk: excerptOf(passage.hit.chunk, sentence) });
  }
  return [...excerpts.values()];
}

/** By the names of their blocks. */
export function isExcerptOf(id: string, source: string): boolean {
  const prefix = `${source}${mark}`;
  return id.startsWith(prefix) && /^\d+-\d+$/.test(id.slice(prefix.length));
}

/** A sentence as a chunk. Its blocks belong to the content that it is of, and leave the store with it. */
function excerptOf(chunk: Chunk, { text, range: [start, end], startLine, endLine }: Sentence): Chunk {
  const { previous: _, ...rest } = chunk;
  const source = `${chunk.source}${mark}${start}-${end}`;
  return { ...rest, source, text, startLine, endLine, spans: [[0, startLine, endLine]] };
}

/** @throws INVALID_ARGUMENT */
export function checkExcerpts(most: number): number {
  if (Number.isInteger(most) && most >= 0 && most <= mostExcerpts) return most;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `excerpts is ${most}: give a whole number from 0 to ${mostExcerpts}`,
  );
}
