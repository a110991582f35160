/**
 * How rows of tables stand in passages: each as a line that says what its cells are, or as in the file below the header.
 *
 * Small models read `Fee: 12 €` well, and can hardly tell which column a cell of a Markdown table stands in.
 */
import type { Unit } from '../load/document.ts';
import type { CountTokens } from './cut-unit.ts';
import { cellsOf, namedCells } from './named-cells.ts';

/**
 * `rows`: a row is `Boat: Dinghy; Fee: 12 €`, whatever stands around it. `markdown`: rows stand as in the file, their
 * header above the first of each passage.
 */
export type TableForm = 'rows' | 'markdown';
export const tableForms: readonly TableForm[] = ['rows', 'markdown'];
export const defaultTables: TableForm = 'rows';

export interface TableOptions {
  readonly tables: TableForm;
  readonly count: CountTokens;
  /** Most tokens of a chunk's text. */
  readonly targetTokens: number;
  /** Told what is odd about how it was cut, a sentence each. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** Longer rows give a line to each cell. */
const longestLine = 400;
const barredRow = /^\|.*\|$/;

/**
 * Units with their tables in that form. A header that would leave no room for rows goes into them in either, or where
 * cells cannot be told apart, in front of them.
 */
export function* withTables(
  units: readonly Unit[],
  { tables, count, targetTokens, onNote }: TableOptions,
): Generator<Unit> {
  const wide = new Map<string, boolean>();
  const inFront = new Set<string>();
  let above: string | undefined;
  for (const unit of units) {
    const { header, ...row } = unit;
    const separator = header === above ? unit.separator : '\n\n';
    above = header;
    if (header === undefined) {
      const text = tables === 'rows' ? pairOf(unit) : undefined;
      yield text === undefined ? unit : { ...unit, text };
      continue;
    }
    const isWide = wide.get(header) ?? count(header) > targetTokens / 2;
    wide.set(header, isWide);
    const named = tables === 'rows' || isWide ? namedCells(header, unit.text) : undefined;
    if (named !== undefined) {
      if (named.length > 0) yield { ...row, ...rowOf(named, separator, tables), cut: 'lines' };
    } else if (!isWide) yield unit;
    else {
      if (!inFront.has(header)) {
        const startLine = Math.max(1, unit.startLine - header.split('\n').length);
        yield { ...row, text: header, startLine, endLine: Math.max(startLine, unit.startLine - 1), cut: 'lines' };
        onNote?.('the header of a table is too long to stand above its rows: it is in a passage of its own');
      }
      inFront.add(header);
      yield row;
    }
  }
}

function rowOf(named: readonly string[], separator: string, tables: TableForm): Pick<Unit, 'text' | 'separator'> {
  const line = named.join('; ');
  if (tables === 'rows' && line.length <= longestLine) return { text: line, separator };
  return { text: named.join('\n'), separator: '\n\n' };
}

/** A row of two cells without a header above: often a name and its value. */
function pairOf({ text, cut }: Unit): string | undefined {
  if (cut !== 'lines' || !barredRow.test(text)) return undefined;
  const [name, value, ...others] = cellsOf(text, '|');
  return name && value && others.length === 0 ? `${name}: ${value}` : undefined;
}
