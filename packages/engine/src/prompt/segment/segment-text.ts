/**
 * Free text to blocks, by the paper's rule of block segmentation: the first kind of delimiter that occurs splits the
 * text, once.
 *
 * Kinds in order: blank line, `---` (3+), `===` (3+), line break + tab, line break. A delimiter stays at the end of the
 * piece before it, so the pieces joined are the text. One at the very start or end separates nothing and does not
 * count. Then the shortest pieces are merged until the cap holds.
 *
 * Delimiters are looked for by hand: a regular expression that repeats a group ends with an error on a long run.
 */
import { BlockAttentionError } from '../../errors.ts';
import { runAtOnce, runInSlices, sliceSteps, type Work } from './in-slices.ts';
import { mergeLengths } from './merge-shortest.ts';

/** The cap of the paper's released code. */
export const defaultMaxBlocks = 15;

/** Where a delimiter stands: [start, end). */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** The first delimiter of its kind at or behind an index. */
type Find = (text: string, from: number) => Span | undefined;

const delimiters: readonly Find[] = [blankLines, run('---', '-'), run('===', '='), plain('\n\t'), plain('\n')];

/**
 * The text in pieces, none without a visible character unless the whole text is. An empty text has none.
 * @param maxBlocks a positive integer. Defaults to 15.
 * @throws INVALID_ARGUMENT when it is not.
 */
export function segmentText(text: string, maxBlocks = defaultMaxBlocks): string[] {
  return runAtOnce(segmentation(text, maxBlocks));
}

/** The same, letting the event loop go on: a text of megabytes can have millions of delimiters. */
export function segmentTextAside(text: string, maxBlocks = defaultMaxBlocks): Promise<string[]> {
  return runInSlices(segmentation(text, maxBlocks));
}

function* segmentation(text: string, maxBlocks: number): Work<string[]> {
  requireMaxBlocks(maxBlocks);
  if (text === '') return [];
  for (const find of delimiters) {
    const lengths = yield* pieceLengths(text, find);
    if (lengths.length === 1) continue;
    const merged = lengths.length <= maxBlocks ? lengths : yield* mergeLengths(new Uint32Array(lengths), maxBlocks);
    let from = 0;
    return Array.from(merged, (length) => {
      from += length;
      return text.slice(from - length, from);
    });
  }
  return [text];
}

/** @throws INVALID_ARGUMENT unless it is a positive integer. */
export function requireMaxBlocks(maxBlocks: number): void {
  if (!Number.isInteger(maxBlocks) || maxBlocks < 1) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxBlocks is ${maxBlocks}: give a positive integer`);
  }
}

/** Lengths of the pieces behind each delimiter that has something visible on both sides. */
function* pieceLengths(text: string, find: Find): Work<number[]> {
  const lengths: number[] = [];
  let from = 0;
  let scanned = 0;
  let visible = false;
  let steps = 0;
  for (let span = find(text, 0); span !== undefined; span = find(text, span.end)) {
    if (++steps % sliceSteps === 0) yield;
    visible ||= text.slice(scanned, span.start).trim() !== '';
    scanned = span.end;
    if (visible) lengths.push(scanned - from);
    else if (lengths.length > 0) lengths.push((lengths.pop() ?? 0) + scanned - from);
    else continue;
    from = scanned;
    visible = false;
  }
  const rest = text.length - from;
  if (lengths.length === 0 || text.slice(scanned).trim() !== '') lengths.push(rest);
  else lengths.push((lengths.pop() ?? 0) + rest);
  return lengths;
}

/** Line breaks with nothing but blanks between them, as many as follow each other. */
function blankLines(text: string, from: number): Span | undefined {
  for (let first = text.indexOf('\n', from); first >= 0; first = text.indexOf('\n', first + 1)) {
    let end = first + 1;
    for (let next = breakBehind(text, end); next !== undefined; next = breakBehind(text, end)) end = next;
    const start = first > from && text[first - 1] === '\r' ? first - 1 : first;
    if (end > first + 1) return { start, end };
  }
  return undefined;
}

/** Where the line break behind blanks ends; undefined when something else follows them. */
function breakBehind(text: string, from: number): number | undefined {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  if (text[at] === '\r' && text[at + 1] === '\n') return at + 2;
  return text[at] === '\n' ? at + 1 : undefined;
}

/** A mark of three or more of one character. */
function run(least: string, character: string): Find {
  return (text, from) => {
    const start = text.indexOf(least, from);
    if (start < 0) return undefined;
    let end = start + least.length;
    while (text[end] === character) end += 1;
    return { start, end };
  };
}

function plain(delimiter: string): Find {
  return (text, from) => {
    const start = text.indexOf(delimiter, from);
    return start < 0 ? undefined : { start, end: start + delimiter.length };
  };
}
