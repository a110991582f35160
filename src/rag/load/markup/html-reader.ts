/**
 * Collects the text of an element until a block begins or ends, and makes a unit of it.
 *
 * Walks iteratively: nesting a hundred thousand deep must not end the process. Knows no page: which element is read is
 * html.ts's to say.
 */
import { type DefaultTreeAdapterMap, defaultTreeAdapter } from 'parse5';
import type { Unit } from '../document.ts';
import { headerText, namesColumns, rowText } from '../office/table-rows.ts';
import type { OpenSection } from '../sections.ts';
import { isLayout } from './html-table.ts';

type Node = DefaultTreeAdapterMap['node'];
type Element = DefaultTreeAdapterMap['element'];

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));
/** Programs, pictures, and what a form is filled in with. */
const dropped = words(
  'script style noscript template svg math canvas iframe object embed head select textarea datalist progress meter',
);
const blocks = words(
  'address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol p pre search section summary table tbody td tfoot th thead tr ul caption',
);
const heading = /^h([1-6])$/;

/** A row of data while its cells are read. */
interface Row {
  readonly cells: string[];
  headers: number;
  /** Cells that begin in bold. */
  bold: number;
}

/** A table while its rows are read. */
interface Table {
  readonly layout: boolean;
  /** Row that stands above the others, as a unit, and whether one followed. */
  header: Unit | undefined;
  /** The same as it stands above rows. */
  names: string | undefined;
  used: boolean;
  row: Row | undefined;
}

export class HtmlReader {
  readonly sections: OpenSection[] = [{ trail: [], units: [] }];
  /** Characters read, without white space. */
  characters = 0;
  readonly #navigation: boolean;
  readonly #firstRowsMayHead: boolean;
  readonly #headings: { depth: number; text: string }[] = [];
  readonly #tables: Table[] = [];
  #text = '';
  #firstLine = 0;
  #lastLine = 0;
  #item = '';
  #preformatted = 0;
  #forms = 0;
  #inHeading = 0;

  /** @param options navigation: read navigation and footers, too. firstRowsMayHead: as for `parseHtml`. */
  constructor({ navigation, firstRowsMayHead }: { navigation: boolean; firstRowsMayHead: boolean }) {
    this.#navigation = navigation;
    this.#firstRowsMayHead = firstRowsMayHead;
  }

  read(root: Node): void {
    const waiting: (Node | (() => void))[] = [root];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (typeof next === 'function') next();
      else if (defaultTreeAdapter.isTextNode(next)) this.#add(next.value, next.sourceCodeLocation?.startLine ?? 0);
      else if ('childNodes' in next) {
        const end = defaultTreeAdapter.isElementNode(next) ? this.#enter(next) : () => {};
        if (end === undefined) continue;
        waiting.push(end);
        for (const child of next.childNodes.toReversed()) waiting.push(child);
      }
    }
    this.#flush();
  }

  /** The row of data that is being read, if any: blocks within its cells are parted by a space alone. */
  get #row(): Row | undefined {
    return this.#tables.at(-1)?.row;
  }

  /** What to do at the element's end; undefined leaves its content out. */
  #enter(element: Element): (() => void) | undefined {
    const { tagName } = element;
    if (dropped.has(tagName) || this.#leavesOut(element)) return undefined;
    if (tagName === 'br') this.#text += this.#preformatted > 0 ? '\n' : ' ';
    if (tagName === 'img') this.#add(` ${attribute(element, 'alt') ?? ''} `, this.#lastLine);
    if (!blocks.has(tagName)) return () => {};
    const table = this.#tables.at(-1);
    if (tagName === 'table') return this.#table(element);
    if (table?.layout === false && (tagName === 'td' || tagName === 'th')) return this.#cell(element, table);
    if (table?.layout === false && tagName === 'tr') return this.#tableRow(table);
    this.#part();
    const level = heading.exec(tagName)?.[1];
    if (level !== undefined) {
      this.#inHeading += 1;
      return () => this.#heading(Number(level));
    }
    if (tagName === 'li') this.#item = '- ';
    if (tagName === 'pre') this.#preformatted += 1;
    if (tagName === 'form') this.#forms += 1;
    return () => {
      this.#part();
      if (tagName === 'pre') this.#preformatted -= 1;
      if (tagName === 'form') this.#forms -= 1;
      if (tagName === 'li') this.#item = '';
    };
  }

  /** Hidden content, navigation, and the buttons of forms. */
  #leavesOut(element: Element): boolean {
    const { tagName } = element;
    const hidden = attribute(element, 'hidden');
    if (hidden !== undefined && hidden !== 'until-found') return true;
    const role = attribute(element, 'role');
    if (tagName === 'nav' || tagName === 'footer' || role === 'navigation') return !this.#navigation;
    if (tagName !== 'button' || this.#forms === 0) return false;
    // What opens a panel is its heading.
    const opens = attribute(element, 'aria-expanded') ?? attribute(element, 'aria-controls');
    return this.#inHeading === 0 && opens === undefined;
  }

  #table(element: Element): () => void {
    this.#part();
    const table: Table = {
      layout: isLayout(element),
      header: undefined,
      names: undefined,
      used: false,
      row: undefined,
    };
    this.#tables.push(table);
    return () => {
      // A header that no row follows is all that the table says.
      if (table.header !== undefined && !table.used) this.sections.at(-1)?.units.push(table.header);
      this.#tables.pop();
      this.#part();
    };
  }

  #cell(element: Element, { row }: Table): () => void {
    const before = this.#text;
    this.#text = '';
    return () => {
      const content = collapse(this.#text);
      this.#text = before;
      if (row === undefined) return;
      if (element.tagName === 'th') row.headers += 1;
      if (beginsBold(element)) row.bold += 1;
      row.cells.push(content);
    };
  }

  #tableRow(table: Table): () => void {
    this.#flush();
    const row: Row = { cells: [], headers: 0, bold: 0 };
    table.row = row;
    return () => {
      table.row = undefined;
      this.#text = '';
      const { cells } = row;
      if (cells.every((cell) => cell === '')) return;
      const unit = this.#unit(rowText(cells), '\n', 'lines');
      if (table.header === undefined && cells.length > 1 && (row.headers === cells.length || this.#heads(row, table))) {
        table.header = unit;
        table.names = headerText(cells);
        return;
      }
      table.used = true;
      this.sections.at(-1)?.units.push(table.names === undefined ? unit : { ...unit, header: table.names });
    };
  }

  /** Whether a row that is not marked as a header is one: names of columns that stand out, or are more than two. */
  #heads({ cells, bold }: Row, table: Table): boolean {
    if (!this.#firstRowsMayHead || table.used || !namesColumns(cells)) return false;
    return bold === cells.length || (bold === 0 && cells.length > 2);
  }

  #heading(depth: number): void {
    this.#inHeading -= 1;
    const text = collapse(this.#text);
    this.#text = '';
    const own = this.#unit(text, '\n\n', 'sentences');
    if (text === '') return;
    while ((this.#headings.at(-1)?.depth ?? 0) >= depth) this.#headings.pop();
    this.#headings.push({ depth, text });
    this.sections.push({ trail: this.#headings.map((open) => open.text), units: [], heading: own });
  }

  #add(value: string, line: number): void {
    if (value.trim() !== '') {
      this.characters += value.replaceAll(/\s+/g, '').length;
      if (line > 0) {
        const skipped = /^\s*/.exec(value)?.[0].split('\n').length ?? 1;
        if (this.#firstLine === 0) this.#firstLine = line + skipped - 1;
        this.#lastLine = Math.max(this.#lastLine, line + value.trimEnd().split('\n').length - 1);
      }
    }
    this.#text += value;
  }

  /** Between blocks. */
  #part(): void {
    if (this.#row === undefined) this.#flush();
    else this.#text += ' ';
  }

  #flush(): void {
    const preformatted = this.#preformatted > 0;
    const text = preformatted ? this.#text.replace(/^\n+/, '').trimEnd() : collapse(this.#text);
    this.#text = '';
    if (text.trim() === '') return;
    const item = this.#item;
    const unit = this.#unit(item + text, item === '' ? '\n\n' : '\n', preformatted ? 'lines' : 'sentences');
    this.sections.at(-1)?.units.push(unit);
    if (item !== '') this.#item = '  ';
  }

  #unit(text: string, separator: string, cut: Unit['cut']): Unit {
    const [startLine, endLine] = this.#takeLines();
    return { text, startLine, endLine, separator, cut };
  }

  #takeLines(): [number, number] {
    const startLine = Math.max(1, this.#firstLine);
    this.#firstLine = 0;
    return [startLine, Math.max(startLine, this.#lastLine)];
  }
}

function beginsBold(cell: Element): boolean {
  let node: Node | undefined = cell;
  while (node !== undefined && 'childNodes' in node) {
    node = node.childNodes.find((child) => !defaultTreeAdapter.isTextNode(child) || child.value.trim() !== '');
    if (node !== undefined && (node.nodeName === 'strong' || node.nodeName === 'b')) return true;
  }
  return false;
}

function attribute(element: Element, wanted: string): string | undefined {
  return element.attrs.find(({ name }) => name === wanted)?.value;
}

export function collapse(text: string): string {
  return text.replaceAll(/[\s\u00a0]+/g, ' ').trim();
}
