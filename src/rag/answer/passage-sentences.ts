/** Passages as sentences, each with its words and numbers and the lines it stands in. */
import type { SearchHit } from '../types.ts';
import { normalize } from '../words/normalize.ts';
import type { Words } from '../words/words.ts';

export interface Sentence {
  readonly text: string;
  /** Half-open range of the passage's text. */
  readonly range: readonly [start: number, end: number];
  readonly words: ReadonlySet<string>;
  readonly numbers: ReadonlySet<string>;
  /** Lines of the unit it belongs to. */
  readonly startLine: number;
  readonly endLine: number;
}

export interface CutPassage {
  readonly hit: SearchHit;
  readonly title: ReadonlySet<string>;
  readonly titleNumbers: ReadonlySet<string>;
  /** Of path, title and text. */
  readonly words: ReadonlySet<string>;
  readonly sentences: readonly Sentence[];
}

export function cutPassage(hit: SearchHit, words: Words): CutPassage {
  const { chunk } = hit;
  const sentences: Sentence[] = [];
  const spans = chunk.spans.length > 0 ? chunk.spans : [[0, chunk.startLine, chunk.endLine] as const];
  // A header that stands above the units belongs to none.
  const first = spans[0]?.[0] ?? 0;
  const parts = first > 0 ? [[0, chunk.startLine, chunk.endLine] as const, ...spans] : spans;
  for (const [index, [offset, startLine, endLine]] of parts.entries()) {
    for (const [from, to] of sentenceRanges(chunk.text.slice(offset, parts[index + 1]?.[0]))) {
      const range = [offset + from, offset + to] as const;
      const text = chunk.text.slice(...range);
      const found = { words: new Set(words.all(text)), numbers: new Set(numbersOf(text)) };
      sentences.push({ text, range, ...found, startLine, endLine });
    }
  }
  const title = new Set(words.all(chunk.title));
  const titleNumbers = new Set(numbersOf(chunk.title));
  return {
    hit,
    title,
    titleNumbers,
    words: new Set([...words.all(chunk.path), ...title, ...sentences.flatMap((one) => [...one.words])]),
    sentences,
  };
}

/** Half-open ranges of the sentences and lines of a text, white space around them left out. */
export function sentenceRanges(text: string): [number, number][] {
  const ranges: [number, number][] = [];
  for (const { 0: piece, index } of text.matchAll(/[^\n]+?(?:[.!?…]+["'”’)\]]*(?=\s|$)|[。！？]+|(?=\n)|$)/gu)) {
    const lead = piece.length - piece.trimStart().length;
    if (piece.trim() !== '') ranges.push([index + lead, index + piece.trimEnd().length]);
  }
  return ranges;
}

/** Numbers as written, without marks between thousands: 69,197 and 69197 are one, 2.5 is not 2 and 5. */
export function numbersOf(text: string): string[] {
  const found = normalize(text).match(/\d+(?:[.,:'’]\d+)*/g) ?? [];
  return found.map((number) =>
    /^\d{1,3}([.,'’])\d{3}(?:\1\d{3})*$/.test(number) ? number.replaceAll(/\D/g, '') : number,
  );
}
