/**
 * What is to be freed together, the last first: DisposableStack and AsyncDisposableStack of ECMAScript in those of their
 * parts that this project uses. Node has them from release 24 on.
 *
 * All steps run, each once, also when one throws: then the first error is thrown at the end.
 */
export class Cleanup implements Disposable {
  #steps: (() => void)[] = [];

  /** Something to do when this is disposed. */
  defer(step: () => void): void {
    this.#steps.push(step);
  }

  /** Disposes of `value` with this. */
  use<T extends Disposable>(value: T): T {
    this.defer(() => value[Symbol.dispose]());
    return value;
  }

  [Symbol.dispose](): void {
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

  defer(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** What is to be done, to be done by somebody else: from here on this one disposes of nothing. */
  move(): AsyncCleanup {
    const moved = new AsyncCleanup();
    moved.#steps = this.#steps;
    this.#steps = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
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
