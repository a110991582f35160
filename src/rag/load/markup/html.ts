/**
 * HTML, however broken: what a browser would show of it, in sections by heading.
 *
 * parse5 repairs tags as browsers do. Navigation and page footers are left out, and where the page marks its main
 * content, that alone is read; both only where enough of the text is left, since pages mark the wrong thing.
 */
import { type DefaultTreeAdapterMap, defaultTreeAdapter, parse } from 'parse5';
import type { ParsedDocument } from '../document.ts';
import { closeSections } from '../sections.ts';
import { collapse, HtmlReader } from './html-reader.ts';

type Node = DefaultTreeAdapterMap['node'];
type Element = DefaultTreeAdapterMap['element'];

/** Of the page's characters: with less than this share, what is marked as main content is not. */
const leastOfMain = 0.5;
/** The same for what is left beside navigation and footers, of everything. */
const leastBeside = 0.1;

/** The encoding that a page, or XML, declares within its first bytes. */
export function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 2048)).toString('latin1');
  const meta = /<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:+-]{2,40})/i.exec(head);
  return (meta ?? /^\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.:+-]{2,40})/i.exec(head))?.[1];
}

export interface HtmlOptions {
  /** A table's first row may be its header without being marked as one: word processors hardly mark any. */
  readonly firstRowsMayHead?: boolean | undefined;
}

export function parseHtml(source: string, { firstRowsMayHead = false }: HtmlOptions = {}): ParsedDocument {
  const document = parse(source, { sourceCodeLocationInfo: true });
  const { title, main } = landmarks(document);
  const notes: string[] = [];
  const read = (node: Node, navigation = false) => {
    const reader = new HtmlReader({ navigation, firstRowsMayHead });
    reader.read(node);
    return reader;
  };
  let chosen = read(document);
  if (main !== undefined) {
    const marked = read(main);
    if (marked.characters >= leastOfMain * chosen.characters) chosen = marked;
    else {
      const share = Math.round((100 * marked.characters) / chosen.characters);
      notes.push(`its <${main.tagName}> holds ${share} % of the text: the whole page is read`);
    }
  }
  const everything = read(document, true);
  if (chosen.characters < leastBeside * everything.characters) {
    notes.push('most of its text stands in navigation or footers: these are read, too');
    chosen = everything;
  }
  return { title, sections: closeSections(chosen.sections), notes };
}

/** The page's title, and its one `main` element or, failing that, its one `article`. */
function landmarks(document: Node): { title: string | undefined; main: Element | undefined } {
  let title: string | undefined;
  const found = { main: [] as Element[], article: [] as Element[] };
  const waiting: Node[] = [document];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (defaultTreeAdapter.isElementNode(node)) {
      if (node.tagName === 'title' && node.namespaceURI.endsWith('xhtml')) title ??= collapse(ownText(node));
      const role = node.attrs.find(({ name }) => name === 'role')?.value;
      if (node.tagName === 'main' || role === 'main') found.main.push(node);
      else if (node.tagName === 'article') found.article.push(node);
    }
    if ('childNodes' in node) for (const child of node.childNodes.toReversed()) waiting.push(child);
  }
  const only = ([first, second]: Element[]) => (second === undefined ? first : undefined);
  return { title: title || undefined, main: only(found.main) ?? only(found.article) };
}

function ownText(element: Element): string {
  return element.childNodes.map((child) => (defaultTreeAdapter.isTextNode(child) ? child.value : '')).join('');
}
