/**
 * The contract between the engine and wherever blocks are kept.
 *
 * A block's payload is opaque to the store: `bytes` in the layout that attention reads (model/kv-layout.ts). Payloads
 * are immutable once committed: any number of requests read the same bytes at once, at any position.
 */
import type { NativeMemory } from '../ggml/ffi/memory.ts';

/** Hex SHA-256 that names a block: see identity.ts. */
export type BlockKey = string & { readonly __brand: 'BlockKey' };

/**
 * Where a block was found: `memory`, or the place of a tier below it. `none` is a miss that was encoded for this
 * request.
 */
export type Tier = 'memory' | 'none' | TierPlace;

/**
 * Names one tier of a store: its kind, with a number from the second tier of that kind on (`redis`, `redis 2`). A tier
 * of one's own has any other name.
 */
export type TierPlace = 'disk' | 'redis' | 's3' | (string & {});

/**
 * Why a block came from where it did. `resident`: it was in memory. `shared`: another request was already bringing it.
 * `loaded`: a tier had it. Encoded, because no tier had it (`absent`), one had it but could not deliver it whole and
 * in time (`unreadable`), or loading it would have taken longer than encoding (`slower`).
 */
export type Decision = 'resident' | 'shared' | 'loaded' | 'absent' | 'unreadable' | 'slower';

export interface BlockRequest {
  readonly key: BlockKey;
  /** Token ids of the block: part of the stored image, checked on reading. */
  readonly tokens: Int32Array;
  /** Exact size of the payload in bytes: a stored block of another size is a miss. */
  readonly bytes: number;
  /** `modelDigest()` of the block's identity: recorded with the stored block. Defaults to none. */
  readonly model?: string | undefined;
  /** How it was encoded, for people: recorded with the stored block. Defaults to none: from nothing. */
  readonly encoding?: string | undefined;
}

/** A pinned block. Its memory stays valid and in place until `release()`, which is idempotent. */
export interface BlockHandle {
  readonly key: BlockKey;
  readonly memory: NativeMemory;
  readonly status: 'hit' | 'miss';
  readonly tier: Tier;
  readonly decision: Decision;
  /** Time this block took to become ready for this request: load or encode, in ms. */
  readonly ms: number;
  release(): void;
}

/** What the store asks for: encode these blocks, calling `commit` once per block as each finishes. */
export type EncodeMisses = (
  missing: readonly BlockRequest[],
  /** Takes ownership of `memory` (exactly `bytes` long, fully written). `ms` is the measured cost of encoding it. */
  commit: (request: BlockRequest, memory: NativeMemory, ms: number) => void,
  signal?: AbortSignal,
) => Promise<void>;

export interface BlockStore extends AsyncDisposable {
  /**
   * Pins the blocks of one request, in order (a key may occur several times; each occurrence gets its own handle).
   * Blocks that no tier holds are encoded through `encode`, each once however many callers ask at the same time
   * (single flight). Either every handle is returned or none stays pinned.
   * A failing tier never fails a request: what it cannot deliver is encoded.
   * @throws what `encode` throws; ABORTED when the signal fires; STORE_FULL when the pins of other requests leave no
   * room (a request that is alone is served whatever its size); DISPOSED after close().
   */
  acquire(
    requests: readonly BlockRequest[],
    encode: EncodeMisses,
    options?: { readonly signal?: AbortSignal | undefined; readonly tenant?: string | undefined },
  ): Promise<BlockHandle[]>;
  /** Whether a block is present, and where, without loading or pinning it. */
  has(key: BlockKey): Promise<Tier | undefined>;
  /**
   * Removes blocks from every tier and returns how many there were. Pinned ones vanish from the index at once and are
   * freed on their last release. What this process is still writing is removed as well.
   */
  remove(keys: readonly BlockKey[]): Promise<number>;
  stats(): StoreStats;
  /** Checks every invariant of the bookkeeping; throws on the first that does not hold. */
  checkIntegrity(): void;
  /** Waits until the tiers have what was encoded so far, or have given it up. */
  flush(): Promise<void>;
  /** Flushes, frees everything that is not pinned and closes the tiers. */
  close(): Promise<void>;
}

export interface StoreStats {
  /** In memory: blocks and their bytes. Pinned: in use by requests, or being encoded for one. */
  readonly blocks: number;
  readonly bytes: number;
  readonly pinnedBlocks: number;
  readonly pinnedBytes: number;
  readonly budgetBytes: number;
  /** By place: `memory`, and each of `tiers`. */
  readonly hits: Readonly<Record<string, number>>;
  readonly misses: number;
  /** Blocks that left memory to keep the budget. */
  readonly evictions: number;
  /** Bytes waiting to be written to lower tiers. */
  readonly pendingWriteBytes: number;
  /** The tiers below memory, fastest first. */
  readonly tiers: readonly TierStats[];
}

export interface TierStats {
  readonly name: TierPlace;
  /** Blocks and bytes kept; undefined where the tier cannot tell cheaply. */
  readonly blocks: number | undefined;
  readonly bytes: number | undefined;
  readonly budgetBytes: number | undefined;
  readonly hits: number;
  /** Look-ups without result, by reason: `absent`, `expired`, `checksum`, `timeout` and so on. */
  readonly misses: Readonly<Record<string, number>>;
  readonly writes: number;
  readonly failedWrites: number;
  readonly evictions: number;
  /** Expected time to load 1 MiB, as measured, in ms; undefined before the first. */
  readonly loadMsPerMiB?: number | undefined;
}
