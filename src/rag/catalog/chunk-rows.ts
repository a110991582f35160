/** Chunks as rows of the table, and back. */
import { createHash } from 'node:crypto';
import type { DraftChunk } from '../chunk/chunk-document.ts';
import { documentTypes } from '../load/document.ts';
import { type Chunk, type DocumentType, sourceOf } from '../types.ts';
import type { Words } from '../words/words.ts';

export interface ChunkRow {
  readonly id: string;
  readonly root: string;
  readonly path: string;
  readonly type: string;
  readonly title: string;
  readonly text: string;
  /** What full-text search sees: the words of path, title and text, a blank between them. */
  readonly search: string;
  readonly content: string;
  /** JSON. */
  readonly spans: string;
  readonly startLine: number;
  readonly endLine: number;
  /** 0 where there are no pages. */
  readonly page: number;
  /** '' where there is none. */
  readonly place: string;
  readonly tokens: number;
  /** Of the chunk in its file, from 0. */
  readonly position: number;
  readonly modifiedAt: number;
  readonly vector?: readonly number[] | undefined;
}

/** Columns that make a Chunk. */
export const chunkColumns = [
  'id',
  'root',
  'path',
  'type',
  'title',
  'text',
  'content',
  'spans',
  'startLine',
  'endLine',
  'page',
  'place',
  'tokens',
  'position',
  'modifiedAt',
] as const satisfies readonly (keyof ChunkRow)[];

export function contentDigest(title: string, text: string): string {
  return createHash('sha256').update(title).update('\0').update(text).digest('hex');
}

export function searchText({ path, title, text }: Pick<ChunkRow, 'path' | 'title' | 'text'>, words: Words): string {
  return words.all(`${path}\n${title}\n${text}`).join(' ');
}

/** The rows of one file. Chunks that repeat within it get ids of their own. */
export function rowsOf(
  file: { readonly root: string; readonly path: string; readonly type: DocumentType; readonly modifiedAt: number },
  drafts: readonly DraftChunk[],
  words: Words,
): ChunkRow[] {
  const seen = new Map<string, number>();
  return drafts.map((draft, position) => {
    const { title, text, startLine, endLine, page = 0, place = '', tokens, spans } = draft;
    const content = contentDigest(title, text);
    const occurrence = seen.get(content) ?? 0;
    seen.set(content, occurrence + 1);
    const name = [file.root, file.path, content, String(occurrence)].join('\0');
    const id = createHash('sha256').update(name).digest('hex').slice(0, 32);
    const lines = { startLine, endLine, page, place, tokens, position, spans: JSON.stringify(spans) };
    const search = searchText({ path: file.path, title, text }, words);
    return { id, ...file, title, text, content, search, ...lines };
  });
}

export function chunkOf(row: ChunkRow): Chunk {
  const { id, root, path, title, text, content, startLine, endLine, page, place, tokens, modifiedAt } = row;
  const type = documentTypes.find((known) => known === row.type) ?? 'text';
  const spans = JSON.parse(row.spans) as Chunk['spans'];
  const at = { path, startLine, endLine, ...(page !== 0 && { page }), ...(place !== '' && { place }) };
  return { id, root, ...at, type, title, text, content, tokens, modifiedAt, spans, source: sourceOf(at, at) };
}
