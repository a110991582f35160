/** Plain text: paragraphs between blank lines; underlined and numbered headings are not guessed at. */
import type { ParsedDocument, Unit } from './document.ts';

export function parsePlainText(text: string): ParsedDocument {
  return { sections: [{ trail: [], units: paragraphs(text) }], notes: [] };
}

/** The paragraphs of a text whose first line has the number `firstLine`. */
export function paragraphs(text: string, firstLine = 1): Unit[] {
  const units: Unit[] = [];
  let lines: string[] = [];
  let start = firstLine;
  const flush = (next: number) => {
    if (lines.length > 0) {
      const unit = { text: lines.join('\n'), startLine: start, endLine: next - 1, separator: '\n\n' };
      units.push({ ...unit, cut: 'sentences' });
    }
    lines = [];
    start = next + 1;
  };
  let line = firstLine;
  for (const content of text.split('\n')) {
    if (content.trim() === '') flush(line);
    else lines.push(content.trimEnd());
    line += 1;
  }
  flush(line);
  return units;
}
