/** What an index is opened with, and what it says of what is in it. */
import { join } from 'node:path';
import { cacheFolder, type Environment } from '@block-attention/engine/internal/platform';
import type { Embedder } from '../embed/embedder.ts';
import type { ParserLimits } from '../load/parser-process.ts';
import type { Reranker } from '../rerank/reranker.ts';

export interface IndexOptions extends ParserLimits {
  /** Folder of the index. Defaults to `defaultIndexDirectory()`. */
  readonly directory?: string | undefined;
  /** Make the index if there is none. Defaults to true. */
  readonly create?: boolean | undefined;
  /** Vectors for chunks and questions; an index keeps to the embedder it was made with. Defaults to none. */
  readonly embedder?: Embedder | undefined;
  /** Puts what a search finds in order, by reading it together with the question. Defaults to none. */
  readonly reranker?: Reranker | undefined;
  /**
   * Language of the documents, by name or ISO 639 code: `German`, `Deutsch`, `de`. It decides on endings and function
   * words. Another than the index has takes effect with the next update. Defaults to that of the index, else English.
   */
  readonly language?: string | undefined;
}

export interface IndexedFolder {
  readonly root: string;
  readonly files: number;
  readonly skipped: number;
  readonly chunks: number;
  readonly updatedAt: number;
}

/** What an index knows of a file. */
export interface IndexedFile {
  readonly modifiedAt: number;
  readonly chunks: number;
  /** Why it has none. */
  readonly skipped?: string | undefined;
}

/** `index` in the user's cache folder. */
export function defaultIndexDirectory(env?: Environment): string {
  return join(cacheFolder(env), 'index');
}
