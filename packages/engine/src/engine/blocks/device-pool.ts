/**
 * Blocks in the memory of a device, as rows in pages of a fixed number of tokens: a cache over the store, by block key,
 * from which every sequence gathers a copy of its context (docs/gpu.md).
 *
 * It changes only while it has the backend to itself, and what it places is copied before it lets go: so the least
 * recently used blocks can always make room, pages need no pins, and a context larger than the pool is gathered in parts.
 * Where requests find no memory, pages are given up for them, and the pool stays smaller from then on.
 * Invariant: a page is free or belongs to one block.
 */
import { throwIfAborted } from '../../abort.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { shortageOf } from '../../ggml/device/memory-account.ts';
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import { blockToRows, copyRows, type KvLayout, type Model, RowStates, rowPadding } from '../../model/index.ts';
import type { BlockKey } from '../../store/index.ts';
import { blockDamaged } from '../schedule/damaged-files.ts';
import type { Spare } from '../schedule/shortage.ts';
import { BlockStaging } from './block-staging.ts';

/** Tokens of a page: half of one is lost per block. */
export const pageTokens = 64;
/** Bytes uploaded before others get a turn on the device. */
const uploadBytes = 256 * 2 ** 20;

/** A block of a context, pinned in host memory. */
export interface PooledBlock {
  readonly key: BlockKey;
  readonly memory: NativeMemory;
  readonly tokens: number;
  /** Positions by which its keys are turned: those of its first token. */
  readonly start: number;
}

export interface PoolStats {
  readonly budgetBytes: number;
  readonly usedBytes: number;
  readonly blocks: number;
  /** Blocks that a context found here, those it had uploaded, those that had to go. */
  readonly hits: number;
  readonly uploads: number;
  readonly evictions: number;
  readonly uploadMs: number;
  readonly gatherMs: number;
}

export interface PoolOptions {
  /** Where the device has no room for the budget, half of it is tried, and so on down to this. Defaults to the budget. */
  readonly least?: number | undefined;
  /** Whether blocks are copied to the device before they become rows. Defaults to true, on the CPU to false. */
  readonly stages?: boolean | undefined;
}

/** Runs work that needs the backend to itself. */
type Exclusive = <T>(work: (allocator: GraphAllocator) => Promise<T>) => Promise<T>;

/** What is read before it is turned and copied: rows somewhere. */
interface Found {
  readonly block: PooledBlock;
  readonly rows: Int32Array;
}

export class DevicePool implements Spare {
  readonly #model: Model;
  readonly #layout: KvLayout;
  readonly #exclusive: Exclusive;
  #states: RowStates | undefined;
  #pages = 0;
  #free: number[] = [];
  /** Pages of each block, least recently used first. */
  readonly #blocks = new Map<BlockKey, readonly number[]>();
  /** Undefined where the device reads blocks where they are stored. */
  readonly #staging: BlockStaging | undefined;
  readonly #counts = { hits: 0, uploads: 0, evictions: 0, uploadMs: 0, gatherMs: 0 };

  /**
   * @param budgetBytes of the pages; below one of them nothing is kept
   * @throws INVALID_ARGUMENT; MODEL_TOO_LARGE when the device has no room for the least
   */
  constructor(
    model: Model,
    layout: KvLayout,
    exclusive: Exclusive,
    budgetBytes: number,
    { least = budgetBytes, stages = !model.backend.isCpu }: PoolOptions = {},
  ) {
    if (!(budgetBytes >= 0)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `poolBytes is ${budgetBytes}: give a number of bytes >= 0`);
    }
    this.#model = model;
    this.#layout = layout;
    this.#exclusive = exclusive;
    this.#staging = stages ? new BlockStaging(model.backend) : undefined;
    this.#open(this.#pagesIn(budgetBytes), this.#pagesIn(least));
  }

  #pagesIn(bytes: number): number {
    return Math.floor(bytes / (this.#layout.bytesPerToken * pageTokens));
  }

  #open(pages: number, least: number): void {
    const { backend } = this.#model;
    for (let count = pages; ; count = Math.max(least, count >> 1)) {
      try {
        this.#states = count > 0 ? new RowStates(backend, this.#layout, count * pageTokens) : undefined;
      } catch (error) {
        if (count === least || shortageOf(error) === undefined) throw error;
        continue;
      }
      this.#pages = count;
      this.#free = Array.from({ length: count }, (_, page) => count - 1 - page);
      return;
    }
  }

  get spareBytes(): number {
    return (this.#staging?.spareBytes ?? 0) + (this.#states?.bytes ?? 0);
  }

  /** Makes the pool smaller by at least so many bytes. What it held is forgotten: it comes again from the store. */
  give(bytes: number): void {
    const missing = bytes - (this.#staging?.spareBytes ?? 0);
    this.#staging?.free();
    if (missing <= 0) return;
    const left = this.#pagesIn((this.#states?.bytes ?? 0) - missing);
    this.#counts.evictions += this.#blocks.size;
    this.#blocks.clear();
    this.#states?.free();
    // Rows are rounded up.
    this.#open(Math.max(0, left - (left % (rowPadding / pageTokens))), 0);
  }

  /**
   * Copies blocks, in order, to the first rows of `target`, their keys turned to their places.
   * @throws ABORTED; MODEL_TOO_LARGE when the device has no memory left; BLOCK_DAMAGED
   */
  async gather(blocks: readonly PooledBlock[], target: RowStates, signal?: AbortSignal): Promise<void> {
    let done = 0;
    let row = 0;
    while (done < blocks.length) {
      throwIfAborted(signal);
      const [first, rest] = [done, blocks.slice(done)];
      // While others compute.
      const arrived = this.#sendAhead(rest);
      try {
        done += await this.#exclusive((allocator) => this.#gatherSome(allocator, rest, target, row));
      } finally {
        await arrived();
      }
      row += blocks.slice(first, done).reduce((sum, { tokens }) => sum + tokens, 0);
    }
  }

  /** Begins to copy those of the blocks that are not here. To be waited for, as long as the blocks are pinned. */
  #sendAhead(blocks: readonly PooledBlock[]): () => Promise<void> {
    const missing = blocks.filter(({ key }) => !this.#blocks.has(key));
    return this.#staging?.ahead(missing) ?? (() => Promise.resolve());
  }

  /** Forgets blocks. */
  forget(keys: readonly BlockKey[]): Promise<void> {
    return this.#exclusive(() => {
      for (const key of keys) this.#drop(key);
      return Promise.resolve();
    });
  }

  #drop(key: BlockKey): void {
    this.#free.push(...(this.#blocks.get(key) ?? []));
    this.#blocks.delete(key);
  }

  stats(): PoolStats {
    const page = pageTokens * this.#layout.bytesPerToken;
    return {
      budgetBytes: this.#pages * page,
      usedBytes: (this.#pages - this.#free.length) * page,
      blocks: this.#blocks.size,
      ...this.#counts,
    };
  }

  /** @throws Error naming the first violation */
  checkIntegrity(): void {
    const owned = [...this.#blocks.values()].flat();
    const all = [...owned, ...this.#free];
    if (new Set(all).size !== all.length) throw new Error('a page has two owners');
    if (all.length !== this.#pages) throw new Error(`${all.length} of ${this.#pages} pages are accounted for`);
  }

  dispose(): void {
    this.#states?.free();
    this.#staging?.free();
    this.#blocks.clear();
  }

  /** As many of the blocks, from the first on, as fit at once. @returns how many */
  async #gatherSome(
    allocator: GraphAllocator,
    blocks: readonly PooledBlock[],
    target: RowStates,
    at: number,
  ): Promise<number> {
    const sent: (() => Promise<void>)[] = [];
    try {
      const found = await this.#find(allocator, blocks, sent);
      const [first] = blocks;
      if (found.length === 0 && first !== undefined) return await this.#pass(allocator, first, target, at);
      const started = performance.now();
      if (this.#states !== undefined) await this.#copy(allocator, this.#states, found, target, at);
      this.#counts.gatherMs += performance.now() - started;
      return found.length;
    } finally {
      for (const arrived of sent) await arrived();
    }
  }

  /** Brings blocks into the pool, as many as fit at once. @param sent what was sent ahead for it is added */
  async #find(
    allocator: GraphAllocator,
    blocks: readonly PooledBlock[],
    sent: (() => Promise<void>)[],
  ): Promise<Found[]> {
    const found: Found[] = [];
    const using = new Set<BlockKey>();
    let uploaded = 0;
    for (const [index, block] of blocks.entries()) {
      const known = this.#blocks.get(block.key);
      if (known === undefined && uploaded > 0 && uploaded + block.memory.size > uploadBytes) break;
      const pages = known ?? this.#take(pagesOf(block.tokens), using);
      if (pages === undefined) break;
      if (known === undefined) {
        sent.push(this.#sendAhead(blocks.slice(index)));
        await this.#fill(allocator, block, pages);
        uploaded += block.memory.size;
      } else this.#counts.hits += 1;
      using.add(block.key);
      this.#blocks.delete(block.key);
      this.#blocks.set(block.key, pages);
      found.push({ block, rows: rowsOf(pages, block.tokens) });
    }
    return found;
  }

  /** A block that is larger than all pages: through rows of its own. */
  async #pass(allocator: GraphAllocator, block: PooledBlock, target: RowStates, at: number): Promise<number> {
    const own = new RowStates(this.#model.backend, this.#layout, block.tokens);
    try {
      const rows = Int32Array.from({ length: block.tokens }, (_, i) => i);
      await this.#upload(allocator, block, own, rows);
      await this.#copy(allocator, own, [{ block, rows }], target, at);
    } finally {
      own.free();
    }
    return 1;
  }

  async #copy(
    allocator: GraphAllocator,
    source: RowStates,
    found: readonly Found[],
    target: RowStates,
    at: number,
  ): Promise<void> {
    const rows = new Int32Array(found.reduce((sum, { block }) => sum + block.tokens, 0));
    const turns = new Int32Array(rows.length);
    let row = 0;
    for (const { block, rows: own } of found) {
      rows.set(own, row);
      turns.fill(block.start, row, row + block.tokens);
      row += block.tokens;
    }
    await copyRows(this.#model, allocator, { source, rows, turns, target, at });
  }

  /** Pages for a block, others' if need be, but of none in use. */
  #take(count: number, using: ReadonlySet<BlockKey>): number[] | undefined {
    if (count > this.#pages) return undefined;
    for (const key of this.#blocks.keys()) {
      if (this.#free.length >= count) break;
      if (using.has(key)) continue;
      this.#drop(key);
      this.#counts.evictions += 1;
    }
    if (this.#free.length < count) return undefined;
    return this.#free.splice(this.#free.length - count);
  }

  async #fill(allocator: GraphAllocator, block: PooledBlock, pages: readonly number[]): Promise<void> {
    try {
      if (this.#states) await this.#upload(allocator, block, this.#states, rowsOf(pages, block.tokens));
    } catch (error) {
      this.#free.push(...pages);
      throw error;
    }
  }

  async #upload(allocator: GraphAllocator, block: PooledBlock, target: RowStates, rows: Int32Array): Promise<void> {
    const started = performance.now();
    const { memory } = block;
    const staging = this.#staging;
    const stored = await (staging?.take(block) ?? this.#model.backend.hostMemory(memory.address));
    try {
      await blockToRows(this.#model, allocator, { layout: this.#layout, memory: stored }, target, rows);
    } finally {
      staging?.leave(block.key);
    }
    if (memory.damaged === true) throw blockDamaged();
    this.#counts.uploads += 1;
    this.#counts.uploadMs += performance.now() - started;
  }
}

function pagesOf(tokens: number): number {
  return Math.ceil(tokens / pageTokens);
}

/** Row of each token of a block. */
function rowsOf(pages: readonly number[], tokens: number): Int32Array {
  return Int32Array.from(
    { length: tokens },
    (_, i) => (pages[Math.floor(i / pageTokens)] ?? 0) * pageTokens + (i % pageTokens),
  );
}
