/** The door of the block store. */
export type {
  BlockHandle,
  BlockKey,
  BlockRequest,
  BlockStore,
  Decision,
  EncodeMisses,
  StoreStats,
  Tier,
  TierStats,
} from './block-store.ts';
export { type BlockStoreOptions, createBlockStore, defaultDirectory } from './create-store.ts';
export { type BlockIdentity, blockKey, createIdentity, isBlockKey, modelDigest } from './identity.ts';
export { createMemoryStore } from './memory-store.ts';
export { parseStoreKey } from './seal.ts';
export { parseSharedUrl, type SharedOptions } from './shared-options.ts';
export type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from './tier.ts';
export type { StoreWarning } from './warnings.ts';
