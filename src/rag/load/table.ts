/**
 * Tables in text files (CSV, TSV): a unit per record, the first record as the header of each chunk.
 *
 * A quote opens a cell only where the cell begins, so that inches and quotations within one are text (RFC 4180 knows
 * quotes nowhere else). One that is never closed opens nothing.
 */
import type { ParsedDocument, Unit } from './document.ts';

/** Longest quoted cell: beyond it the quote was a stray one. */
const mostLines = 100;

export function parseTable(text: string): ParsedDocument {
  const [header, ...records] = splitRecords(text);
  if (header === undefined) return { sections: [], notes: [] };
  const body = records.length === 0 ? [header] : records;
  const units = body.map((record): Unit => {
    const unit = { ...record, separator: '\n', cut: 'lines' as const };
    return records.length === 0 ? unit : { ...unit, header: header.text };
  });
  return { sections: [{ trail: [], units }], notes: [] };
}

/** Records with their lines: a line break within a quoted cell does not end one. */
function splitRecords(text: string): Pick<Unit, 'text' | 'startLine' | 'endLine'>[] {
  const records: Pick<Unit, 'text' | 'startLine' | 'endLine'>[] = [];
  const delimiter = delimiterOf(text);
  let line = 1;
  let start = 0;
  let startLine = 1;
  let cellStarts = true;
  for (let i = 0; i <= text.length; i++) {
    const character = i < text.length ? text.charAt(i) : '\n';
    if (character === '"' && cellStarts) {
      const close = closingQuote(text, i);
      if (close !== undefined) {
        line += close.breaks;
        i = close.at;
      }
    }
    // A blank in front of a quote is common.
    cellStarts = character === delimiter || character === '\n' || (cellStarts && character === ' ');
    if (character !== '\n') continue;
    const record = text.slice(start, i).trimEnd();
    if (record.trim() !== '') records.push({ text: record, startLine, endLine: line });
    line += 1;
    start = i + 1;
    startLine = line;
  }
  return records;
}

/** The quote that ends the cell which the one at `open` begins; a doubled one is a quote in the cell. */
function closingQuote(text: string, open: number): { at: number; breaks: number } | undefined {
  let breaks = 0;
  for (let i = open + 1; i < text.length && breaks < mostLines; i++) {
    const character = text.charAt(i);
    if (character === '\n') breaks += 1;
    if (character !== '"') continue;
    if (text.charAt(i + 1) !== '"') return { at: i, breaks };
    i += 1;
  }
  return undefined;
}

/** What parts the first record's cells: the commonest candidate outside quotes. */
function delimiterOf(text: string): string {
  const counts = new Map([',', ';', '\t', '|'].map((candidate) => [candidate, 0]));
  let quoted = false;
  for (const character of text.slice(0, 1 << 16)) {
    if (character === '"') quoted = !quoted;
    if (character === '\n' && !quoted) break;
    const count = counts.get(character);
    if (count !== undefined && !quoted) counts.set(character, count + 1);
  }
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}
