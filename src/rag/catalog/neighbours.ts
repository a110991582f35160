/**
 * The chunk before a chunk in its file, for policies that encode one behind the other, and what of the store such blocks
 * belong to: the states of a block say something of all that it was encoded behind.
 */
import type { Engine, KeyOptions } from '@block-attention/engine/internal/engine';
import { seesNeighbour } from '@block-attention/engine/internal/policy';
import type { BlockKey } from '@block-attention/engine/internal/store';
import type { Chunk } from '../types.ts';
import type { BlockEntry } from './block-table.ts';
import type { ChunkRow } from './chunk-rows.ts';
import type { ChunkTable } from './chunk-table.ts';
import { literal, oneOf } from './lance.ts';

/** Whether blocks so encoded depend on the chunks before them. */
export function wantsNeighbours(engine: Engine, { policy }: Pick<KeyOptions, 'policy'>): boolean {
  const chosen = engine.chooseMode({ mode: 'block', policy }).policy;
  return chosen !== null && seesNeighbour(chosen);
}

/** Whether a chunk stands right behind another in one file. */
export function follows(
  { root, path, position }: Pick<ChunkRow, 'root' | 'path' | 'position'>,
  before: Pick<ChunkRow, 'root' | 'path' | 'position'> | undefined,
): boolean {
  return before?.root === root && before.path === path && before.position === position - 1;
}

/** A chunk with what is kept of the one before it, if there is one. */
export function placeBehind(chunk: Chunk, before: NonNullable<Chunk['previous']> | undefined): Chunk {
  if (before === undefined) return chunk;
  const { title, text, content } = before;
  return { ...chunk, previous: { title, text, content } };
}

/** Chunks with what stands before them in their files, in two look-ups for all. */
export async function withPrevious(table: ChunkTable, chunks: readonly Chunk[]): Promise<Chunk[]> {
  const places = await table.select(
    ['id', 'root', 'path', 'position'],
    oneOf(
      'id',
      chunks.map(({ id }) => id),
    ),
  );
  const wanted = places.filter(({ position }) => position > 0);
  if (wanted.length === 0) return [...chunks];
  const conditions = wanted.map(
    ({ root, path, position }) =>
      `(root = ${literal(root)} AND path = ${literal(path)} AND position = ${position - 1})`,
  );
  const found = await table.select(['root', 'path', 'position', 'title', 'text', 'content'], conditions.join(' OR '));
  const before = new Map(found.map((row) => [JSON.stringify([row.root, row.path, row.position]), row]));
  const byId = new Map(
    wanted.map(({ id, root, path, position }) => [id, before.get(JSON.stringify([root, path, position - 1]))]),
  );
  return chunks.map((chunk) => placeBehind(chunk, byId.get(chunk.id)));
}

/**
 * What the table of blocks is to say of chunks' blocks: a block goes with the content that it holds, and with the one that
 * it was encoded behind.
 * @param keys of the chunks' blocks, in order @param known entries that are there, by nameOf()
 */
export function entriesOf(
  chunks: readonly Chunk[],
  keys: readonly BlockKey[],
  { behind, known }: { readonly behind: boolean; readonly known: ReadonlySet<string> },
): BlockEntry[] {
  return chunks.flatMap(({ content, previous }, i) => {
    const key = keys[i];
    if (key === undefined) return [];
    const contents = behind && previous !== undefined ? [content, previous.content] : [content];
    return contents.map((one) => ({ content: one, key })).filter((entry) => !known.has(nameOf(entry)));
  });
}

export function nameOf({ content, key }: BlockEntry): string {
  return `${content} ${key}`;
}

/** Contents that the chunks' blocks belong to. */
export function contentsOf(chunks: readonly Chunk[]): string[] {
  return [...new Set(chunks.flatMap(({ content, previous }) => [content, ...(previous ? [previous.content] : [])]))];
}
