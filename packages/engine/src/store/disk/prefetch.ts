/**
 * Reads ahead of a mapping, so that pages that are not in the system's cache do not stop the event loop.
 *
 * Touching a cached page costs nothing; touching one on disk blocks the thread. Slices are timed: as soon as one is
 * slow, the following ones are first read through the thread pool, into a scratch buffer that is thrown away.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { sliceBytes } from '../block/slices.ts';

/** A cached slice is checked in 0.1 ms, 0.5 with page faults: slower than this came from disk. */
const coldMs = 3;

export class Prefetch {
  readonly #path: string;
  readonly #start: number;
  #file: FileHandle | undefined;
  #scratch: Buffer | undefined;
  #cold = false;

  /** @param start where in the file what is read begins */
  constructor(path: string, start: number) {
    this.#path = path;
    this.#start = start;
  }

  /** To be called before each slice is touched, in order, with its place behind the start. */
  readonly before = async (offset: number, length: number, lastMs: number): Promise<void> => {
    if (lastMs > coldMs) this.#cold = true;
    if (!this.#cold) return;
    try {
      this.#file ??= await open(this.#path, 'r');
      this.#scratch ??= Buffer.alloc(sliceBytes);
      await this.#file.read(this.#scratch, 0, length, this.#start + offset);
    } catch {
      // The mapping is still good when the file is gone: reading it directly is only slower.
    }
  };

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
