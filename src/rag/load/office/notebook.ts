/**
 * Jupyter notebooks (nbformat 4, and 3 with its worksheets): what is written as Markdown, code as it stands, and outputs
 * that are text. Lines are those of the cell.
 */
import { z } from 'zod';
import { cleanText } from '../clean-text.ts';
import type { ParsedDocument, Unit } from '../document.ts';
import { MarkdownSections } from '../markup/markdown.ts';
import { tooCostly } from '../markup/markdown-cost.ts';
import { paragraphs } from '../plain-text.ts';
import { closeSections } from '../sections.ts';
import { damaged } from './archive.ts';

/** Of the outputs of one cell, in characters: logs of training go on for pages. */
const longestOutput = 8000;

const multiline = z.union([z.string(), z.array(z.string())]).transform((text) => [text].flat().join(''));
const outputSchema = z.object({
  text: multiline.optional(),
  data: z.record(z.string(), z.unknown()).optional(),
  ename: z.string().optional(),
  evalue: z.string().optional(),
});
const cellSchema = z.object({
  cell_type: z.string(),
  source: multiline.optional(),
  /** Of code in version 3. */
  input: multiline.optional(),
  outputs: z.array(outputSchema).optional(),
});
const cells = z.array(cellSchema);
const notebookSchema = z.object({
  cells: cells.optional(),
  worksheets: z.array(z.object({ cells })).optional(),
  metadata: z.object({ title: z.string().optional().catch(undefined) }).optional(),
});
type Cell = z.infer<typeof cellSchema>;

export function parseNotebook(text: string): ParsedDocument {
  const notebook = readNotebook(text);
  const all = notebook.cells ?? notebook.worksheets?.flatMap((sheet) => sheet.cells) ?? [];
  const open = new MarkdownSections();
  const notes: string[] = [];
  for (const [index, cell] of all.entries()) {
    const place = `cell ${index + 1}`;
    const source = cleanText(cell.source ?? cell.input ?? '').text;
    if (cell.cell_type === 'code') {
      for (const unit of codeUnits(cell, source, place)) open.add(unit);
      if (outputOf(cell).length > longestOutput) notes.push(`the output of ${place} is cut`);
    } else if (cell.cell_type === 'markdown' && tooCostly(source) === undefined) open.read(source, { place });
    else for (const unit of paragraphs(source)) open.add({ ...unit, place });
  }
  const title = notebook.metadata?.title ?? open.title;
  return { title, sections: closeSections(open.sections), notes };
}

function readNotebook(text: string): z.infer<typeof notebookSchema> {
  try {
    return notebookSchema.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(error instanceof z.ZodError ? 'it is JSON, but not a notebook' : error);
  }
}

function codeUnits(cell: Cell, source: string, place: string): Unit[] {
  const code = source.replace(/^(\s*\n)+/, '').trimEnd();
  const output = outputOf(cell).slice(0, longestOutput);
  const lines = source.trimEnd().split('\n').length;
  const first = lines - code.split('\n').length + 1;
  const unit = { separator: '\n\n', cut: 'lines' as const, place };
  const units: Unit[] = code === '' ? [] : [{ ...unit, text: code, startLine: first, endLine: lines }];
  if (output !== '') units.push({ ...unit, text: `Output:\n${output}`, startLine: lines, endLine: lines });
  return units;
}

/** Text alone: a table also comes as text, a picture does not. */
function outputOf({ outputs = [] }: Cell): string {
  const texts = outputs.map(({ text, data, ename, evalue }) => {
    if (ename !== undefined) return `${ename}: ${evalue ?? ''}`;
    const shown = multiline.safeParse(data?.['text/markdown'] ?? data?.['text/plain']);
    // What stands for a picture or a control in a terminal.
    const value = shown.success && !/^<[\w.]+( [^<>]*)?>$/.test(shown.data.trim()) ? shown.data : '';
    return text ?? value;
  });
  return cleanText(
    texts
      .map((text) => text.trimEnd())
      .filter((text) => text !== '')
      .join('\n'),
  ).text.trim();
}
