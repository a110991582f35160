/**
 * The texts of a vocabulary as they lie in a GGUF file, with a hash table over them: a set of 262,144 byte strings in
 * milliseconds, also in code that runs for the first time. Strings would take ten times as long.
 */

/** What libllama calls a token without text. */
const nameOfEmpty = (id: number) => `[EMPTY_${id}]`;

export class TokenTexts {
  /** The first token whose text an earlier one has. */
  readonly repeated: number | undefined;
  /** The first token whose text holds a NUL, at which libllama ends it. */
  readonly cut: number | undefined;
  /** Bytes of the longest text. */
  readonly longestBytes: number;
  readonly #bytes: Uint8Array;
  /** Where each text starts; it ends eight bytes before the next. */
  readonly #starts: Uint32Array;
  /** Number of a text plus one, at its hash or after it; 0 is free. A power of two, at most half full. */
  readonly #table: Int32Array;

  /** @param bytes `count` strings, each a length in eight bytes of which the upper four are zero, then its bytes */
  constructor(bytes: Uint8Array, count: number) {
    const starts = new Uint32Array(count + 1);
    let size = 16;
    while (size < 2 * count) size *= 2;
    const table = new Int32Array(size);
    const empty: number[] = [];
    this.#bytes = bytes;
    this.#starts = starts;
    this.#table = table;
    this.repeated = fill(bytes, starts, table, empty);
    this.cut = this.repeated === undefined ? firstWithNul(bytes, starts) : undefined;
    this.longestBytes = longestOf(starts);
    if (this.repeated !== undefined) return;
    // Other tokens may be called what one without text is called.
    this.repeated = empty.find((id) => this.has(Buffer.from(nameOfEmpty(id))));
  }

  has(text: Uint8Array): boolean {
    const mask = this.#table.length - 1;
    let slot = hash(text, 0, text.length) & mask;
    for (let number = this.#table[slot] ?? 0; number !== 0; number = this.#table[slot] ?? 0) {
      const start = this.#starts[number - 1] ?? 0;
      const end = (this.#starts[number] ?? 0) - 8;
      if (end - start === text.length && equal(this.#bytes, start, text, 0, text.length)) return true;
      slot = (slot + 1) & mask;
    }
    return false;
  }
}

/** Puts every text into the table. @returns the first that is there already */
function fill(bytes: Uint8Array, starts: Uint32Array, table: Int32Array, empty: number[]): number | undefined {
  const mask = table.length - 1;
  const count = starts.length - 1;
  let at = 8;
  for (let id = 0; id < count; id++) {
    const length = u32(bytes, at - 8);
    starts[id] = at;
    starts[id + 1] = at + length + 8;
    if (length === 0) empty.push(id);
    else {
      let slot = hash(bytes, at, at + length) & mask;
      for (let number = table[slot] ?? 0; number !== 0; number = table[slot] ?? 0) {
        const start = starts[number - 1] ?? 0;
        const same = (starts[number] ?? 0) - 8 - start === length;
        if (same && equal(bytes, start, bytes, at, length)) return id;
        slot = (slot + 1) & mask;
      }
      table[slot] = id + 1;
    }
    at += length + 8;
  }
  return undefined;
}

function longestOf(starts: Uint32Array): number {
  let longest = 0;
  for (let id = 0; id + 1 < starts.length; id++)
    longest = Math.max(longest, (starts[id + 1] ?? 0) - (starts[id] ?? 0) - 8);
  return longest;
}

function firstWithNul(bytes: Uint8Array, starts: Uint32Array): number | undefined {
  for (let id = 0; id + 1 < starts.length; id++) {
    const end = (starts[id + 1] ?? 0) - 8;
    for (let at = starts[id] ?? 0; at < end; at++) if (bytes[at] === 0) return id;
  }
  return undefined;
}

/** FNV-1a, its upper bits mixed into those that are used. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i++) value = Math.imul(value ^ (bytes[i] ?? 0), 0x01000193);
  return value ^ (value >>> 15);
}

function equal(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}

function u32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return low + (bytes[at + 3] ?? 0) * 2 ** 24;
}
