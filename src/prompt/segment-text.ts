/**
 * Free text to blocks, by the paper's rule of block segmentation: the first kind of delimiter that occurs splits the
 * text, once.
 *
 * Kinds in order: blank line, `---` (3+), `===` (3+), line break + tab, line break. A delimiter stays at the end of the
 * piece before it, so the pieces joined are the text. One at the very start or end separates nothing and does not
 * count. Then the shortest pieces are merged until the cap holds.
 */
import { BlockAttentionError } from '../errors.ts';
import { mergeShortest } from './merge-shortest.ts';

/** The cap of the paper's released code. */
export const defaultMaxBlocks = 15;

const delimiters: readonly RegExp[] = [/(?:\r?\n[ \t]*(?=\r?\n))+\r?\n/g, /-{3,}/g, /={3,}/g, /\n\t/g, /\n/g];

/**
 * The text in pieces, none without a visible character unless the whole text is. An empty text has none.
 * @param maxBlocks a positive integer. Defaults to 15.
 * @throws INVALID_ARGUMENT when it is not.
 */
export function segmentText(text: string, maxBlocks = defaultMaxBlocks): string[] {
  requireMaxBlocks(maxBlocks);
  if (text === '') return [];
  for (const delimiter of delimiters) {
    const pieces = splitAfter(text, delimiter);
    if (pieces.length > 1) return mergeShortest(pieces, maxBlocks);
  }
  return [text];
}

/** @throws INVALID_ARGUMENT unless it is a positive integer. */
export function requireMaxBlocks(maxBlocks: number): void {
  if (!Number.isInteger(maxBlocks) || maxBlocks < 1) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxBlocks is ${maxBlocks}: give a positive integer`);
  }
}

/** Cuts behind each delimiter that has something visible on both sides. */
function splitAfter(text: string, delimiter: RegExp): string[] {
  const pieces: string[] = [];
  let from = 0;
  let scanned = 0;
  let visible = false;
  for (const match of text.matchAll(delimiter)) {
    visible ||= text.slice(scanned, match.index).trim() !== '';
    scanned = match.index + match[0].length;
    if (visible) pieces.push(text.slice(from, scanned));
    else if (pieces.length > 0) pieces.push((pieces.pop() ?? '') + text.slice(from, scanned));
    else continue;
    from = scanned;
    visible = false;
  }
  const rest = text.slice(from);
  if (pieces.length === 0 || text.slice(scanned).trim() !== '') pieces.push(rest);
  else pieces.push((pieces.pop() ?? '') + rest);
  return pieces;
}
