/**
 * The block store: memory on top, any number of tiers below it.
 *
 * Composes ResidentSet (what is in memory) and Flights (who brings what is not). Knows no file and no network:
 * those are tiers, searched in the order given.
 */
import { BlockAttentionError } from '../errors.ts';
import type { NativeMemory } from '../ggml/memory.ts';
import type { BlockHandle, BlockKey, BlockRequest, BlockStore, EncodeMisses, StoreStats, Tier } from './block-store.ts';
import { type Acquisition, Flights, throwIfAborted, type Wanted } from './flights.ts';
import { ResidentSet } from './resident-set.ts';

export class TieredStore implements BlockStore {
  readonly #resident: ResidentSet;
  readonly #flights: Flights;
  readonly #hits = { memory: 0, disk: 0, redis: 0, s3: 0 };
  #misses = 0;
  #closed = false;

  constructor(options: { readonly memoryBytes: number }) {
    this.#resident = new ResidentSet(options.memoryBytes);
    this.#flights = new Flights(this.#resident, async () => {}, { encoded: () => {} });
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
      // Same key, other size: not the block that was asked for.
      if (entry !== undefined && entry.bytes !== request.bytes) this.#resident.detach(entry);
      return { request, count, entry: entry?.indexed ? entry : undefined };
    });
    this.#resident.admit(found.reduce((sum, { request, entry }) => sum + (entry?.held ? 0 : request.bytes), 0));
    // Those present first: making room for the others must not push them out.
    for (const { entry, count } of found) if (entry !== undefined) this.#resident.pin(entry, count);
    return found.map(({ request, count, entry }): Wanted => {
      const inMemory = entry?.memory !== undefined;
      return {
        request,
        count,
        entry: entry ?? this.#resident.create(request.key, request.bytes, count),
        outcome: inMemory ? { status: 'hit', tier: 'memory', ms: 0 } : undefined,
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
      // Without an outcome of its own, the request waited for another one's flight.
      const waitedMs = seen.has(key) ? 0 : Math.max(0, item.entry.readyAt - acquisition.startedAt);
      const shared: Outcome = { status: 'hit', tier: 'memory', ms: waitedMs };
      const outcome = seen.has(key) ? shared : (item.outcome ?? shared);
      seen.add(key);
      if (outcome.tier === 'none') this.#misses += 1;
      else this.#hits[outcome.tier] += 1;
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
        this.#resident.unpin(item.entry);
      },
    };
  }

  async has(key: BlockKey): Promise<Tier | undefined> {
    this.#ensureOpen();
    return this.#resident.get(key)?.memory === undefined ? undefined : 'memory';
  }

  async remove(keys: readonly BlockKey[]): Promise<number> {
    this.#ensureOpen();
    let removed = 0;
    for (const key of new Set(keys)) {
      const entry = this.#resident.get(key);
      if (entry === undefined) continue;
      if (entry.memory !== undefined) removed += 1;
      this.#resident.detach(entry);
    }
    return removed;
  }

  stats(): StoreStats {
    const resident = this.#resident;
    return {
      blocks: resident.blocks,
      bytes: resident.bytes,
      pinnedBlocks: resident.heldBlocks,
      pinnedBytes: resident.heldBytes,
      budgetBytes: resident.budgetBytes,
      hits: { ...this.#hits },
      misses: this.#misses,
      evictions: resident.evictions,
    };
  }

  checkIntegrity(): void {
    this.#resident.checkIntegrity();
    this.#flights.checkIntegrity();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#resident.close();
  }

  #ensureOpen(): void {
    if (this.#closed) throw new BlockAttentionError('DISPOSED', 'the block store is closed: create a new one');
  }
}

type Outcome = NonNullable<Wanted['outcome']>;

interface Counted {
  readonly request: BlockRequest;
  count: number;
}

/** @throws INVALID_ARGUMENT when a size is no positive integer, or one key is asked for in two sizes. */
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
