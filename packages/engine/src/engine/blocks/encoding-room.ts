/**
 * How much may be encoded at once where the states of a block being encoded take memory of a device: the blocks of one
 * long context, all at once, would take as much as the context itself.
 *
 * Groups (tenants) get equal shares of tokens; within a group the higher priority goes first, then the older, as among the
 * prompts of the scheduler. Invariant: blocks that were let in have no more tokens together than the room has, a single
 * larger one excepted.
 */
import { requestAborted } from '../../abort.ts';
import { nextInTurn, Turns } from '../schedule/turns.ts';

/** Tokens that are encoded at once: two batches of a device, so that one can be filled while the other computes. */
export const encodingTokens = 4096;

interface Waiting {
  readonly tokens: number;
  readonly group: string;
  readonly priority: number;
  readonly start: () => void;
}

export class EncodingRoom {
  readonly #total: number;
  #free: number;
  /** Oldest first. */
  readonly #queue: Waiting[] = [];
  readonly #turns = new Turns();

  constructor(tokens = encodingTokens) {
    this.#total = tokens;
    this.#free = tokens;
  }

  /** Waits for room. @returns what leaves it; idempotent @throws ABORTED */
  async enter(
    tokens: number,
    options: { readonly group: string; readonly priority: number; readonly signal?: AbortSignal | undefined },
  ): Promise<() => void> {
    const { group, priority, signal } = options;
    const taken = Math.min(tokens, this.#total);
    if (signal?.aborted) throw requestAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(entry), 1);
        reject(requestAborted(signal));
        this.#admit();
      };
      const start = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const entry: Waiting = { tokens: taken, group, priority, start };
      this.#queue.push(entry);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#admit();
    });
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#free += taken;
      this.#admit();
    };
  }

  #admit(): void {
    for (let next = this.#next(); next !== undefined && next.tokens <= this.#free; next = this.#next()) {
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.#free -= next.tokens;
      this.#turns.serve(next.group, next.tokens);
      next.start();
    }
  }

  #next(): Waiting | undefined {
    return nextInTurn(this.#queue, this.#turns, (waiting) => waiting);
  }
}
