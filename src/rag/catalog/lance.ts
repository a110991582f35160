/** LanceDB, loaded when an index is opened: its native library is large, and not there for every platform. */
import type { Connection, Table } from '@lancedb/lancedb';
import { BlockAttentionError } from '../../errors.ts';

export type { Connection, Table };

let loaded: Promise<typeof import('@lancedb/lancedb')> | undefined;

/** @throws BACKEND_UNAVAILABLE where LanceDB has no build for this platform */
export function lance(): Promise<typeof import('@lancedb/lancedb')> {
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

/** A text as a literal of a filter. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `column IN (…)`; matches nothing when there are no values. */
export function oneOf(column: string, values: readonly string[]): string {
  return values.length === 0 ? '1 = 0' : `${column} IN (${values.map(literal).join(', ')})`;
}
