/** The door of the block store. */
export type {
  BlockHandle,
  BlockKey,
  BlockRequest,
  BlockStore,
  EncodeMisses,
  StoreStats,
  Tier,
} from './block-store.ts';
export { type BlockIdentity, blockKey, createIdentity, modelDigest } from './identity.ts';
export { createMemoryStore } from './memory-store.ts';
