/**
 * Documents to chunks: what becomes one block each.
 *
 * A chunk holds whole units of one section, as many as fit the target; no overlap. It depends on nothing but the title
 * trail and those units, so the same text always gives the same block, and a change in one section leaves the chunks
 * of others as they are. Within a long section, chunks past half the target also end where the text itself says so (a
 * hash of the next unit): after an insertion the old boundaries are met again soon.
 */
import { basename, extname } from 'node:path';
import type { DocumentType, ParsedDocument, Unit } from '../load/document.ts';
import { type CountTokens, cutUnit } from './cut-unit.ts';

/** Raised whenever the same file would give other chunks: an index made by an older version is made anew. */
export const chunkerVersion = 2;

/** Where in a chunk's text which lines of the file begin: `[offset, startLine, endLine]`, ascending. */
export type Span = readonly [offset: number, startLine: number, endLine: number];

export interface DraftChunk {
  readonly title: string;
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number | undefined;
  /** Tokens of the text, counted unit by unit. */
  readonly tokens: number;
  readonly spans: readonly Span[];
}

export interface ChunkOptions {
  /** Below the root, forward slashes. */
  readonly path: string;
  readonly type: DocumentType;
  readonly count: CountTokens;
  /** Most tokens of a chunk's text. */
  readonly targetTokens: number;
}

const trailSeparator = ' › ';
const longestHeading = 120;
const mostHeadings = 6;

export function chunkDocument(document: ParsedDocument, options: ChunkOptions): DraftChunk[] {
  const name = documentTitle(document, options);
  return document.sections.flatMap(({ trail, units }) => {
    const title = titleOf(name, trail);
    return pack(units, options).map((packed) => ({ title, ...packed }));
  });
}

/** Code is known by its path, everything else by its title or file name. */
function documentTitle({ title }: ParsedDocument, { path, type }: ChunkOptions): string {
  if (type === 'source' || type === 'table') return path;
  return title ?? basename(path, extname(path));
}

function titleOf(name: string, trail: readonly string[]): string {
  const headings = trail[0] === name ? trail : [name, ...trail];
  const clean = headings.map((heading) => heading.replaceAll(/\s+/g, ' ').trim().slice(0, longestHeading));
  const kept = clean.length <= mostHeadings ? clean : [...clean.slice(0, 2), ...clean.slice(2 - mostHeadings)];
  return kept.join(trailSeparator);
}

interface Weighed {
  readonly unit: Unit;
  readonly tokens: number;
}

function pack(units: readonly Unit[], { count, targetTokens }: ChunkOptions): Omit<DraftChunk, 'title'>[] {
  const chunks: Omit<DraftChunk, 'title'>[] = [];
  let open: Weighed[] = [];
  let header: string | undefined;
  let tokens = 0;
  const flush = () => {
    if (open.length > 0) chunks.push(join(open, header, tokens));
    open = [];
    tokens = 0;
  };
  for (const unit of units) {
    const headerTokens = unit.header === undefined ? 0 : count(unit.header);
    // A header that leaves no room is dropped rather than repeated.
    const own = headerTokens > targetTokens / 2 ? { ...unit, header: undefined } : unit;
    const room = targetTokens - (own.header === undefined ? 0 : headerTokens);
    for (const piece of cutUnit(own, room, count)) {
      const weight = count(piece.text);
      const full = tokens + weight > targetTokens;
      const anchored = tokens * 2 > targetTokens && isAnchor(piece.text);
      if (piece.header !== header || full || anchored) flush();
      if (open.length === 0) {
        header = piece.header;
        tokens = header === undefined ? 0 : headerTokens;
      }
      open.push({ unit: piece, tokens: weight });
      tokens += weight;
    }
  }
  flush();
  return chunks;
}

function join(parts: readonly Weighed[], header: string | undefined, tokens: number): Omit<DraftChunk, 'title'> {
  let text = header === undefined ? '' : `${header}\n`;
  const spans: Span[] = [];
  for (const [index, { unit }] of parts.entries()) {
    if (index > 0) text += unit.separator;
    spans.push([text.length, unit.startLine, unit.endLine]);
    text += unit.text;
  }
  const first = parts[0]?.unit;
  const [page, last] = [first?.page, parts.filter(({ unit }) => unit.page === first?.page)];
  return {
    text,
    startLine: first?.startLine ?? 1,
    endLine: Math.max(...last.map(({ unit }) => unit.endLine)),
    ...(page !== undefined && { page }),
    tokens,
    spans,
  };
}

/** One unit in four, whatever stands around it. */
function isAnchor(text: string): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return ((hash >>> 8) & 3) === 0;
}
