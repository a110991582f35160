/**
 * When blocks of a folder were last used, kept in their files' times: other processes, and this one after a restart, go
 * by them.
 *
 * Written a little later, one after the other: a request that uses many blocks does not wait for, or compete with, as
 * many system calls. What a crash loses is recorded by the next use.
 */
import { utimes } from 'node:fs/promises';
import type { BlockKey } from '../block-store.ts';
import { rememberLatest } from '../memory/remember-latest.ts';

/** Uses of a block are recorded at most this often. */
const leastMs = 600_000;
const delayMs = 1000;

export class UseTimes {
  readonly #recorded = new Map<BlockKey, number>();
  /** Time of use in ms since 1970, by path. */
  readonly #pending = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  used(key: BlockKey, path: string): void {
    const now = Date.now();
    if (now - (this.#recorded.get(key) ?? 0) < leastMs) return;
    rememberLatest(this.#recorded, key, now);
    this.#pending.set(path, now);
    this.#timer ??= setTimeout(() => void this.flush(), delayMs).unref();
  }

  /** Resolves when every use so far is recorded. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (const [path, usedAtMs] of this.#pending) {
      this.#pending.delete(path);
      // A read-only folder still serves.
      await utimes(path, usedAtMs / 1000, usedAtMs / 1000).catch(() => undefined);
    }
  }
}
