/** Runs one task at a time, in order: a backend computes one graph at a time. */
export class ComputeQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task, task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Settles when everything queued so far is done. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
