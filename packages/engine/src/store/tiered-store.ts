/**
 * The block store: memory on top, any number of tiers below it.
 *
 * Composes ResidentSet (what is in memory) and Flights (who brings what is not). Knows no file and no network:
 * those are tiers, searched in the order given.
 */
import { BlockAttentionError } from '../errors.ts';
import type { NativeMemory } from '../ggml/ffi/memory.ts';
import type { BlockHandle, BlockKey, BlockRequest, BlockStore, EncodeMisses, StoreStats, Tier } from './block-store.ts';
import { type ClaimWait, LowerTiers } from './lower-tiers.ts';
import { type Acquisition, Flights, type Outcome, throwIfAborted, type Wanted } from './memory/flights.ts';
import { ResidentSet } from './memory/resident-set.ts';
import type { Claims } from './remote/claims.ts';
import type { BlockTier } from './tier.ts';
import { Counters, Warnings } from './warnings.ts';

export interface TieredStoreOptions {
  /** Bytes of blocks kept in memory. */
  readonly memoryBytes: number;
  /** Fastest first. The store closes them. Defaults to none. */
  readonly tiers?: readonly BlockTier[] | undefined;
  /** Bytes that may wait to be written to one tier. Defaults to a quarter of the memory, but 64 MiB to 1 GiB. */
  readonly writeQueueBytes?: number | undefined;
  readonly warnings?: Warnings | undefined;
  /** Keeps machines that share a tier from encoding the same block at the same time. Closed by the store. */
  readonly claims?: Claims | undefined;
  /**
   * How long a block that another machine encodes is waited for. Defaults to `patient`: about as long as encoding
   * takes.
   */
  readonly claimWait?: ClaimWait | undefined;
}

/** Of the tiers that the package knows, those that a store lacks included: dashboards find every series. */
const noHits = { memory: 0, disk: 0, redis: 0, s3: 0 };

export class TieredStore implements BlockStore {
  readonly #resident: ResidentSet;
  readonly #lower: LowerTiers;
  readonly #flights: Flights;
  readonly #hits = new Counters();
  #misses = 0;
  #closed = false;

  constructor(options: TieredStoreOptions) {
    const { memoryBytes, tiers = [], warnings = new Warnings(), claims, claimWait } = options;
    const queueBytes = options.writeQueueBytes ?? Math.min(Math.max(memoryBytes / 4, 2 ** 26), 2 ** 30);
    this.#resident = new ResidentSet(memoryBytes);
    this.#lower = new LowerTiers(tiers, this.#resident, { queueBytes, warnings, claims, claimWait });
    this.#flights = new Flights(this.#resident, this.#lower);
  }

  async acquire(
    requests: readonly BlockRequest[],
    encode: EncodeMisses,
    options: { readonly signal?: AbortSignal | undefined; readonly tenant?: string | undefined } = {},
  ): Promise<BlockHandle[]> {
    this.#ensureOpen();
    throwIfAborted(options.signal);
    const startedAt = performance.now();
    const wanted = this.#pinAll(countRequests(requests));
    const acquisition: Acquisition = {
      wanted,
      encode,
      signal: options.signal,
      tenant: options.tenant ?? '',
      startedAt,
    };
    try {
      await this.#flights.complete(acquisition);
    } catch (error) {
      for (const { entry, count } of wanted) this.#resident.unpin(entry, count);
      throw error;
    }
    return this.#handles(requests, acquisition);
  }

  /** Pins every block of a request at once: room is checked before anything is loaded or encoded. */
  #pinAll(counts: ReadonlyMap<BlockKey, Counted>): Wanted[] {
    const found = [...counts.values()].map(({ request, count }) => {
      const entry = this.#resident.get(request.key);
      // Same key, other size: not the block that was asked for. Nor is what its file has lost a part of.
      const wrong = entry !== undefined && (entry.bytes !== request.bytes || entry.memory?.damaged === true);
      if (wrong) this.#resident.detach(entry);
      return { request, count, entry: entry?.indexed ? entry : undefined };
    });
    this.#resident.admit(found.reduce((sum, { request, entry }) => sum + (entry?.used ? 0 : request.bytes), 0));
    // Those present first: making room for the others must not push them out.
    for (const { entry, count } of found) if (entry !== undefined) this.#resident.pin(entry, count);
    return found.map(({ request, count, entry: present }): Wanted => {
      const entry = present ?? this.#resident.create(request.key, request.bytes, count);
      entry.uses += 1;
      return {
        request,
        count,
        entry,
        reason: 'absent',
        elsewhere: false,
        outcome: entry.memory === undefined ? undefined : resident,
      };
    });
  }

  #handles(requests: readonly BlockRequest[], acquisition: Acquisition): BlockHandle[] {
    const byKey = new Map(acquisition.wanted.map((item) => [item.request.key, item]));
    const seen = new Set<BlockKey>();
    return requests.map(({ key }) => {
      const item = byKey.get(key);
      const memory = item?.entry.memory;
      if (item === undefined || memory === undefined) throw new Error(`block store: block ${key} went missing`);
      const outcome = seen.has(key) ? resident : (item.outcome ?? shared(item.entry.readyAt - acquisition.startedAt));
      seen.add(key);
      if (outcome.tier === 'none') this.#misses += 1;
      else this.#hits.add(outcome.tier);
      return this.#handle(item, memory, outcome);
    });
  }

  #handle(item: Wanted, memory: NativeMemory, outcome: Outcome): BlockHandle {
    let released = false;
    return {
      key: item.request.key,
      memory,
      ...outcome,
      release: () => {
        if (released) return;
        released = true;
        this.#resident.unpin(item.entry, 1);
      },
    };
  }

  async has(key: BlockKey): Promise<Tier | undefined> {
    this.#ensureOpen();
    return this.#resident.get(key)?.memory === undefined ? this.#lower.find(key) : 'memory';
  }

  async remove(keys: readonly BlockKey[]): Promise<number> {
    this.#ensureOpen();
    const distinct = new Set(keys);
    const removed = new Set<BlockKey>();
    for (const key of distinct) {
      const entry = this.#resident.get(key);
      if (entry === undefined) continue;
      if (entry.memory !== undefined) removed.add(key);
      this.#resident.detach(entry);
    }
    for (const key of await this.#lower.remove(distinct)) removed.add(key);
    return removed.size;
  }

  stats(): StoreStats {
    const tiers = this.#lower.stats();
    const { blocks, bytes, usedBlocks, usedBytes, budgetBytes, evictions } = this.#resident;
    return {
      blocks,
      bytes,
      pinnedBlocks: usedBlocks,
      pinnedBytes: usedBytes,
      budgetBytes,
      hits: { ...noHits, ...Object.fromEntries(tiers.map(({ name }) => [name, 0])), ...this.#hits.toRecord() },
      misses: this.#misses,
      evictions,
      pendingWriteBytes: this.#lower.pendingBytes,
      tiers,
    };
  }

  checkIntegrity(): void {
    this.#resident.checkIntegrity();
    this.#flights.checkIntegrity();
  }

  flush(): Promise<void> {
    return this.#lower.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#lower.close();
    this.#resident.close();
  }

  #ensureOpen(): void {
    if (this.#closed) throw new BlockAttentionError('DISPOSED', 'the block store is closed: create a new one');
  }
}

const resident: Outcome = { status: 'hit', tier: 'memory', decision: 'resident', ms: 0 };

/** The block came with another request's flight. */
function shared(waitedMs: number): Outcome {
  return { status: 'hit', tier: 'memory', decision: 'shared', ms: Math.max(0, waitedMs) };
}

interface Counted {
  readonly request: BlockRequest;
  count: number;
}

/** @throws INVALID_ARGUMENT when a size is not a positive integer, or one key is asked for in two sizes. */
function countRequests(requests: readonly BlockRequest[]): Map<BlockKey, Counted> {
  const counts = new Map<BlockKey, Counted>();
  for (const request of requests) {
    const { key, bytes } = request;
    const before = counts.get(key);
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || (before !== undefined && before.request.bytes !== bytes)) {
      const rule =
        before === undefined ? 'give a positive integer' : `the same request also has ${before.request.bytes}`;
      throw new BlockAttentionError('INVALID_ARGUMENT', `block ${key} has ${bytes} bytes: ${rule}`);
    }
    if (before === undefined) counts.set(key, { request, count: 1 });
    else before.count += 1;
  }
  return counts;
}
