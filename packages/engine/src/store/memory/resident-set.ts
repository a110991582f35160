/**
 * The blocks that are in memory, or on their way into it: pins, byte accounting, eviction. Synchronous; knows
 * neither where blocks come from nor who waits for them.
 *
 * An entry is pending until it has memory. It is in use while a request pins it or a flight brings it, and held while
 * in use or being written to a tier; only what is not held can be evicted, in the order of eviction.ts. An entry
 * leaves the index by eviction, removal or failure; if it is still held then, its memory is freed when the last hold
 * ends.
 * Invariant: bytes <= max(budget, held bytes), and every memory is freed exactly once.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import type { BlockKey } from '../block-store.ts';
import { EvictionOrder } from './eviction.ts';

export class Entry {
  readonly key: BlockKey;
  readonly bytes: number;
  /** Absent while the block is being loaded or encoded. */
  memory: NativeMemory | undefined;
  /** What encoding it took, in ms. */
  encodeMs = 0;
  /** Requests that asked for it while it was here. */
  uses = 0;
  /** When it came into memory, on the clock of performance.now(). */
  readyAt = 0;
  /** Handles given out, or promised to requests that wait. */
  pins = 0;
  /** Flights that bring it: 0 or 1. */
  flights = 0;
  /** Writes to lower tiers, queued or running. */
  writes = 0;
  /** False once it can no longer be found by key. */
  indexed = true;

  constructor(key: BlockKey, bytes: number) {
    this.key = key;
    this.bytes = bytes;
  }

  get used(): boolean {
    return this.pins > 0 || this.flights > 0;
  }
  get held(): boolean {
    return this.used || this.writes > 0;
  }
}

export class ResidentSet {
  readonly budgetBytes: number;
  readonly #index = new Map<BlockKey, Entry>();
  /** Entries that are in memory and not held. */
  readonly #idle = new EvictionOrder<Entry>();
  /** Held entries that have left the index. */
  readonly #detached = new Set<Entry>();
  #bytes = 0;
  #heldBytes = 0;
  #usedBytes = 0;
  #usedBlocks = 0;
  #evictions = 0;
  #closed = false;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  /** Bytes of all entries, pending ones included. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Bytes that requests use, or that are being brought for one. */
  get usedBytes(): number {
    return this.#usedBytes;
  }
  get usedBlocks(): number {
    return this.#usedBlocks;
  }
  get blocks(): number {
    return this.#index.size + this.#detached.size;
  }
  get evictions(): number {
    return this.#evictions;
  }

  get(key: BlockKey): Entry | undefined {
    return this.#index.get(key);
  }

  /**
   * @throws STORE_FULL when what other requests use leaves no room for `needBytes` more. With nothing in use anything
   * is admitted: a request that is alone is served even if it outgrows the budget.
   */
  admit(needBytes: number): void {
    if (needBytes === 0 || this.#usedBytes === 0 || this.#usedBytes + needBytes <= this.budgetBytes) return;
    throw new BlockAttentionError(
      'STORE_FULL',
      `${needBytes} bytes of blocks do not fit: other requests use ${this.#usedBytes} of the ${this.budgetBytes} bytes ` +
        'of the store: retry when they have finished, or raise the byte budget',
    );
  }

  /** Adds a pending entry, pinned `pins` times, and makes room for it. The key must be absent. */
  create(key: BlockKey, bytes: number, pins: number): Entry {
    const entry = new Entry(key, bytes);
    this.#index.set(key, entry);
    this.#bytes += bytes;
    this.#hold(entry, 'pins', pins);
    this.makeRoom();
    return entry;
  }

  pin(entry: Entry, count: number): void {
    this.#hold(entry, 'pins', count);
  }

  unpin(entry: Entry, count: number): void {
    this.#hold(entry, 'pins', -count);
  }

  startFlight(entry: Entry): void {
    this.#hold(entry, 'flights', 1);
  }

  endFlight(entry: Entry): void {
    this.#hold(entry, 'flights', -1);
  }

  startWrite(entry: Entry): void {
    this.#hold(entry, 'writes', 1);
  }

  endWrite(entry: Entry): void {
    this.#hold(entry, 'writes', -1);
  }

  /** Takes an entry out of the index. Its memory is freed now, or when its last hold ends. */
  detach(entry: Entry): void {
    if (!entry.indexed) return;
    entry.indexed = false;
    this.#index.delete(entry.key);
    this.#idle.delete(entry);
    if (entry.held) this.#detached.add(entry);
    else this.#discard(entry);
  }

  /** Frees entries that are not held until the budget is kept, or none is left. */
  makeRoom(): void {
    while (this.#bytes > this.budgetBytes) {
      const entry = this.#idle.takeLeast();
      if (entry === undefined) return;
      this.#evictions += 1;
      this.detach(entry);
    }
  }

  /** Frees everything that is not held, and from now on the rest as its last hold ends. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#idle.items()) this.detach(entry);
  }

  /** The one place where holds change. */
  #hold(entry: Entry, kind: 'pins' | 'flights' | 'writes', change: number): void {
    const { used, held } = entry;
    entry[kind] += change;
    if (entry.used !== used) {
      this.#usedBytes += used ? -entry.bytes : entry.bytes;
      this.#usedBlocks += used ? -1 : 1;
    }
    if (entry.held === held) return;
    this.#heldBytes += held ? -entry.bytes : entry.bytes;
    if (held) this.#settle(entry);
    else this.#idle.delete(entry);
  }

  /** What becomes of an entry when its last hold ends. */
  #settle(entry: Entry): void {
    // Keeping a block larger than the budget would push out everything else, and it would still not fit.
    const outgrown = entry.bytes > this.budgetBytes;
    if (!entry.indexed) {
      this.#detached.delete(entry);
      this.#discard(entry);
    } else if (entry.memory === undefined || this.#closed) {
      this.detach(entry);
    } else if (outgrown) {
      this.#evictions += 1;
      this.detach(entry);
    } else {
      this.#idle.add(entry, { uses: entry.uses, costMs: entry.encodeMs, bytes: entry.bytes });
      this.makeRoom();
    }
  }

  #discard(entry: Entry): void {
    this.#bytes -= entry.bytes;
    entry.memory?.free();
    entry.memory = undefined;
  }

  /** Recounts everything. @throws Error naming the first invariant that does not hold. */
  checkIntegrity(): void {
    let bytes = 0;
    let heldBytes = 0;
    let usedBytes = 0;
    let usedBlocks = 0;
    for (const entry of [...this.#index.values(), ...this.#detached]) {
      const { key, pins, flights, writes } = entry;
      bytes += entry.bytes;
      if (entry.held) heldBytes += entry.bytes;
      if (entry.used) usedBytes += entry.bytes;
      if (entry.used) usedBlocks += 1;
      ensure(Math.min(pins, flights, writes) >= 0, `block ${key}: pins ${pins}, flights ${flights}, writes ${writes}`);
      ensure(entry.indexed === (this.#index.get(key) === entry), `block ${key} is wrongly indexed`);
      ensure(entry.indexed || entry.held, `block ${key} is detached and nobody holds it`);
      ensure(entry.held || entry.memory !== undefined, `block ${key} is pending and nobody works on it`);
      ensure(entry.held !== this.#idle.has(entry), `block ${key} is wrongly listed as idle`);
      const size = entry.memory?.size ?? entry.bytes;
      ensure(size === entry.bytes, `block ${key} has ${size} bytes of memory for ${entry.bytes}`);
    }
    ensure(bytes === this.#bytes, `${bytes} bytes resident, ${this.#bytes} accounted`);
    ensure(heldBytes === this.#heldBytes, `${heldBytes} bytes held, ${this.#heldBytes} accounted`);
    ensure(usedBytes === this.#usedBytes, `${usedBytes} bytes in use, ${this.#usedBytes} accounted`);
    ensure(usedBlocks === this.#usedBlocks, `${usedBlocks} blocks in use, ${this.#usedBlocks} accounted`);
    const limit = Math.max(this.budgetBytes, heldBytes);
    ensure(bytes <= limit, `${bytes} bytes exceed ${limit}: budget ${this.budgetBytes}, held ${heldBytes}`);
  }
}

function ensure(condition: boolean, message: string): void {
  if (!condition) throw new Error(`block store: ${message}`);
}
