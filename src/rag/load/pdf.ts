/**
 * PDF by PDF.js: lines and paragraphs put together from the positions of text on each page.
 *
 * A line that is set clearly larger than the body is a heading. Pages without text (scans) are noted; a file of such
 * pages alone cannot be read. Runs in the parsing process: PDF.js on a hostile file may take any time and memory.
 */
import { getDocumentProxy } from 'unpdf';
import { type ParsedDocument, type Unit, UnreadableFile } from './document.ts';

interface Line {
  text: string;
  /** Height of its glyphs, and of its baseline above the page's lower edge, in points. */
  size: number;
  y: number;
}

const mostPages = 5000;

export async function parsePdf(bytes: Uint8Array): Promise<ParsedDocument> {
  if (!Buffer.from(bytes.subarray(0, 1024)).includes('%PDF-')) throw new UnreadableFile('it is no PDF');
  let document: Awaited<ReturnType<typeof getDocumentProxy>>;
  try {
    document = await getDocumentProxy(new Uint8Array(bytes), { isEvalSupported: false, verbosity: 0 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnreadableFile(/password/i.test(reason) ? 'it is encrypted with a password' : `it is damaged: ${reason}`);
  }
  const notes: string[] = [];
  const pages: Line[][] = [];
  const empty: number[] = [];
  const count = Math.min(document.numPages, mostPages);
  if (count < document.numPages) notes.push(`only the first ${mostPages} of ${document.numPages} pages are read`);
  for (let number = 1; number <= count; number++) {
    try {
      const page = await document.getPage(number);
      const { items } = await page.getTextContent();
      page.cleanup();
      const lines = linesOf(items as readonly Partial<TextItem>[]);
      pages.push(lines);
      if (lines.length === 0) empty.push(number);
    } catch (error) {
      pages.push([]);
      notes.push(`page ${number} is damaged: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const title = await titleOf(document);
  await document.destroy();
  if (pages.every((lines) => lines.length === 0)) {
    throw new UnreadableFile('it has no text: scanned pages need text recognition (OCR) first');
  }
  if (empty.length > 0) {
    notes.push(`${empty.length} of ${count} pages have no text (scanned?): ${empty.slice(0, 10).join(', ')}`);
  }
  return { title, sections: sectionsOf(withoutRunningLines(pages)), notes };
}

async function titleOf(document: Awaited<ReturnType<typeof getDocumentProxy>>): Promise<string | undefined> {
  const { info } = await document.getMetadata().catch(() => ({ info: {} }));
  const title = 'Title' in info && typeof info.Title === 'string' ? info.Title.trim() : '';
  // Word processors put file names there.
  return title === '' || /\.(docx?|indd|tex|pdf)$/i.test(title) ? undefined : title;
}

interface TextItem {
  readonly str: string;
  readonly transform: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly hasEOL: boolean;
}

/** @param items text, and marks without text that structure a page */
function linesOf(items: readonly Partial<TextItem>[]): Line[] {
  const lines: Line[] = [];
  let current: (Line & { right: number }) | undefined;
  const flush = () => {
    if (current !== undefined && current.text.trim() !== '') {
      lines.push({ text: current.text.replaceAll(/\s+/g, ' ').trim(), size: current.size, y: current.y });
    }
    current = undefined;
  };
  for (const item of items) {
    if (item.str === undefined) continue;
    const [, , c = 0, d = 0, x = 0, y = 0] = item.transform ?? [];
    const size = Math.hypot(c, d) || (item.height ?? 0);
    if (current !== undefined && Math.abs(current.y - y) > Math.max(2, size / 2)) flush();
    if (item.str !== '') {
      const gap = current !== undefined && x - current.right > size * 0.15 ? ' ' : '';
      current ??= { text: '', size, y, right: x };
      current.text += gap + item.str;
      current.size = Math.max(current.size, size);
      current.right = x + (item.width ?? 0);
    }
    if (item.hasEOL) flush();
  }
  flush();
  return lines;
}

function sectionsOf(pages: readonly (readonly Line[])[]): { trail: string[]; units: Unit[] }[] {
  const body = bodySize(pages.flat());
  const sections: { trail: string[]; units: Unit[] }[] = [{ trail: [], units: [] }];
  const headings: { size: number; text: string }[] = [];
  for (const [index, lines] of pages.entries()) {
    let start = 0;
    const flush = (end: number) => {
      const text = joinLines(lines.slice(start, end));
      if (text !== '') {
        const unit = { text, startLine: start + 1, endLine: end, page: index + 1, separator: '\n\n' };
        sections.at(-1)?.units.push({ ...unit, cut: 'sentences' });
      }
      start = end;
    };
    for (const [i, line] of lines.entries()) {
      const before = lines[i - 1];
      if (line.size > body * 1.15 && line.text.length < 120 && isHeading(line.text)) {
        flush(i);
        start = i + 1;
        const last = headings.at(-1);
        const continued = before !== undefined && before.size === line.size && sections.at(-1)?.units.length === 0;
        if (continued && last?.size === line.size)
          headings[headings.length - 1] = { ...last, text: `${last.text} ${line.text}` };
        else {
          while ((headings.at(-1)?.size ?? Number.POSITIVE_INFINITY) <= line.size * 1.05) headings.pop();
          headings.push({ size: line.size, text: line.text });
        }
        sections.push({ trail: headings.map(({ text }) => text), units: [] });
      } else if (before !== undefined && i > start && startsParagraph(before, line)) {
        flush(i);
      }
    }
    flush(lines.length);
  }
  return sections.filter(({ units }) => units.length > 0);
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

/** Lines to running text; a word divided at the end of a line becomes whole. */
function joinLines(lines: readonly Line[]): string {
  let text = '';
  for (const line of lines) {
    if (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line.text)) text = text.slice(0, -1) + line.text;
    else text += (text === '' ? '' : ' ') + line.text;
  }
  return text.trim();
}
