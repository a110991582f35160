/**
 * What a place below memory has to offer to keep blocks: a new tier is one file that implements this.
 *
 * A tier never throws and never takes unbounded time: whatever goes wrong is a miss, or a block not kept, and is
 * counted and reported through Warnings. It may be shared with other processes, so blocks come and go by themselves.
 */
import type { NativeMemory } from '../ggml/ffi/memory.ts';
import type { BlockKey, BlockRequest, TierStats } from './block-store.ts';

export interface BlockTier {
  /** What reports call it. Two tiers of a store may share a name: the store tells them apart by number. */
  readonly name: string;
  /**
   * Brings a block, checked: right key, tokens, size and checksum. The caller owns the memory. A string is the reason
   * of a miss: `absent` when the tier does not have the block, anything else when it has but cannot give it.
   */
  load(request: BlockRequest, context: LoadContext): Promise<LoadedBlock | string>;
  /**
   * Keeps a block. Resolves when it is safely there (true), or will not be (false). Keeping what is there already is
   * cheap. `block.memory` may be read until then.
   */
  save(block: StoredBlock): Promise<boolean>;
  /** Whether the block seems to be there, unchecked. */
  has(key: BlockKey): Promise<boolean>;
  /** Deletes blocks; resolves to those that were there. */
  remove(keys: readonly BlockKey[]): Promise<BlockKey[]>;
  stats(): TierStats;
  /** Ends background work and connections. Everything afterwards is `absent`. */
  close(): Promise<void>;
}

export interface LoadContext {
  /** Fires when the block is no longer wanted, or encoding it would be faster by now. */
  readonly signal: AbortSignal;
}

export interface LoadedBlock {
  readonly memory: NativeMemory;
  /** What encoding the block took when it was encoded, in ms. */
  readonly encodeMs: number;
}

export interface StoredBlock {
  readonly request: BlockRequest;
  /** The payload: `request.bytes` bytes. */
  readonly payload: Uint8Array;
  /** What encoding the block took, in ms. */
  readonly encodeMs: number;
  /** The tenant's salt; empty for the shared space. */
  readonly tenant: string;
}
