/**
 * Pages of a PDF to sections: a line that is set clearly larger than the body is a heading, a gap parts paragraphs. What
 * stands at the head or foot of most pages is left out.
 */
import type { Section, Unit } from '../document.ts';
import { closeSections, type OpenSection } from '../sections.ts';
import { inReadingOrder } from './pdf-columns.ts';
import { Hyphens } from './pdf-hyphens.ts';
import type { Line } from './pdf-lines.ts';

export interface Page {
  readonly lines: readonly Line[];
  /** What is filled in, a text per field. */
  readonly filled: readonly string[];
}

export function sectionsOf(pages: readonly Page[]): Section[] {
  const bodies = withoutRunningLines(pages.map(({ lines }) => lines)).map((lines) => inReadingOrder(lines));
  const size = bodySize(bodies.flat());
  const hyphens = new Hyphens(bodies.flat().map(({ text }) => text));
  const sections: OpenSection[] = [{ trail: [], units: [] }];
  const headings: { size: number; text: string }[] = [];
  for (const [index, lines] of bodies.entries()) {
    const unitOf = (text: string, start: number, end: number): Unit => {
      return { text, startLine: start + 1, endLine: end, page: index + 1, separator: '\n\n', cut: 'sentences' };
    };
    let start = 0;
    const flush = (end: number) => {
      const text = hyphens.join(lines.slice(start, end).map((line) => line.text));
      if (text !== '') sections.at(-1)?.units.push(unitOf(text, start, end));
      start = end;
    };
    for (const [i, line] of lines.entries()) {
      const before = lines[i - 1];
      if (line.size > size * 1.15 && line.text.length < 120 && isHeading(line.text)) {
        flush(i);
        start = i + 1;
        const open = sections.at(-1);
        const continued = before !== undefined && before.size === line.size && open?.units.length === 0;
        if (continued && headings.at(-1)?.size === line.size) sections.pop();
        else {
          while ((headings.at(-1)?.size ?? Number.POSITIVE_INFINITY) <= line.size * 1.05) headings.pop();
          headings.push({ size: line.size, text: '' });
        }
        const own = headings.at(-1) ?? { size: line.size, text: '' };
        const first = own.text === '' ? i : (open?.heading?.startLine ?? i + 1) - 1;
        own.text = `${own.text} ${line.text}`.trim();
        sections.push({ trail: headings.map(({ text }) => text), units: [], heading: unitOf(own.text, first, i + 1) });
      } else if (before !== undefined && i > start && startsParagraph(before, line)) {
        flush(i);
      }
    }
    flush(lines.length);
    const last = Math.max(1, lines.length);
    const filled = pages[index]?.filled.map((text) => ({ ...unitOf(text, last - 1, last), separator: '\n' })) ?? [];
    sections.at(-1)?.units.push(...filled);
  }
  return closeSections(sections);
}

/** Words, and no line of a table of contents. */
function isHeading(text: string): boolean {
  return /\p{L}/u.test(text) && !/(\. ?){4}/.test(text);
}

/** Without page numbers, and what stands at the head or foot of most pages. */
function withoutRunningLines(pages: readonly (readonly Line[])[]): Line[][] {
  const shape = (line: Line | undefined) => line?.text.replaceAll(/\d+|\b[ivxl]+\b/g, '#') ?? '';
  const counts = new Map<string, number>();
  for (const lines of pages) {
    for (const key of new Set([shape(lines[0]), shape(lines.at(-1))])) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const running = (line: Line | undefined) => {
    const key = shape(line);
    return key === '#' || (key !== '' && (counts.get(key) ?? 0) > Math.max(2, pages.length * 0.3));
  };
  return pages.map((lines) => {
    const from = running(lines[0]) ? 1 : 0;
    return lines.slice(from, lines.length > from && running(lines.at(-1)) ? -1 : undefined);
  });
}

/** A gap clearly larger than between lines of one paragraph, or a jump upwards to the next column. */
function startsParagraph(before: Line, line: Line): boolean {
  const gap = before.y - line.y;
  return gap > Math.max(before.size, line.size) * 1.6 || gap < -Math.max(before.size, line.size);
}

/** The size most characters are set in. */
function bodySize(lines: readonly Line[]): number {
  const counts = new Map<number, number>();
  for (const { size, text } of lines) {
    const rounded = Math.round(size * 2) / 2;
    counts.set(rounded, (counts.get(rounded) ?? 0) + text.length);
  }
  let best = 0;
  for (const [size, count] of counts) if (count > (counts.get(best) ?? 0)) best = size;
  return best;
}
