/** A question to the chunks that may answer it: full text, vectors, or both fused; filtered; within a budget. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import picomatch from 'picomatch';
import { type ChunkRow, chunkOf } from '../catalog/chunk-rows.ts';
import { type ChunkTable, filterSql, type ScoredId } from '../catalog/chunk-table.ts';
import type { Manifest } from '../catalog/manifest.ts';
import { checkVectors } from '../embed/check-vectors.ts';
import type { Embedder } from '../embed/embedder.ts';
import type { Reranker } from '../rerank/reranker.ts';
import type { ChunkFilter, SearchHit, SearchOptions } from '../types.ts';
import type { Words } from '../words/words.ts';
import { coverageOf, rarity, type WeighedWord } from './coverage.ts';
import { fuse } from './fuse.ts';

export interface SearchParts {
  readonly chunks: ChunkTable;
  readonly manifest: Manifest;
  readonly embedder: Embedder | undefined;
  readonly reranker: Reranker | undefined;
  readonly words: Words;
}

const defaultTop = 8;
const mostTop = 1000;
/** Candidates of each list: fusion and budget choose among more than are wanted. */
const candidates = 50;
/** Passages that a reranker reads: each costs a pass of its model. */
const reranked = 24;
/** More paths than this in one filter are matched after the search instead. */
const mostPathsInFilter = 1000;
const rarityLimit = 1000;
const mostQuestionWords = 40;

/** @throws EMPTY_QUESTION; INVALID_ARGUMENT for options out of range, or `by` without embeddings */
export async function searchChunks(
  { chunks, manifest, embedder, reranker, words }: SearchParts,
  question: string,
  options: SearchOptions = {},
  signal?: AbortSignal,
): Promise<SearchHit[]> {
  if (question.trim() === '') throw new BlockAttentionError('EMPTY_QUESTION', 'the question is empty: ask something');
  const top = checkNumber('top', options.top ?? defaultTop, mostTop);
  const maxTokens = options.maxTokens === undefined ? Number.POSITIVE_INFINITY : options.maxTokens;
  checkNumber('maxTokens', Math.min(maxTokens, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const by = options.by ?? (embedder === undefined ? 'text' : 'hybrid');
  if (!['text', 'vector', 'hybrid'].includes(by))
    throw new BlockAttentionError('INVALID_ARGUMENT', `by is ${String(by)}: give text, vector or hybrid`);
  if (by !== 'text' && embedder === undefined) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `search by ${by} needs an index with embeddings: index with --embed`,
    );
  }
  // Before the globs: they are made of what it checks.
  filterSql(options, undefined);
  const filter = pathFilter(manifest, options);
  if (filter.none) return [];
  const sql = filterSql(options, filter.paths);
  const limit = Math.max(candidates, 2 * top) * (filter.matches === undefined ? 1 : 10);
  const byText = by === 'vector' ? [] : await chunks.byText(words.all(question), sql, limit);
  const byVector = by === 'text' ? [] : await nearest(chunks, embedder, question, sql, limit, signal);

  const fused = fuse([byText, byVector].map((list) => list.map(({ id }) => id)));
  const textScores = new Map(byText.map(({ id, score }) => [id, score]));
  const found = await chunks.rows(fused.slice(0, limit).map(({ id }) => id));
  const ranking = new Map(fused.map((entry) => [entry.id, entry]));
  const matching = found.filter(({ id, path }) => ranking.has(id) && filter.matches?.(path) !== false);
  // The same text in two files is one block, and answers once.
  const seen = new Set<string>();
  const distinct = matching.filter(({ content }) => !seen.has(content) && seen.add(content));
  const rerankScores = await scoresOf(reranker, question, distinct.slice(0, Math.max(reranked, top)), signal);
  const rows = inOrder(distinct, rerankScores);
  const asked = await weighedWords(chunks, question, words);
  const hits: SearchHit[] = [];
  let tokens = 0;
  for (const row of rows) {
    if (hits.length >= top) break;
    const entry = ranking.get(row.id);
    if (entry === undefined || tokens + row.tokens > maxTokens) continue;
    tokens += row.tokens;
    const textScore = textScores.get(row.id);
    const rerankScore = rerankScores.get(row.id);
    const [text, vector] = entry.ranks;
    hits.push({
      chunk: chunkOf(row),
      rank: hits.length + 1,
      score: by === 'text' ? (textScore ?? 0) : entry.score,
      ranks: { ...(text !== undefined && { text }), ...(vector !== undefined && { vector }) },
      ...(textScore !== undefined && { textScore }),
      ...(rerankScore !== undefined && { rerankScore }),
      coverage: coverageOf(asked, new Set(words.all(`${row.path}\n${row.title}\n${row.text}`))),
    });
  }
  return hits;
}

async function nearest(
  chunks: ChunkTable,
  embedder: Embedder | undefined,
  question: string,
  sql: string | undefined,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<ScoredId[]> {
  if (embedder === undefined) return [];
  const [vector] = checkVectors(await embedder.embed([question], 'query', signal), 1, embedder);
  return vector === undefined ? [] : chunks.byVector(vector, sql, limit);
}

/** How well rows fit the question, by their ids; nothing without a reranker. */
async function scoresOf(
  reranker: Reranker | undefined,
  question: string,
  rows: readonly ChunkRow[],
  signal: AbortSignal | undefined,
): Promise<Map<string, number>> {
  if (reranker === undefined) return new Map();
  const texts = rows.map(({ title, text }) => `${title}\n${text}`);
  const scores = await reranker.rank(question, texts, signal);
  return new Map(rows.map(({ id }, i) => [id, scores[i] ?? Number.NEGATIVE_INFINITY]));
}

/** Best first; what has no score stands behind, in the order it had. */
function inOrder(rows: readonly ChunkRow[], scores: ReadonlyMap<string, number>): ChunkRow[] {
  const scoreOf = ({ id }: ChunkRow) => scores.get(id) ?? Number.NEGATIVE_INFINITY;
  const scored = rows.filter(({ id }) => scores.has(id)).sort((a, b) => scoreOf(b) - scoreOf(a));
  return [...scored, ...rows.filter(({ id }) => !scores.has(id))];
}

/** The question's words with how rare each is in the index. */
async function weighedWords(chunks: ChunkTable, question: string, words: Words): Promise<WeighedWord[]> {
  const asked = [...new Set(words.content(question))].slice(0, mostQuestionWords);
  const total = await chunks.count();
  return Promise.all(
    asked.map(async (word) => {
      const found = await chunks.byText([word], undefined, rarityLimit);
      const sureness = found.length === 0 ? words.sureness(word) : 1;
      return { word, weight: sureness * rarity(found.length, total) };
    }),
  );
}

interface PathFilter {
  /** No file can match. */
  readonly none: boolean;
  readonly paths?: readonly string[] | undefined;
  /** For filters too long for a query. */
  readonly matches?: ((path: string) => boolean) | undefined;
}

function pathFilter({ folders }: Manifest, { paths, roots }: ChunkFilter): PathFilter {
  if (paths === undefined || paths.length === 0) return { none: false };
  const matches = globs(paths);
  const chosen = Object.entries(folders).filter(([root]) => roots === undefined || roots.includes(root));
  const all = new Set(chosen.flatMap(([, { files }]) => Object.keys(files)));
  const matching = [...all].filter((path) => matches(path));
  if (matching.length === 0) return { none: true };
  return matching.length <= mostPathsInFilter ? { none: false, paths: matching } : { none: false, matches };
}

/** Names of files are decomposed on some systems, and typed composed: both are one. @throws INVALID_ARGUMENT for patterns that are none */
export function globs(paths: readonly string[]): (path: string) => boolean {
  try {
    const matches = picomatch(
      paths.map((path) => path.normalize('NFC')),
      { dot: true },
    );
    return (path) => matches(path.normalize('NFC'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BlockAttentionError('INVALID_ARGUMENT', `the patterns of paths cannot be used: ${reason}`);
  }
}

/** @throws INVALID_ARGUMENT unless it is a whole number from 1 to `most` */
function checkNumber(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number from 1 to ${most}`);
}
