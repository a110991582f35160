/** One file's bytes to a document. Runs in the parsing process. */
import { decodeText } from './decode-text.ts';
import { type ParsedDocument, UnreadableFile } from './document.ts';
import { type FileType, fileType } from './file-types.ts';
import { declaredEncoding, parseHtml } from './html.ts';
import { parseMarkdown } from './markdown.ts';
import { parsePdf } from './pdf.ts';
import { parsePlainText } from './plain-text.ts';
import { parseSource } from './source.ts';
import { parseTable } from './table.ts';

/**
 * Parses a file.
 * @param name decides the format
 * @throws UnreadableFile with the reason, for a file that cannot be read or holds no text
 */
export async function parseDocument(bytes: Uint8Array, name: string): Promise<ParsedDocument> {
  const kind = fileType(name);
  if (kind === undefined) throw new UnreadableFile('its name has no extension of a readable format');
  const document = kind.type === 'pdf' ? await parsePdf(bytes) : await parseText(bytes, kind, name);
  if (!document.sections.some(({ units }) => units.length > 0)) throw new UnreadableFile('it holds no text');
  return document;
}

async function parseText(bytes: Uint8Array, { type, language }: FileType, name: string): Promise<ParsedDocument> {
  const declared = type === 'html' || /\.xml$/i.test(name) ? declaredEncoding(bytes) : undefined;
  const { text, encoding, notes } = decodeText(bytes, declared);
  const document = await parseAs(type, text, language);
  const read = encoding === 'utf-8' ? [] : [`read as ${encoding}`];
  return { ...document, notes: [...document.notes, ...read, ...notes] };
}

async function parseAs(type: FileType['type'], text: string, language?: string): Promise<ParsedDocument> {
  if (type === 'markdown') return parseMarkdown(text);
  if (type === 'html') return parseHtml(text);
  if (type === 'table') return parseTable(text);
  if (type === 'source') return parseSource(text, language);
  return parsePlainText(text);
}
