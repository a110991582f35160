/** What is said when a mapped file loses a part of its bytes while it is in use. */
import { BlockAttentionError } from '../../errors.ts';

/** The store drops the block, so that another attempt does not meet it. */
export function blockDamaged(): BlockAttentionError {
  return new BlockAttentionError(
    'BLOCK_DAMAGED',
    "a stored block's file lost a part of its bytes while it was read: ask again, the block is encoded again",
  );
}

export function modelDamaged(path: string): BlockAttentionError {
  return new BlockAttentionError(
    'MODEL_INVALID',
    `${path} has lost a part of its bytes since it was loaded: put the whole file back, and start again`,
  );
}
