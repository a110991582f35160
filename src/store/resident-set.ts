/**
 * The blocks that are in memory, or on their way into it: pins, byte accounting, eviction. Synchronous; knows
 * neither where blocks come from nor who waits for them.
 *
 * An entry is pending until it has memory. It is held while a request pins it or a job (an encoder, a loader, a
 * writer) works on it; only what is not held can be evicted, the least recently used first. An entry leaves the index
 * by eviction, removal or failure; if it is still held then, its memory is freed when the last hold ends.
 * Invariant: bytes <= max(budget, held bytes), and every memory is freed exactly once.
 */
import { BlockAttentionError } from '../errors.ts';
import type { NativeMemory } from '../ggml/memory.ts';
import type { BlockKey, Tier } from './block-store.ts';

export class Entry {
  readonly key: BlockKey;
  readonly bytes: number;
  /** Absent while the block is being loaded or encoded. */
  memory: NativeMemory | undefined;
  /** Where the bytes came from: `none` when encoded in this process. */
  origin: Tier = 'none';
  /** When it came into memory, on the clock of performance.now(). */
  readyAt = 0;
  /** Handles given out, or promised to requests that wait. */
  pins = 0;
  /** Jobs in progress. */
  jobs = 0;
  /** False once it can no longer be found by key. */
  indexed = true;

  constructor(key: BlockKey, bytes: number) {
    this.key = key;
    this.bytes = bytes;
  }

  get held(): boolean {
    return this.pins > 0 || this.jobs > 0;
  }
}

export class ResidentSet {
  readonly budgetBytes: number;
  readonly #index = new Map<BlockKey, Entry>();
  /** Entries that are in memory and not held, least recently used first. */
  readonly #idle = new Map<BlockKey, Entry>();
  /** Held entries that have left the index. */
  readonly #detached = new Set<Entry>();
  #bytes = 0;
  #heldBytes = 0;
  #evictions = 0;
  #closed = false;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  /** Bytes of all entries, pending ones included. */
  get bytes(): number {
    return this.#bytes;
  }
  get heldBytes(): number {
    return this.#heldBytes;
  }
  get heldBlocks(): number {
    return this.#index.size - this.#idle.size + this.#detached.size;
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
   * @throws STORE_FULL when what others hold leaves no room for `needBytes` more. With nothing held anything is
   * admitted: a request that is alone is served even if it outgrows the budget.
   */
  admit(needBytes: number): void {
    if (needBytes === 0 || this.#heldBytes === 0 || this.#heldBytes + needBytes <= this.budgetBytes) return;
    throw new BlockAttentionError(
      'STORE_FULL',
      `${needBytes} bytes of blocks do not fit: ${this.#heldBytes} of the ${this.budgetBytes} bytes of the store are in ` +
        'use by other requests: retry when they have finished, or raise the byte budget',
    );
  }

  /** Adds a pending entry, pinned `pins` times, and makes room for it. The key must be absent. */
  create(key: BlockKey, bytes: number, pins: number): Entry {
    const entry = new Entry(key, bytes);
    entry.pins = pins;
    this.#index.set(key, entry);
    this.#bytes += bytes;
    this.#heldBytes += bytes;
    this.makeRoom();
    return entry;
  }

  pin(entry: Entry, count = 1): void {
    if (!entry.held) this.#startHold(entry);
    entry.pins += count;
  }

  unpin(entry: Entry, count = 1): void {
    entry.pins -= count;
    if (!entry.held) this.#endHold(entry);
  }

  /** A job keeps an entry in place as a pin does. */
  startJob(entry: Entry): void {
    if (!entry.held) this.#startHold(entry);
    entry.jobs += 1;
  }

  endJob(entry: Entry): void {
    entry.jobs -= 1;
    if (!entry.held) this.#endHold(entry);
  }

  /** Takes an entry out of the index. Its memory is freed now, or when its last hold ends. */
  detach(entry: Entry): void {
    if (!entry.indexed) return;
    entry.indexed = false;
    this.#index.delete(entry.key);
    this.#idle.delete(entry.key);
    if (entry.held) this.#detached.add(entry);
    else this.#discard(entry);
  }

  /** Frees entries that are not held until the budget is kept, or none is left. */
  makeRoom(): void {
    for (const entry of this.#idle.values()) {
      if (this.#bytes <= this.budgetBytes) return;
      this.#evictions += 1;
      this.detach(entry);
    }
  }

  /** Frees everything that is not held, and from now on the rest as its last hold ends. */
  close(): void {
    this.#closed = true;
    for (const entry of [...this.#idle.values()]) this.detach(entry);
  }

  #startHold(entry: Entry): void {
    this.#idle.delete(entry.key);
    this.#heldBytes += entry.bytes;
  }

  #endHold(entry: Entry): void {
    this.#heldBytes -= entry.bytes;
    if (!entry.indexed) {
      this.#detached.delete(entry);
      this.#discard(entry);
    } else if (entry.memory === undefined || this.#closed) {
      this.detach(entry);
    } else if (entry.bytes > this.budgetBytes) {
      // Keeping it would push out everything else and still not fit.
      this.#evictions += 1;
      this.detach(entry);
    } else {
      this.#idle.set(entry.key, entry);
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
    for (const entry of [...this.#index.values(), ...this.#detached]) {
      bytes += entry.bytes;
      if (entry.held) heldBytes += entry.bytes;
      ensure(entry.pins >= 0 && entry.jobs >= 0, `block ${entry.key} has ${entry.pins} pins and ${entry.jobs} jobs`);
      ensure(entry.indexed === (this.#index.get(entry.key) === entry), `block ${entry.key} is wrongly indexed`);
      ensure(entry.indexed || entry.held, `block ${entry.key} is detached and nobody holds it`);
      ensure(entry.held || entry.memory !== undefined, `block ${entry.key} is pending and nobody works on it`);
      ensure(entry.held !== (this.#idle.get(entry.key) === entry), `block ${entry.key} is wrongly listed as idle`);
      ensure(
        entry.memory === undefined || entry.memory.bytes.byteLength === entry.bytes,
        `block ${entry.key} has ${entry.memory?.bytes.byteLength} bytes of memory for ${entry.bytes}`,
      );
    }
    ensure(bytes === this.#bytes, `${bytes} bytes resident, ${this.#bytes} accounted`);
    ensure(heldBytes === this.#heldBytes, `${heldBytes} bytes held, ${this.#heldBytes} accounted`);
    const limit = Math.max(this.budgetBytes, heldBytes);
    ensure(bytes <= limit, `${bytes} bytes exceed ${limit}: budget ${this.budgetBytes}, held ${heldBytes}`);
  }
}

function ensure(condition: boolean, message: string): void {
  if (!condition) throw new Error(`block store: ${message}`);
}
