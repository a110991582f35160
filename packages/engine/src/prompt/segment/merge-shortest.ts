/**
 * Fewer pieces of the same text: the shortest is joined to its left neighbour until no more than the cap remain
 * (as the paper's released code does). Order and characters are unchanged.
 *
 * Works on lengths, in arrays of numbers: a text of megabytes can have as many pieces as characters.
 */
import { runAtOnce, sliceSteps, type Work } from './in-slices.ts';

/**
 * At most `cap` pieces. The first piece has no left neighbour and is joined to its right one. O(n log n).
 * `cap` is a positive integer.
 */
export function mergeShortest(texts: readonly string[], cap: number): string[] {
  if (texts.length <= cap) return [...texts];
  const whole = texts.join('');
  let from = 0;
  return runAtOnce(
    mergeLengths(
      Uint32Array.from(texts, ({ length }) => length),
      cap,
    ),
  ).map((length) => {
    from += length;
    return whole.slice(from - length, from);
  });
}

/** The lengths of the merged pieces, in order. @param lengths of the pieces; written to */
export function* mergeLengths(lengths: Uint32Array, cap: number): Work<number[]> {
  const count = lengths.length;
  const heap = new Heap(count, lengths);
  // Neighbours that are left; a piece that is gone has no length any more.
  const left = new Int32Array(count);
  const right = new Int32Array(count);
  const gone = new Uint8Array(count);
  for (let piece = 0; piece < count; piece++) {
    left[piece] = piece - 1;
    right[piece] = piece + 1 < count ? piece + 1 : -1;
    heap.push(piece);
    if (piece % sliceSteps === 0) yield;
  }
  for (let pieces = count, steps = 0; pieces > cap; steps++) {
    if (steps % sliceSteps === 0) yield;
    const piece = heap.pop();
    if (piece === undefined) break;
    if (gone[piece] === 1) continue;
    const before = left[piece] ?? -1;
    const [kept, joined] = before >= 0 ? [before, piece] : [piece, right[piece] ?? -1];
    if (joined < 0) break;
    lengths[kept] = (lengths[kept] ?? 0) + (lengths[joined] ?? 0);
    const after = right[joined] ?? -1;
    right[kept] = after;
    if (after >= 0) left[after] = kept;
    gone[joined] = 1;
    heap.push(kept);
    pieces -= 1;
  }
  const merged: number[] = [];
  for (let piece = 0; piece < count; piece++) {
    if (gone[piece] === 0) merged.push(lengths[piece] ?? 0);
    if (piece % sliceSteps === 0) yield;
  }
  return merged;
}

/** Pieces by length, the shortest first, the earlier of equals first. Entries of pieces that have grown are dropped. */
class Heap {
  readonly #pieces: Int32Array;
  readonly #lengths: Uint32Array;
  /** Lengths of the pieces as they are now. */
  readonly #current: Uint32Array;
  #size = 0;

  /** @param count of pieces: each enters once, and once more for each that is joined to another */
  constructor(count: number, current: Uint32Array) {
    this.#pieces = new Int32Array(2 * count);
    this.#lengths = new Uint32Array(2 * count);
    this.#current = current;
  }

  push(piece: number): void {
    const length = this.#current[piece] ?? 0;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#goesBefore(piece, length, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, piece, length);
  }

  pop(): number | undefined {
    while (this.#size > 0) {
      const piece = this.#pieces[0] ?? 0;
      const length = this.#lengths[0] ?? 0;
      this.#removeTop();
      if (length === this.#current[piece]) return piece;
    }
    return undefined;
  }

  #removeTop(): void {
    this.#size -= 1;
    // The last entry sinks from the top.
    const last = this.#size;
    const piece = this.#pieces[last] ?? 0;
    const length = this.#lengths[last] ?? 0;
    let at = 0;
    for (let child = 1; child < last; child = 2 * at + 1) {
      const other = child + 1;
      if (other < last && this.#goesBefore(this.#pieces[other] ?? 0, this.#lengths[other] ?? 0, child)) child = other;
      if (this.#goesBefore(piece, length, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, piece, length);
  }

  #goesBefore(piece: number, length: number, slot: number): boolean {
    const other = this.#lengths[slot] ?? 0;
    return length !== other ? length < other : piece < (this.#pieces[slot] ?? 0);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#pieces[from] ?? 0, this.#lengths[from] ?? 0);
  }

  #set(at: number, piece: number, length: number): void {
    this.#pieces[at] = piece;
    this.#lengths[at] = length;
  }
}
