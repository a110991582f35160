/** What questions that are made from documents take out of them. */
import type { Passage } from '../../prompt/index.ts';

/** The last heading of a title; empty where there is none. */
export function headingOf({ title }: Passage): string {
  return title?.split(' › ').at(-1)?.trim() ?? '';
}

export function isWorded(text: string): boolean {
  return /\p{L}/u.test(text);
}

/** In quotation marks, in one line, cut at a word. @param longest in characters */
export function quoted(text: string, longest: number): string {
  const characters = Array.from(text.replace(/\s+/gu, ' '));
  return characters.length <= longest ? `“${characters.join('')}”` : quotedStart(characters, longest);
}

/** The first `length` characters and a mark that more follows. */
export function quotedStart(characters: readonly string[], length: number): string {
  return `“${characters
    .slice(0, length)
    .join('')
    .replace(/\s\S*$/u, '')} …”`;
}

/** Ids name files of this machine, and are not part of the prompt. */
export function withoutId(passage: Passage): Passage {
  const { id: _, ...rest } = passage;
  return rest;
}
