/**
 * Work over large memory in slices, so that the event loop is never held up for long.
 */
export const sliceBytes = 1 << 20;

/** Longest stretch of work between two turns of the event loop, in ms. */
const stretchMs = 8;

/** Gives way to the event loop when the current stretch of work has lasted long enough. */
export class Stretch {
  #since = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#since < stretchMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/** Views of `bytes`, `sliceBytes` long each but the last. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) {
    yield bytes.subarray(at, Math.min(at + sliceBytes, bytes.byteLength));
  }
}
