/**
 * A tier on a server that other machines share: what redis-backend.ts and s3-backend.ts have in common.
 *
 * The server is not trusted: what it returns is checked like a file, in full, before any of it is used. A server that
 * is dead, slow or lying costs a bounded delay: each operation has a time limit, and a breaker leaves a failing server
 * alone. Blocks are bounded in number per moment, because each is held twice while it is checked.
 */
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import {
  createImage,
  type ImageHeader,
  imageBytesOf,
  mismatch,
  payloadIsWhole,
  readHeader,
  unseal,
} from '../block/image.ts';
import type { MemorySource } from '../block/memory-source.ts';
import type { Seal } from '../block/seal.ts';
import type { BlockKey, BlockRequest, TierPlace, TierStats } from '../block-store.ts';
import { KeyLocks } from '../memory/key-locks.ts';
import { Slots } from '../memory/slots.ts';
import type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from '../tier.ts';
import { Counters, causeOf, type Warnings } from '../warnings.ts';
import { Breaker } from './breaker.ts';

/** Bytes by key on a server. Every method may throw, and must end soon after the signal fires. */
export interface RemoteBackend {
  readonly name: string;
  /**
   * The value, undefined when there is none; `bytes` is the only acceptable length. Throws WrongLength otherwise.
   * Calls `alive` once the server has answered that it has the value.
   */
  get(key: BlockKey, bytes: number, signal: AbortSignal, alive: () => void): Promise<Buffer | undefined>;
  /** Stores a value given in parts; visible only when complete. */
  put(key: BlockKey, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void>;
  has(key: BlockKey, signal: AbortSignal): Promise<boolean>;
  /** Resolves to whether there was a value. */
  delete(key: BlockKey, signal: AbortSignal): Promise<boolean>;
  /** Resolves when the server answers. */
  ping(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** A backend's value has another length than a block of this size can have. */
export class WrongLength extends Error {
  override readonly name = 'truncated';
}

export interface RemoteTierOptions {
  readonly backend: RemoteBackend;
  readonly seal?: Seal | undefined;
  /** What reports call this tier. Defaults to the backend's own name. */
  readonly name?: TierPlace | undefined;
  readonly memory: MemorySource;
  readonly warnings: Warnings;
  /** Limit until a server answers, in ms; a block's transfer may take longer by what it takes at 4 MiB/s. */
  readonly timeoutMs: number;
  /** Pause before a failing server is tried again, in ms. */
  readonly retryMs: number;
  /** Age past which a block is gone, in ms. */
  readonly ttlMs: number;
}

const concurrentLoads = 8;
const leastBytesPerMs = 4 * 1024 * 1.024;
const failuresToOpen = 3;

export class RemoteTier implements BlockTier {
  readonly name: TierPlace;
  readonly #options: RemoteTierOptions;
  readonly #breaker: Breaker;
  readonly #slots = new Slots(concurrentLoads);
  readonly #misses = new Counters();
  readonly #locks = new KeyLocks();
  #hits = 0;
  #writes = 0;
  #failedWrites = 0;
  #closed = false;

  constructor(options: RemoteTierOptions) {
    this.#options = options;
    this.name = options.name ?? options.backend.name;
    this.#breaker = new Breaker({
      failures: failuresToOpen,
      pauseMs: options.retryMs,
      probe: () => this.#timed(0, undefined, (signal) => options.backend.ping(signal)),
    });
  }

  async load(request: BlockRequest, context: LoadContext): Promise<LoadedBlock | string> {
    if (this.#closed) return 'absent';
    const result = await this.#slots.run(() => this.#load(request, context));
    if (typeof result === 'string') this.#misses.add(result);
    else this.#hits += 1;
    return result;
  }

  async #load(request: BlockRequest, { signal }: LoadContext): Promise<LoadedBlock | string> {
    if (this.#breaker.isOpen) return 'unreachable';
    if (signal.aborted) return 'timeout';
    const bytes = imageBytesOf(request);
    try {
      const { backend } = this.#options;
      const image = await this.#timed(0, signal, (timed, allow) =>
        backend.get(request.key, bytes, timed, () => allow(bytes)),
      );
      this.#breaker.succeeded();
      if (image === undefined) return 'absent';
      const result = await this.#check(image, request);
      if (typeof result === 'string') this.#reject(request.key, result);
      return result;
    } catch (error) {
      if (error instanceof WrongLength) {
        this.#breaker.succeeded();
        this.#reject(request.key, error.name);
        return error.name;
      }
      // Giving up because encoding is faster says nothing about the server's health.
      if (signal.aborted) return 'timeout';
      return this.#failed(error);
    }
  }

  async #check(image: Buffer, request: BlockRequest): Promise<LoadedBlock | string> {
    const { seal } = this.#options;
    const header = readHeader(image);
    if (typeof header === 'string') return header;
    const problem = mismatch(header, image, request, seal);
    if (problem !== undefined) return problem;
    if (Date.now() - header.createdAtMs > this.#options.ttlMs) return 'expired';
    const memory = this.#options.memory.allocate(request.bytes);
    const whole = await this.#fill(memory, image, header, request).catch((error: unknown) => {
      memory.free();
      throw error;
    });
    if (whole) return { memory, encodeMs: header.encodeMs };
    memory.free();
    return 'checksum';
  }

  async #fill(memory: NativeMemory, image: Buffer, header: ImageHeader, request: BlockRequest): Promise<boolean> {
    const { seal } = this.#options;
    if (seal !== undefined) return unseal(image, header, seal, { target: memory.bytes, tokens: request.tokens });
    if (!(await payloadIsWhole(image, header))) return false;
    memory.bytes.set(image.subarray(header.headerBytes));
    return true;
  }

  /** A value that is not the block: reported, and deleted so that the next writer replaces it. */
  #reject(key: BlockKey, reason: string): void {
    const action = `the block is encoded again`;
    this.#options.warnings.warn(
      this.name,
      reason,
      `block store: ${this.name} returned a wrong block (${reason}); ${action}`,
    );
    if (reason === 'sealed' || reason === 'unsealed' || reason === 'other-store-key' || reason === 'version') return;
    this.#delete(key).catch(() => {
      // It will be found wrong again.
    });
  }

  /** Deleting and writing of one block wait for each other: a wrong value must not outlive its replacement. */
  #delete(key: BlockKey): Promise<boolean> {
    return this.#locks.run(key, () => this.#timed(0, undefined, (signal) => this.#options.backend.delete(key, signal)));
  }

  #failed(error: unknown): string {
    this.#breaker.failed();
    const cause = causeOf(error);
    const detail = error instanceof Error ? error.message : String(error);
    this.#options.warnings.warn(
      this.name,
      cause,
      `block store: ${this.name} does not answer as it should (${detail}); blocks are encoded instead`,
    );
    return cause === 'TimeoutError' ? 'timeout' : 'unreachable';
  }

  save(block: StoredBlock): Promise<boolean> {
    return this.#locks.run(block.request.key, () => this.#save(block));
  }

  async #save(block: StoredBlock): Promise<boolean> {
    if (this.#closed || this.#breaker.isOpen) return false;
    const { backend, seal } = this.#options;
    const { key } = block.request;
    try {
      if (await this.#timed(0, undefined, (signal) => backend.has(key, signal))) return true;
      // Tenants' tags are salted per folder and mean nothing to other machines: keys keep tenants apart.
      const { header, payload } = await createImage(block, { seal });
      const bytes = header.byteLength + payload.byteLength;
      await this.#timed(bytes, undefined, (signal) => backend.put(key, [header, payload], signal));
      this.#breaker.succeeded();
      this.#writes += 1;
      return true;
    } catch (error) {
      this.#failedWrites += 1;
      this.#failed(error);
      return false;
    }
  }

  async has(key: BlockKey): Promise<boolean> {
    if (this.#closed || this.#breaker.isOpen) return false;
    try {
      return await this.#timed(0, undefined, (signal) => this.#options.backend.has(key, signal));
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  async remove(keys: readonly BlockKey[]): Promise<BlockKey[]> {
    const removed: BlockKey[] = [];
    for (const key of keys) {
      if (this.#closed) break;
      try {
        if (await this.#delete(key)) removed.push(key);
      } catch (error) {
        this.#failed(error);
      }
    }
    return removed;
  }

  stats(): TierStats {
    return {
      name: this.name,
      blocks: undefined,
      bytes: undefined,
      budgetBytes: undefined,
      hits: this.#hits,
      misses: this.#misses.toRecord(),
      writes: this.#writes,
      failedWrites: this.#failedWrites,
      evictions: 0,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#breaker.close();
    this.#options.backend.close();
  }

  /**
   * Runs an operation under its time limit, whether or not the backend heeds the signal. `allow` grants it the time
   * that so many bytes may take.
   */
  #timed<T>(
    bytes: number,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal, allow: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const startedAt = performance.now();
    return new Promise<T>((resolve, reject) => {
      const stop = (name: string, message: string) => {
        const error = Object.assign(new Error(message), { name });
        reject(error);
        controller.abort(error);
      };
      const timeout = () => stop('TimeoutError', `no answer in ${Math.round(performance.now() - startedAt)} ms`);
      const cancelled = () => stop('AbortError', 'cancelled');
      const limitMs = (granted: number) => this.#options.timeoutMs + granted / leastBytesPerMs;
      let timer = setTimeout(timeout, limitMs(bytes));
      const allow = (granted: number) => {
        clearTimeout(timer);
        if (!controller.signal.aborted) timer = setTimeout(timeout, limitMs(granted));
      };
      signal?.addEventListener('abort', cancelled);
      work(controller.signal, allow)
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', cancelled);
        });
    });
  }
}
