/**
 * Rows of tables that come as cells, in the one form that the chunker knows: cells between bars, the header with a
 * ruler below it.
 */
import type { Unit } from '../document.ts';

export type Cells = readonly string[];

/** Longest cell that may name a column. */
const longestName = 80;

export interface TableRow {
  readonly cells: Cells;
  /** As in a unit. */
  readonly line: number;
}

/** `| a | b |`: bars within cells are escaped, white space becomes blanks. */
export function rowText(cells: Cells): string {
  return `| ${cells.map((cell) => cell.replaceAll(/\s+/g, ' ').trim().replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

/** The header of rows as it stands above them. */
export function headerText(cells: Cells): string {
  return `${rowText(cells)}\n|${' --- |'.repeat(cells.length)}`;
}

/** Whether cells name columns: words, all different; at least half of them filled. */
export function namesColumns(cells: Cells): boolean {
  const filled = cells.filter((cell) => cell !== '');
  const names = new Set(filled);
  return (
    filled.length >= 2 &&
    filled.length * 2 > cells.length &&
    names.size === filled.length &&
    filled.every((cell) => cell.length <= longestName && /\p{L}/u.test(cell) && !/^[\d\s.,:%€$£+-]/.test(cell))
  );
}

/** Units of rows; @param header of all of them, if there is one */
export function rowUnits(rows: readonly TableRow[], header: Cells | undefined, place?: string): Unit[] {
  const above = header === undefined ? {} : { header: headerText(header) };
  return rows.map(({ cells, line }, index) => ({
    text: rowText(cells),
    startLine: line,
    endLine: line,
    separator: index === 0 ? '\n\n' : '\n',
    cut: 'lines',
    ...above,
    ...(place !== undefined && { place }),
  }));
}
