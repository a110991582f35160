/**
 * What a parser makes of a file: sections with their heading trail, each a run of units that belong together.
 *
 * A unit is the smallest piece that structure offers: a paragraph, a list item, a table row, a statement. Parsers know
 * nothing of tokens; the chunker knows nothing of file formats. Plain data: it crosses a process boundary.
 */

export const documentTypes = [
  'markdown',
  'html',
  'text',
  'pdf',
  'source',
  'table',
  'word',
  'slides',
  'sheet',
  'book',
  'notebook',
  'mail',
] as const;
export type DocumentType = (typeof documentTypes)[number];

export interface Unit {
  /** Never blank. */
  readonly text: string;
  /**
   * Lines of the file, 1-based and inclusive; in a PDF lines of the page, in a notebook of the cell, in a mail of the
   * message; in a spreadsheet rows of the sheet; in a Word document, a chapter or a slide paragraphs.
   */
  readonly startLine: number;
  readonly endLine: number;
  /** 1-based; PDFs only. */
  readonly page?: number | undefined;
  /** The part of the file that lines are counted in, as people call it: a sheet's name, `slide 3`, `cell 7`. */
  readonly place?: string | undefined;
  /** What stands between the unit before and this one when both share a chunk. */
  readonly separator: string;
  /** Stands once at the head of every chunk with units that have it: the header of a table. Defaults to none. */
  readonly header?: string | undefined;
  /** Where a unit that is too long may be cut: between sentences, or between lines. */
  readonly cut: 'sentences' | 'lines';
}

export interface Section {
  /** Headings from the outermost to this section's own; empty in front of the first heading. */
  readonly trail: readonly string[];
  readonly units: readonly Unit[];
}

export interface ParsedDocument {
  /** Of the whole document, where it says one. */
  readonly title?: string | undefined;
  readonly sections: readonly Section[];
  /** What is odd about the file but stopped nothing, a sentence each. */
  readonly notes: readonly string[];
}

/** Why a file is left out, for programs; the sentence beside it is for people. */
export const skipCodes = ['EMPTY', 'TOO_LARGE', 'ENCRYPTED', 'DAMAGED', 'UNSUPPORTED', 'UNREADABLE'] as const;
export type SkipCode = (typeof skipCodes)[number];

/** Thrown by parsers for a file that holds nothing to read; the message says why, without naming the file. */
export class UnreadableFile extends Error {
  readonly code: SkipCode;

  constructor(message: string, code: SkipCode = 'UNREADABLE') {
    super(message);
    this.code = code;
  }
}
