/**
 * What the bodies of all requests may hold together. One body is bounded by itself; a few hundred of them at once, each
 * just below that bound, would still take the memory of the process.
 *
 * A body counts from its first byte until its request has been handled: until then it is kept, read or waiting for its
 * turn. Knows no socket and no content.
 */
import { BlockAttentionError } from '@block-attention/engine/internal/base';

/** What one request has taken. */
export interface BodyLease extends Disposable {
  /** @throws OVERLOADED where the bodies under way leave no room */
  take(bytes: number): void;
}

export class BodyBudget {
  readonly #most: number;
  #bytes = 0;

  /** @param most bytes of all bodies together */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes taken now. */
  get bytes(): number {
    return this.#bytes;
  }

  lease(): BodyLease {
    let taken = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#most) {
          const message = `the requests under way hold ${this.#bytes} bytes, and ${this.#most} are kept at most: try again later`;
          throw new BlockAttentionError('OVERLOADED', message);
        }
        this.#bytes += bytes;
        taken += bytes;
      },
      [Symbol.dispose]: () => {
        this.#bytes -= taken;
        taken = 0;
      },
    };
  }
}
