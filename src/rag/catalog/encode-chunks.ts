/** The blocks of a folder's chunks into the store: exactly those that are missing. */

import { throwIfAborted } from '@block-attention/engine/internal/base';
import type { Engine } from '@block-attention/engine/internal/engine';
import { type Chunk, passageOf } from '../types.ts';
import type { BlockTable } from './block-table.ts';
import { chunkOf } from './chunk-rows.ts';
import type { ChunkTable } from './chunk-table.ts';
import { literal } from './lance.ts';
import { entriesOf, follows, nameOf, placeBehind, wantsNeighbours } from './neighbours.ts';

export interface EncodeTotals {
  readonly encoded: number;
  readonly present: number;
  readonly encodedTokens: number;
  readonly bytes: number;
}

export interface EncodeChunksOptions {
  readonly signal?: AbortSignal | undefined;
  readonly tenant?: string | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Naming blocks reads their texts on the event loop: few enough at a time that a server's streams go on. */
const rowsAtOnce = 128;
const encodedAtOnce = 64;

/** @throws ABORTED; what was encoded by then stays, and the next run goes on from there */
export async function encodeChunks(
  chunks: ChunkTable,
  blocks: BlockTable,
  root: string,
  engine: Engine,
  { signal, tenant, onProgress }: EncodeChunksOptions = {},
): Promise<EncodeTotals> {
  const order = await chunks.select(['id', 'content', 'root', 'path', 'position'], `root = ${literal(root)}`);
  order.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.position - b.position));
  const neighbours = wantsNeighbours(engine, {});
  // The id of what stands before a chunk, where its block depends on it.
  const before = new Map<string, string>();
  const first = new Map<string, string>();
  for (const [at, row] of order.entries()) {
    const previous = neighbours && follows(row, order[at - 1]) ? order[at - 1] : undefined;
    if (previous !== undefined) before.set(row.id, previous.id);
    const name = previous === undefined ? row.content : `${row.content} ${previous.content}`;
    if (!first.has(name)) first.set(name, row.id);
  }
  const ids = [...first.values()];
  const known = new Set((await blocks.entries()).map(nameOf));
  const totals = { encoded: 0, present: 0, encodedTokens: 0, bytes: 0 };
  let done = 0;
  for (let i = 0; i < ids.length; i += rowsAtOnce) {
    throwIfAborted(signal);
    const part = await chunksOf(chunks, ids.slice(i, i + rowsAtOnce), before);
    const passages = part.map(passageOf);
    const keys = engine.blockKeys(passages, { tenant });
    const entries = entriesOf(part, keys, { behind: neighbours, known });
    // Before the blocks are there: see block-table.ts.
    await blocks.add(entries);
    const missing = [];
    for (const [at, passage] of passages.entries()) {
      const key = keys[at];
      if (key !== undefined && (await engine.store.has(key)) !== undefined) totals.present += 1;
      else missing.push(passage);
    }
    const { kvBytesPerToken, kvBytesPerBlock } = engine.model;
    totals.bytes += part.reduce((sum, { tokens }) => sum + tokens * kvBytesPerToken + kvBytesPerBlock, 0);
    done += part.length - missing.length;
    for (let from = 0; from < missing.length; from += encodedAtOnce) {
      const some = missing.slice(from, from + encodedAtOnce);
      const base = done;
      const summary = await engine.encode(some, {
        signal,
        tenant,
        onProgress: (finished) => onProgress?.(base + finished, ids.length),
      });
      totals.encoded += some.length;
      totals.encodedTokens += summary.encodedTokens;
      done += some.length;
    }
    onProgress?.(done, ids.length);
  }
  return totals;
}

/** Chunks in the order of their ids, each with the one that `before` names. */
async function chunksOf(
  table: ChunkTable,
  ids: readonly string[],
  before: ReadonlyMap<string, string>,
): Promise<Chunk[]> {
  const rows = (await table.rows(ids)).map(chunkOf);
  if (before.size === 0) return rows;
  const names = ids.flatMap((id) => before.get(id) ?? []);
  const previous = new Map((await table.rows([...new Set(names)])).map((row) => [row.id, row]));
  return rows.map((chunk) => placeBehind(chunk, previous.get(before.get(chunk.id) ?? '')));
}
