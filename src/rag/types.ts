/** The public vocabulary of the document pipeline. */
import type { Passage } from '@block-attention/engine/internal/prompt';
import type { DocumentType, SkipCode } from './load/document.ts';

export type { DocumentType, Passage, SkipCode };

/** A piece of a document: one passage, one block. */
export interface Chunk {
  /** Stable as long as root, path, title and text stay. */
  readonly id: string;
  /** Absolute path of the folder it was indexed from. */
  readonly root: string;
  /** Below the root, forward slashes. */
  readonly path: string;
  readonly type: DocumentType;
  /** Document title and heading trail: `Keys › Rotation`. Part of the block. */
  readonly title: string;
  readonly text: string;
  /** 1-based, inclusive: of the page, or of what `place` names. In Word documents and on slides paragraphs, in sheets rows. */
  readonly startLine: number;
  readonly endLine: number;
  /** 1-based; PDFs only. */
  readonly page?: number | undefined;
  /** The part of the file that lines are counted in, where it has parts: a sheet's name, `slide 3`, a chapter, `cell 7`. */
  readonly place?: string | undefined;
  /** What reports and citations call it: `docs/keys.md:12-30`, `paper.pdf:p3:1-20`, `prices.xlsx:Spring:2-14`. */
  readonly source: string;
  /** Of the text, by the tokenizer of the model that the folder was indexed for. */
  readonly tokens: number;
  /** When the file was changed last, in ms since 1970. */
  readonly modifiedAt: number;
  /** Hex SHA-256 of title and text: equal for chunks that share a block. */
  readonly content: string;
  /** Which lines of the file begin where in the text: `[offset, startLine, endLine]`, ascending. */
  readonly spans: readonly (readonly [offset: number, startLine: number, endLine: number])[];
  /** The chunk before it in its file, where that was looked up: `DocumentIndex.withPrevious()`. None before the first. */
  readonly previous?: Pick<Chunk, 'title' | 'text' | 'content'> | undefined;
}

/** What is searched: all conditions must hold. */
export interface ChunkFilter {
  /** Globs on the path below the root, e.g. `guides/**`, any of which may match. Defaults to all. */
  readonly paths?: readonly string[] | undefined;
  readonly types?: readonly DocumentType[] | undefined;
  /** Files changed at this time or later, in ms since 1970. */
  readonly since?: number | undefined;
  /** Files changed before this time, in ms since 1970. */
  readonly until?: number | undefined;
  /** Folders that were indexed, absolute. Defaults to all in the index. */
  readonly roots?: readonly string[] | undefined;
}

export interface SearchOptions extends ChunkFilter {
  /** Most chunks. Defaults to 8. */
  readonly top?: number | undefined;
  /** Most tokens of all chunks together; chunks that do not fit are left out. Defaults to no limit. */
  readonly maxTokens?: number | undefined;
  /** `text`: BM25. `vector`: embeddings. `hybrid`: both, fused. Defaults to hybrid where the index has embeddings. */
  readonly by?: 'text' | 'vector' | 'hybrid' | undefined;
}

export interface SearchHit {
  readonly chunk: Chunk;
  /** 1-based. */
  readonly rank: number;
  /** BM25 score; with embeddings, the sum of 1/(60 + rank) over both lists. */
  readonly score: number;
  /** Rank in each list that has the chunk, 1-based. */
  readonly ranks: { readonly text?: number | undefined; readonly vector?: number | undefined };
  /** BM25 score, where the full text matched. */
  readonly textScore?: number | undefined;
  /** What the reranker gave it, where there is one: the order of hits is by this. */
  readonly rerankScore?: number | undefined;
  /** Share of the question's words, weighed by their rarity, that stand in the chunk: in [0, 1]. */
  readonly coverage: number;
}

export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
  /** Of files that were opened, or were too large to be. */
  readonly code?: SkipCode | undefined;
}

export interface IndexSummary {
  readonly root: string;
  readonly files: {
    /** Documents that the folder holds now. */
    readonly total: number;
    readonly added: number;
    readonly changed: number;
    readonly removed: number;
    readonly unchanged: number;
    /** Left out, with the reason; a file that was in the index before is gone from it. */
    readonly skipped: readonly SkippedFile[];
    /** Files of types that are not read: how many, and of which ending, the commonest first. `''`: without one. */
    readonly others: { readonly total: number; readonly endings: Readonly<Record<string, number>> };
    /** What is odd about files that were read: path and a sentence. */
    readonly notes: readonly SkippedFile[];
  };
  /** Of this folder. */
  readonly chunks: {
    readonly total: number;
    readonly added: number;
    readonly removed: number;
    readonly tokens: number;
  };
  /** encoded: by this run. present: in the store before. removed: blocks that no chunk has any more. */
  readonly blocks: {
    readonly encoded: number;
    readonly present: number;
    readonly removed: number;
    readonly encodedTokens: number;
    /** Of keys and values of all the folder's chunks. */
    readonly bytes: number;
  };
  readonly ms: number;
}

/** What reports and citations call lines of a file: `docs/keys.md:12-30`, `paper.pdf:p3:1-20`, `prices.xlsx:Spring:2-14`. */
export function sourceOf(
  { path, page, place }: Pick<Chunk, 'path' | 'page' | 'place'>,
  { startLine, endLine }: Pick<Chunk, 'startLine' | 'endLine'>,
): string {
  const lines = startLine === endLine ? String(startLine) : `${startLine}-${endLine}`;
  const part = place ?? (page === undefined ? undefined : `p${page}`);
  return part === undefined ? `${path}:${lines}` : `${path}:${part}:${lines}`;
}

/** The passage of a chunk: exactly what becomes its block, and what it may be encoded behind. */
export function passageOf({ source, title, text, previous }: Chunk): Passage {
  const passage = { id: source, title, text };
  return previous === undefined ? passage : { ...passage, previous: { title: previous.title, text: previous.text } };
}
