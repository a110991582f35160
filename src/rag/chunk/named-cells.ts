/**
 * A row of a table as `name: value`, so that what it says can be found and understood wherever it is cut. Works on text
 * alone: cells are cut where header and row give equally many, else undefined.
 */

/** In the order in which they are tried: a comma stands in the text of cells more often than the others. */
const delimiters = ['\t', '|', ';', ','] as const;

/** @param header its first line names the columns @returns a text per cell that is not empty */
export function namedCells(header: string, row: string): string[] | undefined {
  const [names] = header.split('\n');
  for (const delimiter of delimiters) {
    const columns = cellsOf(header, delimiter);
    // The header of a Markdown table has its ruler below.
    const labels = delimiter === '|' && names !== undefined ? cellsOf(names, delimiter) : columns;
    if (labels.length < 2) continue;
    const cells = cellsOf(row, delimiter);
    // Rows often leave out what is empty at their end.
    if (cells.length < 2 || cells.length > labels.length) continue;
    return cells.flatMap((cell, i) => (cell === '' ? [] : [`${labels[i] || `column ${i + 1}`}: ${cell}`]));
  }
  return undefined;
}

/** The cells of a row. Quoted ones may hold the delimiter, line breaks, and doubled quotes. White space within cells becomes blanks. */
export function cellsOf(text: string, delimiter: string): string[] {
  const inner =
    delimiter === '|'
      ? text
          .trim()
          .replace(/^\|/, '')
          .replace(/(?<!\\)\|$/, '')
      : text;
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < inner.length; i++) {
    const character = inner.charAt(i);
    if (quoted) {
      if (character !== '"') cell += character;
      else if (inner.charAt(i + 1) === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (delimiter !== '|' && character === '"' && cell.trim() === '') {
      cell = '';
      quoted = true;
    } else if (delimiter === '|' && character === '\\' && inner.charAt(i + 1) === '|') {
      cell += '|';
      i += 1;
    } else if (character === delimiter) {
      cells.push(cell);
      cell = '';
    } else cell += character;
  }
  cells.push(cell);
  return cells.map((one) => one.replaceAll(/\s+/g, ' ').trim());
}
