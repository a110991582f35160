/**
 * What one process knows about the blocks in a store's folder: sizes, use, owners; and which to give up first.
 * Synchronous bookkeeping: reads and deletes no file. Rebuilt from the files, which alone are the truth.
 */
import type { BlockKey } from '../block-store.ts';
import { EvictionOrder } from '../memory/eviction.ts';

export interface DiskEntry {
  readonly key: BlockKey;
  readonly fileBytes: number;
  readonly tenantTag: string;
  readonly costMs: number;
  readonly createdAtMs: number;
  readonly pinned: boolean;
  uses: number;
}

export class DiskIndex {
  readonly #entries = new Map<BlockKey, DiskEntry>();
  readonly #order = new EvictionOrder<BlockKey>();
  readonly #tenantBytes = new Map<string, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get blocks(): number {
    return this.#entries.size;
  }

  get(key: BlockKey): DiskEntry | undefined {
    return this.#entries.get(key);
  }
  keys(): BlockKey[] {
    return [...this.#entries.keys()];
  }
  tenantBytes(tenantTag: string): number {
    return this.#tenantBytes.get(tenantTag) ?? 0;
  }

  /** Adds a block, or replaces what was known of it. */
  add(entry: DiskEntry): void {
    this.delete(entry.key);
    this.#entries.set(entry.key, entry);
    this.#account(entry, 1);
    this.#place(entry);
  }

  /** Counts a use. Unknown blocks (another process's) are ignored until the next scan. */
  use(key: BlockKey): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.uses += 1;
    this.#place(entry);
  }

  delete(key: BlockKey): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#order.delete(key);
    this.#account(entry, -1);
  }

  /** Takes out the block to give up first, of one tenant or of all; undefined when all are pinned. */
  takeVictim(tenantTag?: string): BlockKey | undefined {
    const key =
      tenantTag === undefined
        ? this.#order.takeLeast()
        : this.#order.leastWhere((candidate) => this.#entries.get(candidate)?.tenantTag === tenantTag);
    if (key !== undefined) this.delete(key);
    return key;
  }

  #place(entry: DiskEntry): void {
    if (!entry.pinned) this.#order.add(entry.key, { uses: entry.uses, costMs: entry.costMs, bytes: entry.fileBytes });
  }

  #account(entry: DiskEntry, sign: 1 | -1): void {
    this.#bytes += sign * entry.fileBytes;
    const left = this.tenantBytes(entry.tenantTag) + sign * entry.fileBytes;
    if (left === 0) this.#tenantBytes.delete(entry.tenantTag);
    else this.#tenantBytes.set(entry.tenantTag, left);
  }
}
