/**
 * Keeps a store's folder within its byte budget, quotas and age, together with the other processes that use it.
 *
 * Every process keeps its own index of the folder. It reads the folder again after writing a sixteenth of the budget,
 * so the folder outgrows the budget by at most that much per process. Pinned blocks count, but never go.
 */
import { createHash } from 'node:crypto';
import { tenantTagBytes } from '../block/image.ts';
import type { BlockKey } from '../block-store.ts';
import { causeOf } from '../warnings.ts';
import {
  blockPath,
  deleteFile,
  folderSalt,
  isMissing,
  listBlocks,
  readFileFields,
  sweepTemporary,
} from './disk-files.ts';
import { type DiskEntry, DiskIndex } from './disk-index.ts';

const rescanShare = 1 / 16;
const noTenant = '0'.repeat(2 * tenantTagBytes);

export interface DiskLimits {
  /** Bytes of all files together. */
  readonly budgetBytes: number;
  /** Bytes of one tenant's files; the shared space is not limited. */
  readonly tenantQuotaBytes: number;
  /** Age past which a block is gone. */
  readonly ttlMs: number;
}

export class DiskSpace {
  readonly #directory: string;
  readonly #limits: DiskLimits;
  readonly #index = new DiskIndex();
  readonly #tags = new Map<string, Buffer>();
  readonly #writing = new Map<BlockKey, DiskEntry>();
  /** Blocks that this process wrote or deleted since the scan began: what the scan saw of them is out of date. */
  readonly #touched = new Set<BlockKey>();
  #salt: Promise<Buffer> | undefined;
  #scan: Promise<void> | undefined;
  #writtenSinceScan = 0;
  #evictions = 0;
  #closed = false;

  constructor(directory: string, limits: DiskLimits) {
    this.#directory = directory;
    this.#limits = limits;
  }

  get evictions(): number {
    return this.#evictions;
  }
  get blocks(): number {
    return this.#index.blocks;
  }
  get bytes(): number {
    return this.#index.bytes;
  }

  expired(createdAtMs: number): boolean {
    return Date.now() - createdAtMs > this.#limits.ttlMs;
  }

  use(key: BlockKey): void {
    this.#index.use(key);
  }

  forget(key: BlockKey): void {
    this.#touched.add(key);
    this.#index.delete(key);
  }

  /** The tag that a tenant's blocks carry: 16 bytes, zeros for the shared space. */
  async tenantTag(tenant: string): Promise<Buffer> {
    if (tenant === '') return Buffer.alloc(tenantTagBytes);
    let tag = this.#tags.get(tenant);
    if (tag === undefined) {
      this.#salt ??= folderSalt(this.#directory);
      this.#salt.catch(() => {
        this.#salt = undefined;
      });
      const digest = createHash('sha256')
        .update(await this.#salt)
        .update(Buffer.from(tenant, 'utf16le'))
        .digest();
      tag = digest.subarray(0, tenantTagBytes);
      this.#tags.set(tenant, tag);
    }
    return tag;
  }

  /**
   * Makes room for a block that is about to be written, and counts it; `settle` must follow. False when it cannot
   * fit, and nothing is counted.
   */
  async reserve(entry: DiskEntry): Promise<boolean> {
    const { budgetBytes, tenantQuotaBytes } = this.#limits;
    if (this.#scan === undefined || this.#writtenSinceScan > budgetBytes * rescanShare) await this.scan();
    else await this.#scan;
    const { key, fileBytes, tenantTag } = entry;
    const quota = tenantTag === noTenant ? Number.POSITIVE_INFINITY : tenantQuotaBytes;
    if (fileBytes > Math.min(budgetBytes, quota)) return false;
    this.#writtenSinceScan += fileBytes;
    this.#writing.set(key, entry);
    this.#touched.add(key);
    // Pinned, so that it is not its own victim.
    this.#index.add({ ...entry, pinned: true });
    const fits =
      (await this.#evictWhile(() => this.#index.tenantBytes(tenantTag) > quota, tenantTag)) &&
      (await this.#evictWhile(() => this.#index.bytes > budgetBytes));
    if (!fits) this.settle(key, false);
    return fits;
  }

  /** Ends a reservation: the block was written, or it was not. */
  settle(key: BlockKey, written: boolean): void {
    this.#touched.add(key);
    const entry = this.#writing.get(key);
    this.#writing.delete(key);
    this.#index.delete(key);
    if (written && entry !== undefined) this.#index.add(entry);
  }

  /** Evicts until the budget is kept, or only pinned blocks are left. */
  async shrink(): Promise<void> {
    await this.#evictWhile(() => this.#index.bytes > this.#limits.budgetBytes);
  }

  async #evictWhile(isOver: () => boolean, tenantTag?: string): Promise<boolean> {
    while (isOver()) {
      const victim = this.#index.takeVictim(tenantTag);
      if (victim === undefined) return false;
      await this.#delete(victim);
    }
    return true;
  }

  async #delete(key: BlockKey): Promise<void> {
    this.#evictions += 1;
    this.#touched.add(key);
    await deleteFile(blockPath(this.#directory, key));
  }

  /** Brings the index up to date with the files; deletes what has expired, and what crashes left. */
  scan(): Promise<void> {
    this.#writtenSinceScan = 0;
    this.#scan = (this.#scan ?? Promise.resolve()).then(() => this.#readFolder());
    this.#scan.catch(() => {
      this.#scan = undefined;
    });
    return this.#scan;
  }

  /** Ends a scan that is running. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#scan?.catch(() => {});
  }

  async #readFolder(): Promise<void> {
    this.#touched.clear();
    for (const key of this.#writing.keys()) this.#touched.add(key);
    const gone = new Set(this.#index.keys());
    const fresh: { readonly usedAtMs: number; readonly entry: DiskEntry }[] = [];
    for await (const file of listBlocks(this.#directory)) {
      if (this.#closed) return;
      const { key, path, fileBytes, pinned, usedAtMs } = file;
      gone.delete(key);
      const known = this.#index.get(key);
      if (known !== undefined && known.fileBytes === fileBytes && known.pinned === pinned) continue;
      const fields = await readFileFields(path).catch((error: unknown) => {
        return isMissing(error) ? undefined : causeOf(error);
      });
      if (fields === undefined) continue;
      // What cannot be read takes up room as well, and goes first.
      const readable = typeof fields !== 'string';
      const entry: DiskEntry = {
        key,
        fileBytes,
        pinned,
        tenantTag: readable ? fields.tenantTag : noTenant,
        costMs: readable ? fields.encodeMs : 0,
        createdAtMs: readable ? fields.createdAtMs : usedAtMs,
        uses: known?.uses ?? 1,
      };
      fresh.push({ usedAtMs, entry });
    }
    fresh.sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const { entry } of fresh) if (!this.#touched.has(entry.key)) this.#index.add(entry);
    for (const key of gone) if (!this.#touched.has(key)) this.#index.delete(key);
    for (const key of this.#index.keys()) {
      const entry = this.#index.get(key);
      if (entry === undefined || entry.pinned || !this.expired(entry.createdAtMs)) continue;
      this.#index.delete(key);
      await deleteFile(blockPath(this.#directory, key));
    }
    await sweepTemporary(this.#directory);
  }
}
