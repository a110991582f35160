/** The door of the block store. */
export { type ExportReport, exportFolder, type ImportReport, importArchive } from './archive.ts';
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
export { type BlockIdentity, blockKey, createIdentity, isBlockKey, modelDigest } from './identity.ts';
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
} from './lifecycle.ts';
export { createMemoryStore } from './memory-store.ts';
export { parseStoreKey } from './seal.ts';
export { parseSharedUrl, type SharedOptions } from './shared-options.ts';
export type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from './tier.ts';
export type { StoreWarning } from './warnings.ts';
