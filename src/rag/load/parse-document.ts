/** One file's bytes to a document. Runs in the parsing process. */
import { extname } from 'node:path';
import { decodeText } from './decode-text.ts';
import { type ParsedDocument, UnreadableFile } from './document.ts';
import { type FileType, fileType } from './file-types.ts';
import { declaredEncoding, parseHtml } from './markup/html.ts';
import { parseMarkdown } from './markup/markdown.ts';
import type { OcrSettings } from './ocr-engine.ts';
import { parseDocx } from './office/docx.ts';
import { parseEpub } from './office/epub.ts';
import { parseJsonLines } from './office/json-lines.ts';
import { parseMail } from './office/mail.ts';
import { parseNotebook } from './office/notebook.ts';
import { parsePptx } from './office/pptx.ts';
import { parseRtf } from './office/rtf.ts';
import { parseXlsx } from './office/xlsx.ts';
import { parsePdf } from './pdf/pdf.ts';
import { parsePlainText } from './plain-text.ts';
import { parseSource } from './source.ts';
import { parseTable } from './table.ts';

export interface ParseOptions {
  /** Recognises text in pages of PDFs that have none. Defaults to no recognition. */
  readonly ocr?: OcrSettings | undefined;
}

/**
 * Parses a file.
 * @param name decides the format
 * @throws UnreadableFile with the reason, for a file that cannot be read or holds no text
 */
export function parseDocument(bytes: Uint8Array, name: string, options: ParseOptions = {}): Promise<ParsedDocument> {
  return parseAt(bytes, name, options, 0);
}

/** @param depth mails that the file is attached within */
async function parseAt(bytes: Uint8Array, name: string, options: ParseOptions, depth: number): Promise<ParsedDocument> {
  const kind = fileType(name);
  if (kind === undefined) throw new UnreadableFile('its name has no extension of a readable format', 'UNSUPPORTED');
  if (bytes.byteLength === 0) throw new UnreadableFile('it is empty', 'EMPTY');
  const document = (await parseBinary(bytes, kind, { name, options, depth })) ?? (await parseText(bytes, kind, name));
  if (document.sections.some(({ units }) => units.length > 0)) return document;
  throw new UnreadableFile(['it holds no text', ...document.notes].join('; '), 'EMPTY');
}

/** Formats that are more than text; undefined for those that are text. */
async function parseBinary(
  bytes: Uint8Array,
  { type }: FileType,
  { name, options, depth }: { readonly name: string; readonly options: ParseOptions; readonly depth: number },
): Promise<ParsedDocument | undefined> {
  if (type === 'pdf') return parsePdf(bytes, options);
  if (type === 'word') return /\.rtf$/i.test(name) ? parseRtf(bytes) : parseDocx(bytes);
  if (type === 'slides') return parsePptx(bytes);
  if (type === 'sheet') return parseXlsx(bytes);
  if (type === 'book') return parseEpub(bytes);
  const attached = (part: Uint8Array, its: string, below: number) => parseAt(part, its, options, below);
  return type === 'mail' ? parseMail(bytes, attached, depth) : undefined;
}

async function parseText(bytes: Uint8Array, kind: FileType, name: string): Promise<ParsedDocument> {
  const declared = kind.type === 'html' || /\.xml$/i.test(name) ? declaredEncoding(bytes) : undefined;
  const { text, encoding, notes } = decodeText(bytes, declared);
  const document = await parseAs(kind, text, extname(name).toLowerCase());
  const read = encoding === 'utf-8' ? [] : [`read as ${encoding}`];
  return { ...document, notes: [...document.notes, ...read, ...notes] };
}

async function parseAs({ type, language }: FileType, text: string, extension: string): Promise<ParsedDocument> {
  if (type === 'markdown') return parseMarkdown(text);
  if (type === 'html') return parseHtml(text);
  if (type === 'notebook') return parseNotebook(text);
  if (type === 'table') return /^\.(jsonl|ndjson)$/.test(extension) ? parseJsonLines(text) : parseTable(text);
  if (type === 'source') return parseSource(text, language);
  return parsePlainText(text);
}
