/** Tables in text files (CSV, TSV): a unit per record, the first record as the header of each chunk. */
import type { ParsedDocument, Unit } from './document.ts';

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

/** Records with their lines: a line break between double quotes does not end one. */
function splitRecords(text: string): Pick<Unit, 'text' | 'startLine' | 'endLine'>[] {
  const records: Pick<Unit, 'text' | 'startLine' | 'endLine'>[] = [];
  let line = 1;
  let start = 0;
  let startLine = 1;
  let quoted = false;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 10;
    if (code === 34) quoted = !quoted;
    if (code !== 10) continue;
    // A quote that is never closed must not swallow the rest of the file.
    if (quoted && i < text.length && line - startLine < 100) {
      line += 1;
      continue;
    }
    quoted = false;
    const record = text.slice(start, i).trimEnd();
    if (record.trim() !== '') records.push({ text: record, startLine, endLine: line });
    line += 1;
    start = i + 1;
    startLine = line;
  }
  return records;
}
