/**
 * Checks that run while a server is idle: one at a time, given up for whatever request comes in, and tried again later.
 *
 * Knows nothing of what is checked. What waits is kept in memory only, and few of it.
 */

interface Waiting<T> {
  readonly item: T;
  attempts: number;
}

const mostWaiting = 32;
const mostAttempts = 5;

export class IdleChecks<T> {
  readonly #isIdle: () => boolean;
  readonly #check: (item: T, signal: AbortSignal) => Promise<void>;
  readonly #waiting: Waiting<T>[] = [];
  #running: AbortController | undefined;
  #skipped = 0;
  #closed = false;

  /** @param check throws when it was interrupted, or failed */
  constructor(isIdle: () => boolean, check: (item: T, signal: AbortSignal) => Promise<void>) {
    this.#isIdle = isIdle;
    this.#check = check;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Checks given up: too many waited, or requests kept interrupting. */
  get skipped(): number {
    return this.#skipped;
  }

  add(item: T): void {
    if (this.#closed) return;
    if (this.#waiting.length >= mostWaiting) this.#skipped += 1;
    else this.#waiting.push({ item, attempts: 0 });
    this.update();
  }

  /** To be called when the server becomes idle or busy. */
  update(): void {
    if (!this.#isIdle()) this.#running?.abort();
    else if (this.#running === undefined && !this.#closed) {
      const next = this.#waiting.shift();
      if (next) void this.#run(next);
    }
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting.length = 0;
  }

  /** Ends what is running and forgets what waits. */
  close(): void {
    this.#closed = true;
    this.clear();
    this.#running?.abort();
  }

  async #run(next: Waiting<T>): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    try {
      await this.#check(next.item, controller.signal);
    } catch {
      next.attempts += 1;
      if (this.#closed || next.attempts >= mostAttempts) this.#skipped += 1;
      else this.#waiting.unshift(next);
    } finally {
      this.#running = undefined;
      if (this.#isIdle()) setImmediate(() => this.update());
    }
  }
}
