/** One signal per request: the client left, the deadline passed, or the server ends. */
import { setMaxListeners } from 'node:events';
import { BlockAttentionError } from '../errors.ts';

export class Cancellation implements Disposable {
  readonly #controller = new AbortController();
  readonly #release: (() => void)[] = [];
  #late = false;

  /** @param deadlineMs from now */
  constructor(deadlineMs: number, ...signals: readonly AbortSignal[]) {
    // Every choice, and every block being encoded, listens.
    setMaxListeners(0, this.signal);
    const timer = setTimeout(() => {
      this.#late = true;
      this.cancel();
    }, deadlineMs);
    timer.unref();
    this.#release.push(() => clearTimeout(timer));
    for (const signal of signals) {
      // Listeners of one's own: AbortSignal.any() would stay with a server's long-lived signal for ever.
      const listener = () => this.cancel();
      if (signal.aborted) this.cancel();
      signal.addEventListener('abort', listener, { once: true });
      this.#release.push(() => signal.removeEventListener('abort', listener));
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
    if (!this.#late || !BlockAttentionError.isInstance(error) || error.code !== 'ABORTED') return error;
    return new BlockAttentionError(
      'DEADLINE_EXCEEDED',
      'the deadline passed: ask for fewer tokens, or try again later',
    );
  }

  [Symbol.dispose](): void {
    for (const release of this.#release) release();
  }
}
