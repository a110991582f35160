/**
 * Lines of a page of a PDF, put together from pieces of text and where they stand, in the order in which they are
 * written. Knows nothing of paragraphs.
 */

/** A run of words of a line without a wide gap. In points, from the page's left edge. */
export interface Segment {
  readonly text: string;
  readonly x: number;
  readonly right: number;
}

export interface Line {
  readonly text: string;
  /** Height of its glyphs, and of its baseline above the page's lower edge, in points. */
  readonly size: number;
  readonly y: number;
  /** At least one. */
  readonly segments: readonly Segment[];
}

/** A piece as PDF.js gives it. */
export interface TextItem {
  readonly str: string;
  readonly transform: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly hasEOL: boolean;
}

interface OpenLine {
  segments: { text: string; x: number; right: number }[];
  size: number;
  y: number;
}

/** Gaps beyond this many glyph heights part columns rather than words. */
const wideGap = 1.5;
/** Smaller glyphs beside the line's own are raised or lowered, up to this share of their height. */
const scriptSize = 0.85;

/** @param items text, and marks without text that structure a page */
export function linesOf(items: readonly Partial<TextItem>[]): Line[] {
  const lines: Line[] = [];
  let open: OpenLine | undefined;
  const flush = () => {
    const line = open && closeLine(open);
    if (line !== undefined) lines.push(line);
    open = undefined;
  };
  for (const { str, transform = [], width = 0, height = 0, hasEOL } of items) {
    if (str === undefined) continue;
    const [, , c = 0, d = 0, x = 0, y = 0] = transform;
    const size = Math.hypot(c, d) || height;
    if (open !== undefined && !isOnLine(open, x, y, size)) flush();
    if (str !== '') {
      open ??= { segments: [], size, y };
      if (size > open.size) raise(open, str, size, y);
      add(open, str, x, width, size);
    }
    if (hasEOL) flush();
  }
  flush();
  return lines;
}

/** A raised mark may begin the line: what follows it tells where the line stands. The mark of a note is not a part of a word. */
function raise(line: OpenLine, text: string, size: number, y: number): void {
  const [only, ...more] = line.segments;
  const note =
    more.length === 0 && only !== undefined && size * scriptSize >= line.size && /^[\d*†‡]+$/.test(only.text);
  if (note && /^\p{L}\p{Ll}/u.test(text)) only.text += ' ';
  line.size = size;
  line.y = y;
}

function isOnLine(line: OpenLine, x: number, y: number, size: number): boolean {
  const apart = Math.abs(line.y - y);
  if (apart <= Math.max(2, size / 2)) return true;
  const [small, large] = size < line.size ? [size, line.size] : [line.size, size];
  const near = Math.abs(x - (line.segments.at(-1)?.right ?? x)) < large;
  return near && small <= scriptSize * large && apart < 0.65 * large;
}

function add({ segments, size: lineSize }: OpenLine, text: string, x: number, width: number, size: number): void {
  const last = segments.at(-1);
  const gap = last === undefined ? 0 : x - last.right;
  const blank = text.trim() === '';
  if (last === undefined || gap > wideGap * lineSize) {
    if (!blank) segments.push({ text, x, right: x + width });
  } else if (blank) {
    // A wide one is not a space: it leaves the gap for the next piece to see.
    if (width <= wideGap * lineSize) Object.assign(last, { text: `${last.text} `, right: x + width });
  } else {
    last.text += (gap > size * 0.15 ? ' ' : '') + text;
    last.right = x + width;
  }
}

function closeLine({ segments, size, y }: OpenLine): Line | undefined {
  const clean = segments.map(({ text, x, right }) => ({ text: text.replaceAll(/\s+/g, ' ').trim(), x, right }));
  return lineOf(
    clean.filter(({ text }) => text !== ''),
    size,
    y,
  );
}

/** A line of these segments; undefined for none. */
export function lineOf(segments: readonly Segment[], size: number, y: number): Line | undefined {
  if (segments.length === 0) return undefined;
  return { text: segments.map(({ text }) => text).join(' '), size, y, segments };
}
