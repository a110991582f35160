/**
 * What an engine has taken of a device's memory, kept within a limit.
 *
 * Knows no buffer: whoever allocates counts here, and counts back. Invariant: what is counted never exceeds the limit.
 */
import { BlockAttentionError } from '../../errors.ts';

/**
 * Memory of a device was missing: the cause of an error after which the device goes on. Whoever holds memory that can be
 * had again may give it back and try once more.
 */
export class Shortage {
  /** Bytes that would have to be given back for another attempt to succeed, as far as that is known. */
  readonly missing: number;

  constructor(missing: number) {
    this.missing = missing;
  }
}

/** What an error says of missing memory of a device; undefined for all other errors. */
export function shortageOf(error: unknown): Shortage | undefined {
  return BlockAttentionError.isInstance(error) && error.cause instanceof Shortage ? error.cause : undefined;
}

export class MemoryAccount {
  /** Infinity without a limit. */
  readonly limitBytes: number;
  readonly #device: string;
  readonly #free: () => number;
  #used = 0;

  /**
   * @param limitBytes defaults to none: then the driver decides
   * @param free bytes that the driver says are free; 0 where it does not know
   * @throws INVALID_ARGUMENT for a limit that is not above 0
   */
  constructor(device: string, limitBytes: number | undefined, free: () => number) {
    if (limitBytes !== undefined && !(limitBytes > 0)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `deviceBytes is ${limitBytes}: give a number of bytes above 0`);
    }
    this.#device = device;
    this.limitBytes = limitBytes ?? Number.POSITIVE_INFINITY;
    this.#free = free;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Counts what `attempt` allocates. @param attempt returns null when the device refuses @throws MODEL_TOO_LARGE */
  take<T>(bytes: number, what: string, attempt: () => T | null): T {
    const got = this.#used + bytes <= this.limitBytes ? attempt() : null;
    if (got === null) throw this.refusal(bytes, what);
    this.#used += bytes;
    return got;
  }

  /** Counts what was allocated already, if it is within the limit. @returns whether it is */
  count(bytes: number): boolean {
    if (this.#used + bytes > this.limitBytes) return false;
    this.#used += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
  }

  /** The error for so many bytes that cannot be had. @param what names them */
  refusal(bytes: number, what: string): BlockAttentionError {
    const over = this.#used + bytes - this.limitBytes;
    const free = this.#free();
    const missing = over > 0 ? over : free > 0 && free < bytes ? bytes - free : bytes;
    const state =
      over > 0
        ? `${this.#used} of the ${this.limitBytes} that deviceBytes allows are taken`
        : `${this.#used} are taken here, and its driver gives no more`;
    return new BlockAttentionError(
      'MODEL_TOO_LARGE',
      `${this.#device} has no ${bytes} bytes left for ${what}: ${state}: shorten the prompt or the answer, take kvType q8_0, lower poolBytes or kvBytes, or give the engine more of the device`,
      { cause: new Shortage(missing) },
    );
  }

  /** The error for memory that ended while a graph was computed. How much was missing is not known. */
  refusalWhileComputing(): BlockAttentionError {
    return new BlockAttentionError(
      'MODEL_TOO_LARGE',
      `${this.#device} ran out of memory while it computed, ${this.#used} bytes being taken here: shorten the prompt, or lower poolBytes or kvBytes`,
      { cause: new Shortage(0) },
    );
  }
}
