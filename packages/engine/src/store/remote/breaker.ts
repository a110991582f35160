/**
 * Circuit breaker: after a few failures in a row a server is left alone, and asked in the background whether it is
 * back, so that requests pay for an outage only a few times.
 */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Pause between questions whether the server is back, in ms. */
  readonly pauseMs: number;
  /** Resolves when the server answers. */
  readonly probe: () => Promise<unknown>;
}

export class Breaker {
  readonly #options: BreakerOptions;
  #failed = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether the server is being left alone. */
  get isOpen(): boolean {
    return this.#timer !== undefined;
  }

  succeeded(): void {
    this.#failed = 0;
  }

  failed(): void {
    this.#failed += 1;
    if (this.#failed >= this.#options.failures) this.#open();
  }

  #open(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#options.probe().then(
        () => {
          this.#timer = undefined;
          this.#failed = 0;
        },
        () => {
          this.#timer = undefined;
          this.#open();
        },
      );
    }, this.#options.pauseMs);
    // A server that stays away must not keep the process alive.
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
