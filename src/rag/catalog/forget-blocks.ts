/** Blocks out of the store when no chunk has their content any more. */
import type { BlockKey } from '@block-attention/engine/internal/store';
import type { BlockTable } from './block-table.ts';
import type { ChunkTable } from './chunk-table.ts';

const batch = 500;

/**
 * Removes the blocks of contents that no chunk has. Repeatable: after a crash it finishes what was begun.
 * @param remove takes blocks out of every tier
 * @returns how many blocks there were
 */
export async function forgetBlocks(
  chunks: ChunkTable,
  blocks: BlockTable,
  remove: (keys: readonly BlockKey[]) => Promise<number>,
): Promise<number> {
  const entries = await blocks.entries();
  if (entries.length === 0) return 0;
  const alive = new Set((await chunks.select(['content'])).map(({ content }) => content));
  const gone = entries.filter(({ content }) => !alive.has(content));
  let removed = 0;
  for (let i = 0; i < gone.length; i += batch) {
    const part = gone.slice(i, i + batch);
    removed += await remove([...new Set(part.map(({ key }) => key))]);
    await blocks.remove([...new Set(part.map(({ content }) => content))]);
  }
  return removed;
}
