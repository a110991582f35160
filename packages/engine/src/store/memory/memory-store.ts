/**
 * A store that keeps blocks in memory only: gone with the process.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { BlockStore } from '../block-store.ts';
import { TieredStore } from '../tiered-store.ts';

/**
 * Creates an in-memory store.
 *
 * `budgetBytes` bounds what is kept: past it the least recently used blocks that nobody uses are freed. A request
 * that is alone is served even when its blocks outgrow the budget; they are dropped on release.
 * @throws INVALID_ARGUMENT when the budget is not an integer >= 0.
 */
export function createMemoryStore(options: { readonly budgetBytes: number }): BlockStore {
  return new TieredStore({ memoryBytes: checkBytes('budgetBytes', options.budgetBytes) });
}

/** @throws INVALID_ARGUMENT when `value` is not an integer >= 0. */
export function checkBytes(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a number of bytes, 0 or more`);
}
