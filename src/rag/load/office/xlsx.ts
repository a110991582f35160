/**
 * Excel workbooks by read-excel-file: a section per sheet, rows with the names of their columns. Lines are rows.
 *
 * Formulas are read as the values that Excel kept of them; how numbers are shown (currency, per cent) is not kept.
 */
import readExcel, { type CellValue, type SheetData } from 'read-excel-file/node';
import type { ParsedDocument, Unit } from '../document.ts';
import { Archive, bufferOf, damaged } from './archive.ts';
import { type Cells, namesColumns, rowUnits, type TableRow } from './table-rows.ts';

export async function parseXlsx(bytes: Uint8Array): Promise<ParsedDocument> {
  await Archive.open(bytes, 'an Excel workbook (.xlsx)');
  const sheets = await readExcel(bufferOf(bytes)).catch((error) => {
    throw damaged(error);
  });
  const sections = sheets.map(({ sheet, data }) => ({ trail: [sheet], units: unitsOf(sheet, data) }));
  return { sections: sections.filter(({ units }) => units.length > 0), notes: [] };
}

/** Tables are parted by empty rows; one without names of its own, as wide as the one before, goes on with it. */
function unitsOf(sheet: string, data: SheetData): Unit[] {
  const units: Unit[] = [];
  let header: Cells | undefined;
  let open: TableRow[] = [];
  const flush = () => {
    const { caption, names, rows } = tableOf(open);
    open = [];
    units.push(...caption.map((row) => textUnit(row, sheet)));
    if (names !== undefined || rows[0]?.cells.length !== header?.length) header = names;
    units.push(...rowUnits(rows, header, sheet));
  };
  for (const [index, values] of data.entries()) {
    const cells = values.map(cellText);
    if (cells.some((cell) => cell !== '')) open.push({ cells, line: index + 1 });
    else if (open.length > 0) flush();
  }
  if (open.length > 0) flush();
  return units;
}

interface SheetTable {
  /** Rows of one cell above the table. */
  readonly caption: readonly TableRow[];
  readonly names: Cells | undefined;
  readonly rows: readonly TableRow[];
}

function tableOf(all: readonly TableRow[]): SheetTable {
  const width = Math.max(...all.map(({ cells }) => cells.findLastIndex((cell) => cell !== '') + 1));
  const first = Math.min(...all.map(({ cells }) => cells.findIndex((cell) => cell !== '')));
  const trimmed = all.map(({ cells, line }) => ({ line, cells: cells.slice(first, width) }));
  const isSingle = ({ cells }: TableRow) => cells.filter((cell) => cell !== '').length === 1;
  if (trimmed.every(isSingle)) return { caption: trimmed, names: undefined, rows: [] };
  const start = trimmed.findIndex((row) => !isSingle(row));
  const [top, ...rest] = trimmed.slice(start);
  const caption = trimmed.slice(0, start);
  // Two columns of words alone may as well be names and values.
  const isHeader =
    top !== undefined &&
    rest.length > 0 &&
    namesColumns(top.cells) &&
    (top.cells.length > 2 || rest.filter(({ cells }) => /^[\d.,-]+$/.test(cells[1] ?? '')).length * 2 >= rest.length);
  return isHeader
    ? { caption, names: top.cells, rows: rest }
    : { caption, names: undefined, rows: trimmed.slice(start) };
}

function textUnit({ cells, line }: TableRow, place: string): Unit {
  const text = cells.filter((cell) => cell !== '').join(' ');
  return { text, startLine: line, endLine: line, separator: '\n\n', cut: 'sentences', place };
}

function cellText(value: CellValue | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return '';
    const [day, time] = value.toISOString().split('T');
    return time === '00:00:00.000Z' ? `${day}` : `${day} ${time?.slice(0, 5)}`;
  }
  // What Excel shows of 0.1 + 0.2.
  if (typeof value === 'number') return String(Number(value.toPrecision(15)));
  return String(value).trim();
}
