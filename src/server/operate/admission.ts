/**
 * Who may start: at most so many requests at once, so many waiting, and tenants in turn. Knows no request's content.
 */
import { BlockAttentionError, requestAborted } from '@block-attention/engine/internal/base';

interface Waiting {
  readonly start: () => void;
  readonly tenant: string;
}

export class Admission {
  readonly #maxRunning: number;
  readonly #maxQueue: number;
  /** Waiting requests by tenant. The map's order is the order of turns; no list is empty. */
  readonly #queues = new Map<string, Waiting[]>();
  readonly #onChange: () => void;
  #running = 0;
  #waiting = 0;
  /** How long requests run, in ms: the later ones count for more. */
  #meanMs: number | undefined;

  /** @param options.onChange called when the server becomes idle or busy. Defaults to nothing */
  constructor(options: {
    readonly maxRunning: number;
    readonly maxQueue: number;
    readonly onChange?: (() => void) | undefined;
  }) {
    this.#maxRunning = options.maxRunning;
    this.#maxQueue = options.maxQueue;
    this.#onChange = options.onChange ?? (() => undefined);
  }

  get idle(): boolean {
    return this.#running === 0 && this.#waiting === 0;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Seconds until those who wait now will have started, by how long requests took lately: 1 to 60. */
  get retryAfter(): number {
    const seconds = ((this.#meanMs ?? 0) * Math.max(this.#waiting, 1)) / this.#maxRunning / 1000;
    return Math.min(Math.max(Math.ceil(seconds), 1), 60);
  }

  /**
   * Waits for a turn. @returns what ends it; idempotent
   * @throws OVERLOADED when the queue is full; ABORTED when the signal fires first
   */
  async enter(tenant: string, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw requestAborted(signal);
    if (this.#running >= this.#maxRunning) await this.#wait(tenant, signal);
    else this.#start();
    const startedAt = performance.now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const ms = performance.now() - startedAt;
      this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + (ms - this.#meanMs) / 8;
      this.#running -= 1;
      this.#next();
      if (this.idle) this.#onChange();
    };
  }

  #start(): void {
    const wasIdle = this.idle;
    this.#running += 1;
    if (wasIdle) this.#onChange();
  }

  #wait(tenant: string, signal: AbortSignal): Promise<void> {
    if (this.#waiting >= this.#maxQueue) {
      const message = `${this.#waiting} requests wait already: try again later`;
      return Promise.reject(new BlockAttentionError('OVERLOADED', message));
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#remove(entry);
        reject(requestAborted(signal));
      };
      const start = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const entry = { start, tenant };
      signal.addEventListener('abort', onAbort, { once: true });
      const queue = this.#queues.get(tenant);
      if (queue) queue.push(entry);
      else this.#queues.set(tenant, [entry]);
      this.#waiting += 1;
    });
  }

  #next(): void {
    const first = this.#queues.entries().next().value;
    if (first === undefined) return;
    const [tenant, queue] = first;
    const entry = queue.shift();
    this.#queues.delete(tenant);
    if (queue.length > 0) this.#queues.set(tenant, queue);
    this.#waiting -= 1;
    this.#running += 1;
    entry?.start();
  }

  #remove(entry: Waiting): void {
    const queue = this.#queues.get(entry.tenant) ?? [];
    queue.splice(queue.indexOf(entry), 1);
    if (queue.length === 0) this.#queues.delete(entry.tenant);
    this.#waiting -= 1;
  }
}
