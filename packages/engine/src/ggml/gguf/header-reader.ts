/**
 * Walks the header of a GGUF file from its start, reading ahead in pieces. Nothing the header claims is trusted with
 * memory or time beyond what the file holds.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { BlockAttentionError } from '../../errors.ts';

/** Bytes of GGUF's value types by number; strings and arrays have none. */
const valueBytes: readonly (number | undefined)[] = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
export const stringType = 8;
export const arrayType = 9;

export class HeaderReader {
  readonly #path: string;
  readonly #fd: number;
  #window = Buffer.alloc(0);
  /** Position in the window, and of the window's end in the file. */
  #at = 0;
  #end = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  u32(): number {
    const start = this.#take(4);
    return this.#window.readUInt32LE(start);
  }

  u64(): number {
    const start = this.#take(8);
    const high = this.#window.readUInt32LE(start + 4);
    if (high >= 1 << 21) throw this.#damaged();
    return high * 2 ** 32 + this.#window.readUInt32LE(start);
  }

  /** One character per byte. @param length in bytes; read from the file unless given */
  string(length: number = this.u64()): string {
    const start = this.#take(length);
    return this.#window.toString('latin1', start, start + length);
  }

  /** An array of strings as it lies in the file: each a length in eight bytes, then its bytes. */
  strings(): { readonly bytes: Uint8Array; readonly count: number } {
    const type = this.u32();
    const count = this.u64();
    if (type !== stringType) throw this.#damaged();
    const start = this.#position;
    this.#skipStrings(count);
    const length = this.#position - start;
    if (this.#position > fstatSync(this.#fd).size) throw this.#damaged();
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#fd, bytes, 0, length, start) < length) throw this.#damaged();
    return { bytes, count };
  }

  skipValue(type: number): void {
    const size = valueBytes[type];
    if (size !== undefined) this.#skip(size);
    else if (type === stringType) this.#skip(this.u64());
    else if (type === arrayType) this.#skipArray();
    else throw this.#damaged();
  }

  #skipArray(): void {
    const type = this.u32();
    const count = this.u64();
    const size = valueBytes[type];
    if (size !== undefined) this.#skip(size * count);
    else if (type !== stringType) throw this.#damaged();
    else this.#skipStrings(count);
  }

  /** Vocabularies have hundreds of thousands: what lies in the window is walked without a call. */
  #skipStrings(count: number): void {
    let left = count;
    while (left > 0) {
      const window = this.#window;
      let at = this.#at;
      for (; left > 0 && at + 8 <= window.length; left--) {
        const low = (window[at] ?? 0) | ((window[at + 1] ?? 0) << 8) | ((window[at + 2] ?? 0) << 16);
        // No text has 16 MiB.
        if (window[at + 3] !== 0 || window.readUInt32LE(at + 4) !== 0) throw this.#damaged();
        if (at + 8 + low > window.length) break;
        at += 8 + low;
      }
      this.#at = at;
      if (left === 0) return;
      this.#skip(this.u64());
      left--;
    }
  }

  /** Where in the file the next value lies. */
  get #position(): number {
    return this.#end - this.#window.length + this.#at;
  }

  #skip(count: number): void {
    const ahead = this.#window.length - this.#at;
    if (count <= ahead) {
      this.#at += count;
      return;
    }
    this.#end += count - ahead;
    if (!Number.isSafeInteger(this.#end)) throw this.#damaged();
    this.#window = Buffer.alloc(0);
    this.#at = 0;
  }

  /** Makes `count` bytes available; returns where they start in the window. */
  #take(count: number): number {
    const ahead = this.#window.length - this.#at;
    if (count > ahead) {
      // A length that a damaged header claims is not trusted with memory.
      if (count > 1 << 26) throw this.#damaged();
      const next = Buffer.allocUnsafe(Math.max(count - ahead, 1 << 20));
      const read = readSync(this.#fd, next, 0, next.length, this.#end);
      if (read < count - ahead) throw this.#damaged();
      this.#end += read;
      const fresh = next.subarray(0, read);
      this.#window = ahead === 0 ? fresh : Buffer.concat([this.#window.subarray(this.#at), fresh]);
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += count;
    return start;
  }

  #damaged(): BlockAttentionError {
    return new BlockAttentionError(
      'MODEL_INVALID',
      `${this.#path}: the GGUF header is damaged near byte ${this.#position}: download it again`,
    );
  }
}
