/**
 * Documents to chunks: what becomes one block each.
 *
 * A chunk holds whole units of one section, as many as fit the target; no overlap. A table stays with the sentences
 * around it, and each of its rows says what its columns are, or stands below their names. A chunk depends on nothing but the title
 * trail and those units, so the same text always gives the same block, and a change in one section leaves the chunks
 * of others as they are. Within a section that is too long for one, chunks past half the target also end where the text itself says so (a
 * hash of the next unit): after an insertion the old boundaries are met again soon.
 */
import { basename, extname } from 'node:path';
import type { DocumentType, ParsedDocument, Unit } from '../load/document.ts';
import { type CountTokens, cutUnit } from './cut-unit.ts';
import { defaultTables, type TableForm, withTables } from './tables.ts';

/** Raised whenever the same file would give other chunks: an index made by an older version is made again. */
export const chunkerVersion = 5;

/** Where in a chunk's text which lines of the file begin: `[offset, startLine, endLine]`, ascending. */
export type Span = readonly [offset: number, startLine: number, endLine: number];

export interface DraftChunk {
  readonly title: string;
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number | undefined;
  readonly place?: string | undefined;
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
  /** How rows of tables stand in a chunk. Defaults to `defaultTables`. */
  readonly tables?: TableForm | undefined;
  /** Told what is odd about how it was cut, a sentence each. */
  readonly onNote?: ((note: string) => void) | undefined;
}

const trailSeparator = ' › ';
const longestHeading = 120;
const mostHeadings = 6;
const longestPlace = 60;

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

function pack(
  units: readonly Unit[],
  { count, targetTokens, tables = defaultTables, onNote }: ChunkOptions,
): Omit<DraftChunk, 'title'>[] {
  const chunks: Omit<DraftChunk, 'title'>[] = [];
  const pieces = [...withTables(units, { tables, count, targetTokens, onNote })].flatMap((own) => {
    const headerTokens = own.header === undefined ? 0 : count(own.header);
    const room = targetTokens - headerTokens;
    return cutUnit(own, room, count).map((unit) => ({ unit, headerTokens, tokens: count(unit.text) }));
  });
  const ofHeader = (at: number, before: number) => {
    const [piece, last] = [pieces[at], pieces[before]];
    return piece === undefined || piece.unit.header === last?.unit.header ? 0 : piece.headerTokens;
  };
  const all = pieces.reduce((sum, { tokens }, at) => sum + tokens + ofHeader(at, at - 1), 0);
  let open: Unit[] = [];
  let tokens = 0;
  const flush = () => {
    if (open.length > 0) chunks.push(join(open, tokens));
    open = [];
    tokens = 0;
  };
  for (const [at, { unit, headerTokens, tokens: own }] of pieces.entries()) {
    const weight = own + ofHeader(at, at - 1);
    const full = tokens + weight > targetTokens;
    const anchored = all > targetTokens && tokens * 2 > targetTokens && isAnchor(unit.text);
    if (full || anchored) flush();
    tokens += open.length === 0 ? own + headerTokens : weight;
    open.push(unit);
  }
  flush();
  return chunks;
}

function join(parts: readonly Unit[], tokens: number): Omit<DraftChunk, 'title'> {
  let text = '';
  const spans: Span[] = [];
  for (const [index, unit] of parts.entries()) {
    const header = unit.header === parts[index - 1]?.header ? undefined : unit.header;
    if (index > 0) text += header === undefined ? unit.separator : '\n\n';
    // Above everything it belongs to no unit; below others it is not part of what stands before it.
    if (index > 0 && header !== undefined) spans.push([text.length, unit.startLine, unit.endLine]);
    if (header !== undefined) text += `${header}\n`;
    spans.push([text.length, unit.startLine, unit.endLine]);
    text += unit.text;
  }
  const first = parts[0];
  const { page, place } = first ?? {};
  const last = parts.filter((unit) => unit.page === page && unit.place === place);
  return {
    text,
    startLine: first?.startLine ?? 1,
    endLine: Math.max(...last.map(({ endLine }) => endLine)),
    ...(page !== undefined && { page }),
    ...(place !== undefined && { place: placeName(place) }),
    tokens,
    spans,
  };
}

/** Fit to stand in the name of a source. */
function placeName(place: string): string {
  const name = place.replaceAll(/[\s:]+/g, ' ').trim();
  return name.length <= longestPlace ? name : `${name.slice(0, longestPlace - 1).trimEnd()}…`;
}

/** One unit in four, whatever stands around it. */
function isAnchor(text: string): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return ((hash >>> 8) & 3) === 0;
}
