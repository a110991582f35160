/** One signal per request: the client left, the deadline passed, or the server ends. */
import { setMaxListeners } from 'node:events';
import { BlockAttentionError, Cleanup } from '@block-attention/engine/internal/base';

export class Cancellation implements Disposable {
  readonly #controller = new AbortController();
  readonly #cleanup = new Cleanup();
  #cause: 'client' | 'deadline' | 'end' = 'client';

  /** @param deadlineMs from now @param client fires when it leaves @param end fires when the server ends */
  constructor(deadlineMs: number, client: AbortSignal, end: AbortSignal) {
    // Every choice, and every block being encoded, listens.
    setMaxListeners(0, this.signal);
    const timer = setTimeout(() => {
      this.#cancelFor('deadline');
    }, deadlineMs);
    timer.unref();
    this.#cleanup.defer(() => clearTimeout(timer));
    for (const [cause, signal] of [
      ['client', client],
      ['end', end],
    ] as const) {
      // Listeners of one's own: AbortSignal.any() would stay with a server's long-lived signal for ever.
      const listener = () => this.#cancelFor(cause);
      if (signal.aborted) listener();
      signal.addEventListener('abort', listener, { once: true });
      this.#cleanup.defer(() => signal.removeEventListener('abort', listener));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(): void {
    this.#controller.abort(new Error('cancelled'));
  }

  /** The error to answer with for one that the cancellation may have caused. */
  explain(error: unknown): unknown {
    if (!BlockAttentionError.isInstance(error) || error.code !== 'ABORTED') return error;
    return this.reason ?? error;
  }

  /** Why the request ends before its answer does; undefined while it goes on, and when nobody is there to be told. */
  get reason(): BlockAttentionError | undefined {
    if (!this.signal.aborted || this.#cause === 'client') return undefined;
    return this.#cause === 'deadline'
      ? new BlockAttentionError('DEADLINE_EXCEEDED', 'the deadline passed: ask for fewer tokens, or try again later')
      : new BlockAttentionError(
          'SHUTTING_DOWN',
          'the server shut down before the answer was complete: ask another one, or again later',
        );
  }

  #cancelFor(cause: 'client' | 'deadline' | 'end'): void {
    if (!this.signal.aborted) this.#cause = cause;
    this.cancel();
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}
