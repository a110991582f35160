/**
 * What is to be freed together, the last first: DisposableStack and AsyncDisposableStack of ECMAScript in those of their
 * parts that this project uses. Node has them from release 24 on.
 *
 * All steps run, each once, also when one throws: then the first error is thrown at the end. A step that comes after
 * that runs at once, so that nothing leaks, and is refused, so that nobody uses what it freed.
 */
import { BlockAttentionError } from './errors.ts';

export class Cleanup implements Disposable {
  #steps: (() => void)[] = [];
  #disposed = false;

  /**
   * Something to do when this is disposed.
   * @throws DISPOSED when it was before, once the step has run
   */
  defer(step: () => void): void {
    if (!this.#disposed) return void this.#steps.push(step);
    step();
    throw tooLate();
  }

  /** Disposes of `value` with this. @throws DISPOSED when this was before, once `value` is, too */
  use<T extends Disposable>(value: T): T {
    this.defer(() => value[Symbol.dispose]());
    return value;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** The same for steps that take time: each waits for the one before. */
export class AsyncCleanup implements AsyncDisposable {
  #steps: (() => void | Promise<void>)[] = [];
  #disposed = false;

  /** @throws DISPOSED when this was disposed or moved before, once the step has begun; nobody is told how it ends */
  defer(step: () => void | Promise<void>): void {
    if (!this.#disposed) return void this.#steps.push(step);
    Promise.resolve(step()).catch(() => undefined);
    throw tooLate();
  }

  /** What is to be done, to be done by somebody else: from here on this one disposes of nothing. */
  move(): AsyncCleanup {
    const moved = new AsyncCleanup();
    moved.#steps = this.#steps;
    moved.#disposed = this.#disposed;
    this.#steps = [];
    this.#disposed = true;
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

function tooLate(): BlockAttentionError {
  return new BlockAttentionError('DISPOSED', 'what this belongs to is closed: create a new one');
}
