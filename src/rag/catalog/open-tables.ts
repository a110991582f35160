/** The folder of an index and the tables in it. What the file system or LanceDB refuses becomes an error with a remedy. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { BlockTable } from './block-table.ts';
import { ChunkTable } from './chunk-table.ts';
import { type Connection, lance } from './lance.ts';

/** @throws INVALID_ARGUMENT when it cannot be made */
export async function makeFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    const message = `the folder of the index, ${directory}, cannot be made: ${reason}; give another (--index)`;
    throw new BlockAttentionError('INVALID_ARGUMENT', message, { cause: error });
  }
}

export interface Tables {
  readonly connection: Connection;
  readonly chunks: ChunkTable;
  readonly blocks: BlockTable;
}

/** How long another process may take to make a table whose folder is there already, in ms. */
const makingMs = 3000;
const retryMs = 50;

/**
 * Two processes may open a new index at once: the one finds the folder of a table that the other has not finished.
 * @param dimensions of embeddings; undefined without
 * @throws BACKEND_UNAVAILABLE where LanceDB does not run; INDEX_INVALID when it cannot read the tables
 */
export async function openTables(directory: string, dimensions: number | undefined): Promise<Tables> {
  const { connect } = await lance();
  const started = performance.now();
  const open = async (): Promise<Tables> => {
    const connection = await connect(join(directory, 'tables'));
    try {
      const chunks = await ChunkTable.open(connection, dimensions);
      return { connection, chunks, blocks: await BlockTable.open(connection) };
    } catch (error) {
      connection.close();
      if (!beingMade(error) || performance.now() - started > makingMs) throw error;
      await sleep(retryMs);
      return open();
    }
  };
  try {
    return await open();
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    throw new BlockAttentionError(
      'INDEX_INVALID',
      `the tables of the index in ${directory} cannot be read (${reason}): check its rights, or delete the folder and index again`,
      { cause: error },
    );
  }
}

function beingMade(error: unknown): boolean {
  return error instanceof Error && /was not found|already exists|conflict/i.test(error.message);
}
