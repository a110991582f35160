/**
 * Bounds how many pieces of work run at once; the rest wait in order.
 */

/**
 * Threads of the pool that read payloads at once, also where there are fewer cores: a thread that is done must not wait for
 * this one to give it more to do. The pool has four, for files, names and graphs, too: one is left to them.
 */
export const payloadThreads = 3;

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
