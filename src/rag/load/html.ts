/**
 * HTML, however broken: what a browser would show of it, in sections by heading.
 *
 * parse5 repairs tags as browsers do. Scripts, styles, navigation and page footers are left out; where the page marks
 * its main content, that alone is read. Walks iteratively: nesting a hundred thousand deep must not end the process.
 */
import { type DefaultTreeAdapterMap, defaultTreeAdapter, parse } from 'parse5';
import type { ParsedDocument, Unit } from './document.ts';

type Node = DefaultTreeAdapterMap['node'];
type Element = DefaultTreeAdapterMap['element'];

const dropped = words('script style noscript template svg math canvas iframe object embed nav footer head form select');
const blocks = words(
  'address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul caption',
);
const heading = /^h([1-6])$/;

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(' '));
}

/** The encoding that a page declares within its first bytes. */
export function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 2048)).toString('latin1');
  return /<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{2,40})/i.exec(head)?.[1];
}

export function parseHtml(source: string): ParsedDocument {
  const document = parse(source, { sourceCodeLocationInfo: true });
  const reader = new Reader();
  const [title, main] = landmarks(document);
  reader.read(main ?? document);
  return { title, sections: reader.sections.filter(({ units }) => units.length > 0), notes: [] };
}

/** The page's title, and its one `main` element or, failing that, its one `article`. */
function landmarks(document: Node): [string | undefined, Element | undefined] {
  let title: string | undefined;
  const found = { main: [] as Element[], article: [] as Element[] };
  const waiting: Node[] = [document];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (defaultTreeAdapter.isElementNode(node)) {
      if (node.tagName === 'title' && node.namespaceURI.endsWith('xhtml')) title ??= collapse(ownText(node));
      if (node.tagName === 'main' || node.tagName === 'article') found[node.tagName].push(node);
    }
    if ('childNodes' in node) for (let i = node.childNodes.length - 1; i >= 0; i--) push(waiting, node.childNodes[i]);
  }
  const only = ([first, second]: Element[]) => (second === undefined ? first : undefined);
  return [title || undefined, only(found.main) ?? only(found.article)];
}

function push<T>(list: T[], value: T | undefined): void {
  if (value !== undefined) list.push(value);
}

function ownText(element: Element): string {
  return element.childNodes.map((child) => (defaultTreeAdapter.isTextNode(child) ? child.value : '')).join('');
}

function collapse(text: string): string {
  return text.replaceAll(/[\s\u00a0]+/g, ' ').trim();
}

/** Collects text until a block element begins or ends, and makes a unit of it. */
class Reader {
  readonly sections: { trail: string[]; units: Unit[] }[] = [{ trail: [], units: [] }];
  readonly #headings: { depth: number; text: string }[] = [];
  #text = '';
  #firstLine = 0;
  #lastLine = 0;
  #item = '';
  #preformatted = 0;
  /** Cells of the current row, and the header of the current table. */
  #cells: string[] | undefined;
  #header: string | undefined;
  #headerCells = 0;

  read(root: Node): void {
    const waiting: (Node | (() => void))[] = [root];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (typeof next === 'function') next();
      else if (defaultTreeAdapter.isTextNode(next)) this.#add(next.value, next.sourceCodeLocation?.startLine ?? 0);
      else if ('childNodes' in next) {
        const end = defaultTreeAdapter.isElementNode(next) ? this.#enter(next) : () => {};
        if (end === undefined) continue;
        waiting.push(end);
        for (let i = next.childNodes.length - 1; i >= 0; i--) push(waiting, next.childNodes[i]);
      }
    }
    this.#flush();
  }

  /** What to do at the element's end; undefined leaves its content out. */
  #enter(element: Element): (() => void) | undefined {
    const { tagName } = element;
    if (dropped.has(tagName) || element.attrs.some(({ name }) => name === 'hidden')) return undefined;
    if (tagName === 'br') this.#text += this.#preformatted > 0 ? '\n' : ' ';
    if (tagName === 'img')
      this.#add(` ${element.attrs.find(({ name }) => name === 'alt')?.value ?? ''} `, this.#lastLine);
    if (!blocks.has(tagName)) return () => {};
    if (tagName === 'td' || tagName === 'th') return this.#cell(tagName);
    if (this.#cells === undefined) this.#flush();
    const level = heading.exec(tagName)?.[1];
    if (level !== undefined) return () => this.#heading(Number(level));
    if (tagName === 'li') this.#item = '- ';
    if (tagName === 'pre') this.#preformatted += 1;
    if (tagName === 'table') this.#header = undefined;
    if (tagName === 'tr') return this.#row();
    return () => {
      if (this.#cells === undefined) this.#flush();
      if (tagName === 'pre') this.#preformatted -= 1;
      if (tagName === 'li') this.#item = '';
      if (tagName === 'table') this.#header = undefined;
    };
  }

  #cell(tagName: string): () => void {
    const before = this.#text;
    this.#text = '';
    return () => {
      const content = collapse(this.#text);
      this.#text = before;
      if (tagName === 'th') this.#headerCells += 1;
      this.#cells?.push(content);
    };
  }

  #row(): () => void {
    this.#cells = [];
    this.#headerCells = 0;
    return () => {
      const cells = this.#cells ?? [];
      this.#cells = undefined;
      this.#text = '';
      if (cells.every((cell) => cell === '')) return;
      const row = `| ${cells.join(' | ')} |`;
      if (this.#header === undefined && this.#headerCells === cells.length && cells.length > 1) {
        this.#header = `${row}\n|${' --- |'.repeat(cells.length)}`;
        this.#firstLine = 0;
        return;
      }
      this.#emit(row, '\n', 'lines', this.#header);
    };
  }

  #heading(depth: number): void {
    const text = collapse(this.#text);
    this.#text = '';
    this.#firstLine = 0;
    if (text === '') return;
    while ((this.#headings.at(-1)?.depth ?? 0) >= depth) this.#headings.pop();
    this.#headings.push({ depth, text });
    this.sections.push({ trail: this.#headings.map((own) => own.text), units: [] });
  }

  #add(value: string, line: number): void {
    if (value.trim() !== '' && line > 0) {
      const skipped = /^\s*/.exec(value)?.[0].split('\n').length ?? 1;
      if (this.#firstLine === 0) this.#firstLine = line + skipped - 1;
      this.#lastLine = Math.max(this.#lastLine, line + value.trimEnd().split('\n').length - 1);
    }
    this.#text += value;
  }

  #flush(): void {
    const preformatted = this.#preformatted > 0;
    const text = preformatted ? this.#text.replace(/^\n+/, '').trimEnd() : collapse(this.#text);
    this.#text = '';
    if (text.trim() === '') return;
    const item = this.#item;
    this.#emit(item + text, item === '' ? '\n\n' : '\n', preformatted ? 'lines' : 'sentences');
    if (item !== '') this.#item = '  ';
  }

  #emit(text: string, separator: string, cut: Unit['cut'], header?: string): void {
    const startLine = Math.max(1, this.#firstLine);
    const endLine = Math.max(startLine, this.#lastLine);
    this.#firstLine = 0;
    const unit: Unit = { text, startLine, endLine, separator, cut };
    this.sections.at(-1)?.units.push(header === undefined ? unit : { ...unit, header });
  }
}
