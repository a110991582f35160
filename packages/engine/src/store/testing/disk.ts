/**
 * What the tests of the disk tier share.
 */
import { expect } from 'vitest';
import type { BlockRequest, BlockStore, TierStats } from '../block-store.ts';
import { type BlockStoreOptions, createBlockStore } from '../create-store.ts';
import { Allocations, block, collector, encoder, use } from './blocks.ts';

export function disk(store: BlockStore): TierStats {
  const [tier] = store.stats().tiers;
  if (tier === undefined) throw new Error('no disk tier');
  return tier;
}

/** Runs with a store that fails the test on any warning it does not expect. */
export async function withStore<T>(
  options: BlockStoreOptions,
  work: (store: BlockStore) => Promise<T>,
  causes: string[] = [],
): Promise<T> {
  const { warnings, onWarning } = collector();
  const store = await createBlockStore({ memoryBytes: 1 << 20, onWarning, ...options });
  const result = await work(store);
  store.checkIntegrity();
  await store.close();
  expect(warnings.map(({ cause }) => cause)).toEqual(causes);
  return result;
}

export async function fillFolder(
  directory: string,
  ids: readonly number[],
  bytes = 500,
  options: BlockStoreOptions = {},
): Promise<BlockRequest[]> {
  const requests = ids.map((id) => block(id, bytes));
  await withStore({ directory, ...options }, (store) => use(store, requests, encoder(new Allocations())));
  return requests;
}
