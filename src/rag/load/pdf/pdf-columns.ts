/**
 * Columns of text that a PDF writes row by row, put one after the other.
 *
 * A table has gaps as well, and must keep its rows: columns are taken apart only where both sides read on from line to
 * line and fill their width.
 */
import { type Line, lineOf } from './pdf-lines.ts';

const fewestRows = 4;
/** Of the lines of a column after its first: so many go on with a small letter, or in a script without them. */
const readingOn = 0.4;
/** Of the lines of a column: so many reach this share of its width. */
const [filledLines, filledWidth] = [0.5, 0.7];
const fewestWords = 2.5;
const deepest = 3;

/** The lines in reading order. */
export function inReadingOrder(lines: readonly Line[], depth = 0): Line[] {
  const gutter = depth < deepest ? widestGutter(lines) : undefined;
  if (gutter === undefined) return [...lines];
  const sides = lines.map((line) => sidesOf(line, gutter));
  const both = (index: number) => sides[index]?.left !== undefined && sides[index]?.right !== undefined;
  const first = lines.findIndex((_, index) => both(index));
  let end = first;
  while (end < lines.length && sides[end] !== undefined && (end <= first || isNextRow(lines[end - 1], lines[end])))
    end += 1;
  const left = sides.slice(first, end).flatMap((side) => side?.left ?? []);
  const right = sides.slice(first, end).flatMap((side) => side?.right ?? []);
  const before = lines.slice(0, first);
  if (!isColumn(left) || !isColumn(right)) {
    // A table, say; columns may follow it.
    const rest = Math.max(end, first + 1);
    return [...lines.slice(0, rest), ...inReadingOrder(lines.slice(rest), depth + 1)];
  }
  return [
    ...before,
    ...inReadingOrder(left, depth + 1),
    ...inReadingOrder(right, depth + 1),
    ...inReadingOrder(lines.slice(end), depth),
  ];
}

/** Where the gaps of most lines have a place in common. */
function widestGutter(lines: readonly Line[]): number | undefined {
  const edges: [x: number, step: 1 | -1][] = [];
  for (const { segments } of lines) {
    for (const [index, { x }] of segments.entries()) {
      const before = segments[index - 1];
      if (before !== undefined && before.right < x) edges.push([before.right, 1], [x, -1]);
    }
  }
  edges.sort(([a, stepA], [b, stepB]) => a - b || stepA - stepB);
  let open = 0;
  let most = 0;
  let place: number | undefined;
  for (const [index, [x, step]] of edges.entries()) {
    open += step;
    if (step !== 1 || open <= most) continue;
    most = open;
    place = (x + (edges[index + 1]?.[0] ?? x)) / 2;
  }
  return most >= fewestRows ? place : undefined;
}

interface Sides {
  readonly left: Line | undefined;
  readonly right: Line | undefined;
}

/** What of a line stands on either side; undefined when it runs across. */
function sidesOf({ segments, size, y }: Line, gutter: number): Sides | undefined {
  if (segments.some(({ x, right }) => x < gutter && right > gutter)) return undefined;
  const side = (left: boolean) =>
    lineOf(
      segments.filter(({ x }) => x < gutter === left),
      size,
      y,
    );
  return { left: side(true), right: side(false) };
}

/** Below the line before, and no further than a paragraph. */
function isNextRow(before: Line | undefined, line: Line | undefined): boolean {
  if (before === undefined || line === undefined) return false;
  const gap = before.y - line.y;
  return gap > -1 && gap < 3 * Math.max(before.size, line.size);
}

function isColumn(lines: readonly Line[]): boolean {
  if (lines.length < fewestRows) return false;
  const share = (list: readonly Line[], test: (line: Line) => boolean) => list.filter(test).length / list.length;
  const words = lines.reduce((sum, { text }) => sum + wordsIn(text), 0) / lines.length;
  const start = Math.min(...lines.map(({ segments }) => segments[0]?.x ?? 0));
  const width = Math.max(...lines.map(({ segments }) => segments.at(-1)?.right ?? 0)) - start;
  const filled = ({ segments }: Line) => (segments.at(-1)?.right ?? 0) - start >= filledWidth * width;
  return (
    words >= fewestWords &&
    share(lines.slice(1), ({ text }) => /^[\p{Ll}\p{Lo}]/u.test(text)) >= readingOn &&
    share(lines, filled) >= filledLines
  );
}

/** Words, or two characters of a script without spaces. */
function wordsIn(text: string): number {
  return text.split(' ').length + (text.match(/\p{Lo}/gu)?.length ?? 0) / 2;
}
