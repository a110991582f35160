/**
 * Writes blocks to a tier in the background. A block that waits to be written stays in memory; how much may wait is
 * bounded, and what exceeds it is not written: serving goes first.
 */
import type { BlockKey, TierPlace } from './block-store.ts';
import type { Entry, ResidentSet } from './memory/resident-set.ts';
import type { BlockTier, StoredBlock } from './tier.ts';
import { causeOf, type Warnings } from './warnings.ts';

interface Job {
  readonly entry: Entry;
  readonly block: Omit<StoredBlock, 'payload'>;
  readonly onEnd: () => void;
}

/** One block is prepared while another is on its way. */
const concurrency = 2;

export class WriteBehind {
  readonly #tier: BlockTier;
  readonly #place: TierPlace;
  readonly #resident: ResidentSet;
  readonly #maxBytes: number;
  readonly #warnings: Warnings;
  readonly #queue: Job[] = [];
  readonly #running = new Map<Job, Promise<void>>();
  #pendingBytes = 0;

  constructor(tier: BlockTier, place: TierPlace, resident: ResidentSet, maxBytes: number, warnings: Warnings) {
    this.#tier = tier;
    this.#place = place;
    this.#resident = resident;
    this.#maxBytes = maxBytes;
    this.#warnings = warnings;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** @param onEnd called once the block is written, or will not be */
  enqueue(entry: Entry, block: Omit<StoredBlock, 'payload'>, onEnd: () => void): void {
    if (this.#pendingBytes > 0 && this.#pendingBytes + entry.bytes > this.#maxBytes) {
      const message = `block store: ${this.#place} is slower than encoding; some blocks are not written to it`;
      this.#warnings.warn(this.#place, 'write-queue', message);
      onEnd();
      return;
    }
    this.#resident.startWrite(entry);
    this.#pendingBytes += entry.bytes;
    this.#queue.push({ entry, block, onEnd });
    this.#next();
  }

  #next(): void {
    while (this.#running.size < concurrency) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      const done = this.#write(job).finally(() => {
        this.#running.delete(job);
        this.#done(job);
        this.#next();
      });
      this.#running.set(job, done);
    }
  }

  async #write({ entry, block }: Job): Promise<void> {
    // Removed since: it must not come back.
    const { indexed, memory } = entry;
    if (!indexed || memory === undefined) return;
    try {
      await this.#tier.save({ ...block, payload: memory.bytes });
      // What was read was not the block: nobody is to have it.
      if (memory.damaged) await this.#tier.remove([block.request.key]);
    } catch (error) {
      this.#warnings.warn(this.#place, causeOf(error), `block store: ${this.#place} failed: ${String(error)}`);
    }
  }

  #done({ entry, onEnd }: Job): void {
    this.#pendingBytes -= entry.bytes;
    this.#resident.endWrite(entry);
    onEnd();
  }

  /** Drops queued writes of these blocks; resolves when none is running any more. */
  async cancel(keys: ReadonlySet<BlockKey>): Promise<void> {
    for (const job of this.#queue.filter(({ entry }) => keys.has(entry.key))) {
      this.#queue.splice(this.#queue.indexOf(job), 1);
      this.#done(job);
    }
    const running = [...this.#running].filter(([{ entry }]) => keys.has(entry.key));
    await Promise.all(running.map(([, done]) => done));
  }

  /** Resolves when everything that waits now has been written or given up. */
  async flush(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }
}
