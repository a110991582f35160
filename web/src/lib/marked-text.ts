/** Texts in pieces: what is marked in a passage, and where an answer rests on which citation. */
import type { Citation } from '../api/types.ts';

export interface Piece {
  readonly text: string;
  readonly marked: boolean;
}

/** @param ranges half-open, in any order; may touch, overlap, or reach beyond the text */
export function markedPieces(text: string, ranges: readonly (readonly [number, number])[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  const add = (end: number, marked: boolean) => {
    if (end <= at) return;
    pieces.push({ text: text.slice(at, end), marked });
    at = end;
  };
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    add(Math.min(start, text.length), false);
    add(Math.min(end, text.length), true);
  }
  add(text.length, false);
  return pieces;
}

export interface CitedPiece {
  readonly text: string;
  /** Numbers of the citations that the text before them rests on. */
  readonly citations: readonly number[];
}

/** The answer, cut behind each range that rests on something. */
export function citedPieces(answer: string, citations: readonly Pick<Citation, 'index' | 'ranges'>[]): CitedPiece[] {
  const ends = new Map<number, number[]>();
  for (const { index, ranges } of citations) {
    for (const [, end] of ranges) {
      const place = Math.min(end, answer.length);
      ends.set(place, [...(ends.get(place) ?? []), index]);
    }
  }
  const pieces: CitedPiece[] = [];
  let at = 0;
  for (const [end, indexes] of [...ends].sort(([a], [b]) => a - b)) {
    pieces.push({ text: answer.slice(at, end), citations: indexes.sort((a, b) => a - b) });
    at = end;
  }
  if (at < answer.length || pieces.length === 0) pieces.push({ text: answer.slice(at), citations: [] });
  return pieces;
}
