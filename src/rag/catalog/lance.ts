/** LanceDB, loaded when an index is opened: its native library is large, and not there for every platform. */
import { availableParallelism } from 'node:os';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Connection, Table } from '@lancedb/lancedb';

export type { Connection, Table };

let loaded: Promise<typeof import('@lancedb/lancedb')> | undefined;

/** @throws BACKEND_UNAVAILABLE where LanceDB has no build for this platform */
export function lance(): Promise<typeof import('@lancedb/lancedb')> {
  if (loaded === undefined) leaveThreads();
  loaded ??= import('@lancedb/lancedb').catch((error: unknown) => {
    loaded = undefined;
    throw new BlockAttentionError(
      'BACKEND_UNAVAILABLE',
      `LanceDB, which keeps the index, cannot be loaded on ${process.platform}-${process.arch}: reinstall @lancedb/lancedb, or use a platform it has a build for`,
      { cause: error },
    );
  });
  return loaded;
}

/**
 * LanceDB 0.30 writes an index of words by threads that hold a place in a pool and wait for others of the same pool: on
 * machines with few cores it waits forever once the index is large, which may be some thousand passages. So there are
 * twice as many places as writers, unless the environment says otherwise. Read once, when the library starts.
 */
function leaveThreads(): void {
  const threads = Math.max(4, availableParallelism());
  process.env.LANCE_CPU_THREADS ??= String(threads);
  process.env.LANCE_FTS_NUM_SHARDS ??= String(threads >> 1);
}

/** A text as a literal of a filter. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `column IN (…)`; matches nothing when there are no values. */
export function oneOf(column: string, values: readonly string[]): string {
  return values.length === 0 ? '1 = 0' : `${column} IN (${values.map(literal).join(', ')})`;
}
