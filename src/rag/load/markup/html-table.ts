/** Whether a table of a page holds data, to be read row by row, or only places things: then its cells are running text. */
import { type DefaultTreeAdapterMap, defaultTreeAdapter } from 'parse5';

type Node = DefaultTreeAdapterMap['node'];
type Element = DefaultTreeAdapterMap['element'];

/** What no cell of data holds. */
const ofPages = /^(table|h[1-6]|pre|blockquote|article|section|main|nav|aside|hr)$/;

/**
 * Walks until the answer is known and never into a nested table, so that all tables of a page together take time linear
 * in it, however they nest.
 */
export function isLayout(table: Element): boolean {
  if (/^(presentation|none)$/.test(table.attrs.find(({ name }) => name === 'role')?.value ?? '')) return true;
  let columns = 0;
  const waiting: Node[] = [...table.childNodes].reverse();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (!defaultTreeAdapter.isElementNode(node) || node.tagName === 'caption') continue;
    if (ofPages.test(node.tagName)) return true;
    if (node.tagName === 'tr') columns = Math.max(columns, node.childNodes.filter(isCell).length);
    for (const child of node.childNodes.toReversed()) waiting.push(child);
  }
  return columns < 2;
}

function isCell(node: Node): boolean {
  return defaultTreeAdapter.isElementNode(node) && (node.tagName === 'td' || node.tagName === 'th');
}
