/**
 * PDF by PDF.js: its pages' pieces of text, and what is filled in on them.
 *
 * Pages without text (scans) are noted, or recognised where that is asked for, and so is text in fonts that cannot be read; a file of nothing else cannot be
 * read. Runs in the parsing process: PDF.js on a hostile file may take any time and memory.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getDocumentProxy } from 'unpdf';
import { type ParsedDocument, UnreadableFile } from '../document.ts';
import type { OcrSettings } from '../ocr-engine.ts';
import type { ParseOptions } from '../parse-document.ts';
import { type Annotation, filledIn } from './pdf-fields.ts';
import { type PicturePage, picturesOf } from './pdf-images.ts';
import { linesOf, type TextItem } from './pdf-lines.ts';
import { type Page, sectionsOf } from './pdf-sections.ts';
import { Recognizer } from './recognize.ts';

const mostPages = 5000;

type PdfDocument = Awaited<ReturnType<typeof getDocumentProxy>>;

export async function parsePdf(bytes: Uint8Array, { ocr }: ParseOptions = {}): Promise<ParsedDocument> {
  if (!Buffer.from(bytes.subarray(0, 1024)).includes('%PDF-')) throw new UnreadableFile('it is not a PDF', 'DAMAGED');
  const { result, warnings } = await hearWarnings(() => read(bytes, ocr));
  const { pages, notes, title } = result;
  const fonts = [...new Set(warnings.flatMap((warning) => brokenFont(warning) ?? []))].join('; ');
  const empty = pages.flatMap(({ lines, filled }, index) => (lines.length + filled.length === 0 ? [index + 1] : []));
  if (empty.length === pages.length) {
    throw new UnreadableFile(
      fonts === ''
        ? ['it has no text: scanned pages need text recognition (--ocr)', ...notes].join('; ')
        : `its text stands in fonts that cannot be read: ${fonts}`,
      fonts === '' ? 'EMPTY' : 'UNREADABLE',
    );
  }
  if (fonts !== '') notes.push(`text in some fonts is missing, since they cannot be read: ${fonts}`);
  if (empty.length > 0) {
    const why = fonts === '' ? 'scanned?' : 'scanned, or in such fonts?';
    notes.push(`${empty.length} of ${pages.length} pages have no text (${why}): ${empty.slice(0, 10).join(', ')}`);
  }
  return { title, sections: sectionsOf(pages), notes };
}

async function read(
  bytes: Uint8Array,
  ocr: OcrSettings | undefined,
): Promise<{ pages: Page[]; notes: string[]; title: string | undefined }> {
  const document = await open(bytes);
  const notes: string[] = [];
  const pages: Page[] = [];
  const recognizer = ocr && new Recognizer(ocr);
  const scanned: number[] = [];
  const count = Math.min(document.numPages, mostPages);
  if (count < document.numPages) notes.push(`only the first ${mostPages} of ${document.numPages} pages are read`);
  for (let number = 1; number <= count; number++) {
    try {
      const page = await document.getPage(number);
      const { items } = await page.getTextContent();
      let lines = linesOf(items as readonly Partial<TextItem>[]);
      const annotations = await page.getAnnotations().catch(() => []);
      if (recognizer && lines.length === 0) {
        const [left = 0, , right = 0] = page.view;
        lines = await recognizer.lines(await picturesOf(page as unknown as PicturePage), right - left);
        if (lines.length > 0) scanned.push(number);
      }
      page.cleanup();
      pages.push({ lines, filled: filledIn(annotations as readonly Annotation[], lines) });
    } catch (error) {
      pages.push({ lines: [], filled: [] });
      notes.push(`page ${number} is damaged: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (scanned.length > 0)
    notes.push(
      `text of ${scanned.length} of ${count} pages was recognised in pictures: ${scanned.slice(0, 10).join(', ')}`,
    );
  if (recognizer && recognizer.skipped > 0)
    notes.push(`${recognizer.skipped} scanned pages were not looked at: they are too many, or take too long`);
  const title = await titleOf(document);
  await document.destroy();
  return { pages, notes, title };
}

async function open(bytes: Uint8Array): Promise<PdfDocument> {
  try {
    return await getDocumentProxy(new Uint8Array(bytes), {
      isEvalSupported: false,
      // Warnings: the only way to learn of a font that cannot be read.
      verbosity: 1,
      ...(cMapFolder !== undefined && { cMapUrl: cMapFolder, cMapPacked: true }),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (/password/i.test(reason)) throw new UnreadableFile('it is encrypted with a password', 'ENCRYPTED');
    throw new UnreadableFile(`it is damaged: ${reason}`, 'DAMAGED');
  }
}

/**
 * Adobe's character maps, which PDFs in Chinese, Japanese and Korean name without containing them. Copied beside the
 * compiled code by scripts/build.mjs; in a checkout they are PDF.js's own package's. With the separator at its end.
 */
const cMapFolder = findCMaps();

function findCMaps(): string | undefined {
  const copied = fileURLToPath(new URL('./cmaps/', import.meta.url));
  if (existsSync(copied)) return copied;
  try {
    return join(dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json')), 'cmaps', '/');
  } catch {
    return undefined;
  }
}

/** PDF.js warns on the console alone. */
async function hearWarnings<T>(work: () => Promise<T>): Promise<{ result: T; warnings: string[] }> {
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => warnings.push(words.join(' '));
  try {
    return { result: await work(), warnings };
  } finally {
    console.warn = warn;
  }
}

/** What is wrong with a font, if the warning says so. */
function brokenFont(warning: string): string | undefined {
  return /translateFont failed: "(?:\w*(?:Error|Exception): )*(.{1,200}?)\.?"/.exec(warning)?.[1];
}

async function titleOf(document: PdfDocument): Promise<string | undefined> {
  const { info } = await document.getMetadata().catch(() => ({ info: {} }));
  const title = 'Title' in info && typeof info.Title === 'string' ? info.Title.trim() : '';
  // Word processors put file names there.
  return title === '' || /\.(docx?|indd|tex|pdf)$/i.test(title) ? undefined : title;
}
