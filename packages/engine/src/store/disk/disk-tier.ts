/**
 * Blocks in files of a folder (disk-files.ts), mapped and attended to in place.
 *
 * Reading needs no index: a block is where its key says, so other processes' blocks are found, and those they evicted
 * are misses. The checksum is checked when a process first maps a block; a mapping outlives its file. A damaged file
 * is deleted. When the folder cannot be written, writing pauses and is tried again later; reading goes on.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import { type NativeAead, nativeAead } from '../../ggml/native/native-aead.ts';
import { createImage, type ImageHeader, imageBytesOf, mismatch } from '../block/image.ts';
import { MappedImage } from '../block/mapped-image.ts';
import type { MemorySource } from '../block/memory-source.ts';
import type { Seal } from '../block/seal.ts';
import type { BlockKey, BlockRequest, TierStats } from '../block-store.ts';
import { KeyLocks } from '../memory/key-locks.ts';
import { rememberLatest } from '../memory/remember-latest.ts';
import type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from '../tier.ts';
import { Counters, causeOf, type Warnings } from '../warnings.ts';
import {
  blockPath,
  deleteFile,
  fileExists,
  isMissing,
  makeFolder,
  pinPath,
  readFileFields,
  writeAtomically,
} from './disk-files.ts';
import { type DiskLimits, DiskSpace } from './disk-space.ts';
import { UseTimes } from './use-times.ts';

export interface DiskTierOptions extends DiskLimits {
  readonly directory: string;
  readonly seal?: Seal | undefined;
  readonly memory: MemorySource;
  readonly warnings: Warnings;
  /** Pause after a failed write, in ms. */
  readonly retryMs: number;
}

/** Reasons that say the file itself is damaged: it is of no use to anyone. */
const damaged = new Set(['truncated', 'no-block', 'header', 'checksum', 'foreign']);

export class DiskTier implements BlockTier {
  readonly name = 'disk';
  readonly #options: DiskTierOptions;
  readonly #space: DiskSpace;
  readonly #misses = new Counters();
  readonly #locks = new KeyLocks();
  /** Blocks whose payload this process has checked, by the nonce of their writing. */
  readonly #checked = new Map<BlockKey, string>();
  readonly #times = new UseTimes();
  #aead: NativeAead | undefined;
  #hits = 0;
  #writes = 0;
  #failedWrites = 0;
  #pausedUntil = 0;
  #hadFolder = false;
  #closed = false;

  constructor(options: DiskTierOptions) {
    this.#options = options;
    this.#space = new DiskSpace(options.directory, options);
  }

  /** Creates the folder if need be and starts to read in the background what it holds. Problems are warnings. */
  async open(): Promise<void> {
    this.#aead = await nativeAead();
    try {
      await makeFolder(this.#options.directory);
      this.#hadFolder = true;
    } catch (error) {
      this.#warn(error, 'cannot be used');
    }
    this.#space.scan().catch((error: unknown) => this.#warn(error, 'cannot be read'));
  }

  async load(request: BlockRequest, context: LoadContext): Promise<LoadedBlock | string> {
    if (this.#closed) return 'absent';
    if (context.signal.aborted) return 'timeout';
    const { key } = request;
    const path = blockPath(this.#options.directory, key);
    let mapping: NativeMemory | undefined;
    let result: LoadedBlock | string;
    try {
      mapping = this.#options.memory.mapFile(path);
      result = await this.#open(mapping, path, request);
    } catch (error) {
      if (isMissing(error)) result = 'absent';
      else if (BlockAttentionError.isInstance(error) && error.code === 'MODEL_INVALID') result = 'truncated';
      else {
        result = causeOf(error);
        this.#warn(error, `cannot read ${path}`);
      }
    }
    if (typeof result !== 'string') {
      this.#hits += 1;
      this.#space.use(key);
      this.#times.used(key, path);
    }
    // An unsealed block is the mapping itself.
    if (typeof result === 'string' || this.#options.seal !== undefined) mapping?.free();
    if (typeof result === 'string') await this.#missed(key, path, result);
    return result;
  }

  async #open(mapping: NativeMemory, path: string, request: BlockRequest): Promise<LoadedBlock | string> {
    const image = new MappedImage(mapping, path, this.#aead);
    const { header } = image;
    if (typeof header === 'string') return header;
    const { seal } = this.#options;
    const problem = mismatch(header, image.head, request, seal);
    if (problem !== undefined) return problem;
    if (this.#space.expired(header.createdAtMs) && !(await this.#isPinned(request.key))) return 'expired';
    const { encodeMs } = header;
    if (seal !== undefined) {
      const memory = await this.#unseal(image, header, seal, request);
      return memory === undefined ? 'checksum' : { memory, encodeMs };
    }
    const nonce = Buffer.from(header.nonce).toString('hex');
    if (this.#checked.get(request.key) !== nonce) {
      if (!(await image.payloadIsWhole(header))) return 'checksum';
      rememberLatest(this.#checked, request.key, nonce);
    }
    return { memory: image.payload(header), encodeMs };
  }

  async #unseal(image: MappedImage, header: ImageHeader, seal: Seal, request: BlockRequest) {
    const memory = this.#options.memory.allocate(request.bytes);
    let whole = false;
    try {
      whole = await image.unseal(header, seal, request, memory);
      return whole ? memory : undefined;
    } finally {
      if (!whole) memory.free();
    }
  }

  async #missed(key: BlockKey, path: string, reason: string): Promise<void> {
    this.#misses.add(reason);
    if (reason === 'absent') return;
    this.#checked.delete(key);
    if (damaged.has(reason) || reason === 'expired') await this.#locks.run(key, () => this.#delete(key, path));
    if (reason === 'expired') return;
    this.#options.warnings.warn(
      'disk',
      reason,
      `block store: ${path} is not used (${reason}); the block is encoded again`,
    );
  }

  async #delete(key: BlockKey, path: string): Promise<boolean> {
    try {
      this.#space.forget(key);
      return await deleteFile(path);
    } catch (error) {
      this.#warn(error, `cannot delete ${path}`);
      return false;
    }
  }

  save(block: StoredBlock): Promise<boolean> {
    return this.#locks.run(block.request.key, () => this.#save(block));
  }

  async #save(block: StoredBlock): Promise<boolean> {
    if (this.#closed || Date.now() < this.#pausedUntil) return false;
    const { directory, seal } = this.#options;
    const { key } = block.request;
    const path = blockPath(directory, key);
    const fileBytes = imageBytesOf(block.request);
    try {
      const before = await readFileFields(path).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (before !== undefined && typeof before !== 'string') {
        // It may be readable with a key that this process does not have: not ours to replace.
        if (before.sealed && (seal === undefined || !Buffer.from(seal.id).equals(before.sealId))) return false;
        const same = before.key === key && before.payloadBytes === block.request.bytes;
        if (same && before.sealed === (seal !== undefined)) return true;
      }
      return await this.#write(block, path, fileBytes);
    } catch (error) {
      this.#failedWrites += 1;
      this.#pausedUntil = Date.now() + this.#options.retryMs;
      this.#warn(error, 'cannot be written: blocks stay in memory');
      return false;
    }
  }

  async #write(block: StoredBlock, path: string, fileBytes: number): Promise<boolean> {
    const { directory, seal, warnings } = this.#options;
    const { key } = block.request;
    if (this.#hadFolder && !(await fileExists(directory))) {
      warnings.warn('disk', 'deleted', `block store: ${directory} was deleted while in use; it is created again`);
    }
    const tenantTag = await this.#space.tenantTag(block.tenant);
    const { header, payload } = await createImage(block, { tenantTag, seal });
    const entry = {
      key,
      fileBytes,
      tenantTag: tenantTag.toString('hex'),
      costMs: block.encodeMs,
      createdAtMs: Date.now(),
      pinned: await this.#isPinned(key),
      uses: 1,
    };
    if (!(await this.#space.reserve(entry))) return false;
    let written = false;
    try {
      await writeAtomically(directory, path, [header, payload]);
      written = true;
      this.#hadFolder = true;
    } finally {
      this.#space.settle(key, written);
    }
    this.#writes += 1;
    return true;
  }

  has(key: BlockKey): Promise<boolean> {
    return fileExists(blockPath(this.#options.directory, key));
  }

  async remove(keys: readonly BlockKey[]): Promise<BlockKey[]> {
    const removed: BlockKey[] = [];
    const { directory } = this.#options;
    for (const key of keys) {
      this.#checked.delete(key);
      await deleteFile(pinPath(directory, key)).catch(() => {});
      if (await this.#locks.run(key, () => this.#delete(key, blockPath(directory, key)))) removed.push(key);
    }
    return removed;
  }

  stats(): TierStats {
    return {
      name: this.name,
      blocks: this.#space.blocks,
      bytes: this.#space.bytes,
      budgetBytes: this.#options.budgetBytes,
      hits: this.#hits,
      misses: this.#misses.toRecord(),
      writes: this.#writes,
      failedWrites: this.#failedWrites,
      evictions: this.#space.evictions,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#times.flush();
    await this.#space.close();
  }

  #isPinned(key: BlockKey): Promise<boolean> {
    return fileExists(pinPath(this.#options.directory, key));
  }

  #warn(error: unknown, what: string): void {
    const detail = error instanceof Error ? error.message : String(error);
    this.#options.warnings.warn('disk', causeOf(error), `block store ${this.#options.directory} ${what}: ${detail}`);
  }
}
