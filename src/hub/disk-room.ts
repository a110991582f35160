/** Whether a file will fit, asked before an hour is spent fetching it. */
import { statfs } from 'node:fs/promises';
import { BlockAttentionError } from '@block-attention/engine/internal/base';

/**
 * @param neededBytes bytes still to be written; nothing is asked for zero or less
 * @throws DISK_FULL with both figures. File systems that report no sizes pass.
 */
export async function ensureRoom(folder: string, neededBytes: number): Promise<void> {
  if (neededBytes <= 0) return;
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return;
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes >= neededBytes) return;
  throw new BlockAttentionError(
    'DISK_FULL',
    `${gigabytes(neededBytes)} are needed in '${folder}' and ${gigabytes(freeBytes)} are free: free some, or point ` +
      'BLOCK_ATTENTION_CACHE at a larger disk',
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
