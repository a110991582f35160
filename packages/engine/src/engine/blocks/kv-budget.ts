/**
 * Memory that the answers' own keys and values may take: reserved before anything is computed, so that many long
 * requests wait for each other instead of exhausting the machine. Context blocks are the store's to count.
 *
 * First come, first served. Invariant: what is reserved never exceeds the total.
 */
import { totalmem } from 'node:os';
import { requestAborted } from '../../abort.ts';
import { BlockAttentionError } from '../../errors.ts';

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

export class KvBudget {
  readonly totalBytes: number;
  readonly #queue: Waiting[] = [];
  #reserved = 0;
  #reclaim: (bytes: number) => void = () => {};

  /** @param totalBytes defaults to half of the memory this process may use */
  constructor(totalBytes = Math.floor(usableMemory() / 2)) {
    if (!(totalBytes > 0)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `kvBytes is ${totalBytes}: give a number of bytes above 0`);
    }
    this.totalBytes = totalBytes;
  }

  get reservedBytes(): number {
    return this.#reserved;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** @param reclaim gives back at least so many bytes, if it can, of what is reserved but not in use */
  onShortage(reclaim: (bytes: number) => void): void {
    this.#reclaim = reclaim;
  }

  /**
   * Waits until there is room. @returns what gives it back; idempotent
   * @throws MODEL_TOO_LARGE for more than the total; ABORTED when the signal fires first
   */
  async reserve(bytes: number, signal?: AbortSignal): Promise<() => void> {
    if (bytes > this.totalBytes) {
      throw new BlockAttentionError(
        'MODEL_TOO_LARGE',
        `the request needs ${bytes} bytes for keys and values of its own, all requests together may have ${this.totalBytes}: shorten the prompt or the answer, use block mode, or raise the budget`,
      );
    }
    if (this.#queue.length > 0 || !this.#take(bytes)) await this.#wait(bytes, signal);
    return this.#giver(bytes);
  }

  /** Reserves what is free now and nobody waits for. @returns what gives it back, idempotent; undefined where there is no room */
  reserveFree(bytes: number): (() => void) | undefined {
    if (this.#queue.length > 0 || this.#reserved + bytes > this.totalBytes) return undefined;
    this.#reserved += bytes;
    return this.#giver(bytes);
  }

  #giver(bytes: number): () => void {
    let returned = false;
    return () => {
      if (returned) return;
      returned = true;
      this.#reserved -= bytes;
      this.retry();
    };
  }

  #take(bytes: number): boolean {
    const missing = this.#reserved + bytes - this.totalBytes;
    if (missing > 0) this.#reclaim(missing);
    if (this.#reserved + bytes > this.totalBytes) return false;
    this.#reserved += bytes;
    return true;
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(requestAborted(signal));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(entry), 1);
        reject(requestAborted(signal));
        this.retry();
      };
      const start = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const entry = { bytes, start };
      this.#queue.push(entry);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Lets in who waits and fits now: to be called when something could be given back that was in use before. */
  retry(): void {
    for (let first = this.#queue[0]; first && this.#take(first.bytes); first = this.#queue[0]) {
      this.#queue.shift();
      first.start();
    }
  }
}

/** The machine's memory, or what the container leaves of it. */
function usableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
