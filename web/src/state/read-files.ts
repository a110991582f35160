/** Files of the visitor as passages. They go nowhere but into the list. */
import type { Document } from '../api/types.ts';
import { splitText, titlesOf } from '../lib/split-text.ts';

/** Larger files are not read, in bytes. */
const maxBytes = 2 * 2 ** 20;

export interface ReadFiles {
  readonly documents: readonly Document[];
  /** Names of what is no text, or too large. */
  readonly refused: readonly string[];
}

export async function readFiles(files: Iterable<File>): Promise<ReadFiles> {
  const documents: Document[] = [];
  const refused: string[] = [];
  for (const file of files) {
    const parts = file.size > maxBytes ? undefined : partsOf(await file.arrayBuffer());
    if (parts === undefined || parts.length === 0) {
      refused.push(file.name);
      continue;
    }
    const titles = titlesOf(file.name, parts.length);
    documents.push(...parts.map((text, index) => ({ title: titles[index] ?? file.name, text })));
  }
  return { documents, refused };
}

/** Undefined for what is not UTF-8 text. */
function partsOf(content: ArrayBuffer): string[] | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return text.includes('\0') ? undefined : splitText(text);
  } catch {
    return undefined;
  }
}
