/** The door of the block store. */

export {
  type BlockIdentity,
  blockKey,
  createIdentity,
  type IdentityFields,
  isBlockKey,
  modelDigest,
} from './block/identity.ts';
export { parseStoreKey } from './block/seal.ts';
export type {
  BlockHandle,
  BlockKey,
  BlockRequest,
  BlockStore,
  Decision,
  EncodeMisses,
  StoreStats,
  Tier,
  TierPlace,
  TierStats,
} from './block-store.ts';
export { type BlockStoreOptions, type ClaimOptions, createBlockStore, defaultDirectory } from './create-store.ts';
export { type ExportReport, exportFolder, type ImportReport, importArchive } from './disk/archive.ts';
export {
  type CleanReport,
  checkFolder,
  cleanFolder,
  type FolderStats,
  findBlocks,
  folderStats,
  forgetBlocks,
  listStore,
  pinBlocks,
  type StoredBlockInfo,
  type VerifyReport,
  verifyFolder,
} from './disk/lifecycle.ts';
export { createMemoryStore } from './memory/memory-store.ts';
export type { RedisLocation } from './remote/redis-backend.ts';
export type { S3Options } from './remote/s3-backend.ts';
export { parseSharedUrl, type SharedOptions } from './remote/shared-options.ts';
export type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from './tier.ts';
export type { StoreWarning } from './warnings.ts';
