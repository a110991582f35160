/**
 * Markdown (CommonMark, GFM tables and lists, front matter): sections by heading, units as they stand in the source.
 *
 * Texts are slices of the file, markup included: models read Markdown, and citations stay exact to the line.
 */
import type { Heading, Html, List, Nodes, Root, RootContent, Table } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { frontmatterFromMarkdown } from 'mdast-util-frontmatter';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { frontmatter } from 'micromark-extension-frontmatter';
import { gfm } from 'micromark-extension-gfm';
import type { ParsedDocument, Unit } from '../document.ts';
import { parsePlainText } from '../plain-text.ts';
import { closeSections, type OpenSection } from '../sections.ts';
import { tooCostly } from './markdown-cost.ts';

/** List items up to this many characters stay whole with what is nested in them. */
const wholeItem = 1200;

export function parseMarkdown(text: string): ParsedDocument {
  const costly = tooCostly(text);
  if (costly !== undefined) {
    return { ...parsePlainText(text), notes: [`read as plain text, since ${costly} for Markdown`] };
  }
  const open = new MarkdownSections();
  open.read(text);
  return { title: open.title, sections: closeSections(open.sections), notes: [] };
}

/** Sections while texts are read that make one document together: the headings of one stand above the next. */
export class MarkdownSections {
  readonly sections: OpenSection[] = [{ trail: [], units: [] }];
  title: string | undefined;
  readonly #headings: { depth: number; text: string }[] = [];

  /** @param text one that is not `tooCostly` @param marked what its units have besides */
  read(text: string, marked: Partial<Unit> = {}): void {
    const [sections, headings] = [this.sections, this.#headings];
    const mark = (unit: Unit): Unit => ({ ...unit, ...marked });
    for (const node of treeOf(text).children) {
      if (node.type === 'heading') {
        const own = plainText(node);
        if (own === '') continue;
        while ((headings.at(-1)?.depth ?? 0) >= node.depth) headings.pop();
        headings.push({ depth: node.depth, text: own });
        const trail = headings.map((heading) => heading.text);
        sections.push({ trail, units: [], heading: mark(slice(node, text, '\n\n', 'lines')) });
        if (node.depth === 1) this.title ??= own;
      } else if (isFrontMatter(node)) {
        this.title ??= frontMatterTitle(node.value);
        if (node.value.trim() !== '') this.add(mark(slice(node, text, '\n\n', 'lines')));
      } else {
        for (const unit of unitsOf(node, text)) this.add(mark(unit));
      }
    }
  }

  /** Puts a unit below the headings that are open. */
  add(unit: Unit): void {
    this.sections.at(-1)?.units.push(unit);
  }
}

function treeOf(text: string): Root {
  const kinds = ['yaml', 'toml'] as const;
  return fromMarkdown(text, {
    extensions: [gfm(), frontmatter([...kinds])],
    mdastExtensions: [gfmFromMarkdown(), frontmatterFromMarkdown([...kinds])],
  });
}

function unitsOf(node: RootContent, source: string): Unit[] {
  if (node.type === 'definition') return [];
  if (node.type === 'list') return listUnits(node, source, '\n\n');
  if (node.type === 'table') return tableUnits(node, source);
  if (node.type === 'html' && node.value.startsWith('<!--')) return besideComments(node, source);
  if (node.type === 'thematicBreak') return [];
  const cut = node.type === 'paragraph' || node.type === 'blockquote' ? 'sentences' : 'lines';
  const unit = slice(node, source, '\n\n', cut);
  return unit.text.trim() === '' ? [] : [unit];
}

/** What stands beside the comments of a block that begins with one: the block goes on to the end of its line. */
function besideComments(node: Html, source: string): Unit[] {
  const { text, startLine: first, ...rest } = slice(node, source, '\n\n', 'lines');
  const units: Unit[] = [];
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('<!--', at);
    const piece = text.slice(at, open < 0 ? text.length : open);
    if (piece.trim() !== '') {
      const startLine = first + text.slice(0, at + piece.search(/\S/)).split('\n').length - 1;
      const trimmed = piece.trim();
      units.push({ ...rest, text: trimmed, startLine, endLine: startLine + trimmed.split('\n').length - 1 });
    }
    if (open < 0) break;
    const close = text.indexOf('-->', open + 4);
    // One that is never closed hides nothing: it would hide the rest of the file.
    if (close < 0 && source.indexOf('-->', offsets(node)[1]) >= 0) break;
    at = close < 0 ? open + 4 : close + 3;
  }
  return units;
}

/** One per item; a long item is its own text and then the items nested in it. */
function listUnits(list: List, source: string, first: string): Unit[] {
  return list.children.flatMap((item, index) => {
    const separator = index === 0 ? first : '\n';
    const whole = slice(item, source, separator, 'sentences', true);
    const nested = item.children.findIndex((child) => child.type === 'list');
    const [inner, head] = [item.children[nested], item.children[nested - 1]];
    if (whole.text.length <= wholeItem || inner?.type !== 'list' || head === undefined) {
      return whole.text.trim() === '' ? [] : [whole];
    }
    const [from, to] = [lineStart(source, offsets(item)[0]), offsets(head)[1]];
    const own = { ...whole, text: source.slice(from, to).trimEnd(), endLine: head.position?.end.line ?? whole.endLine };
    return [own, ...item.children.slice(nested).flatMap((child) => nestedUnits(child, source))];
  });
}

function nestedUnits(node: RootContent, source: string): Unit[] {
  return node.type === 'list' ? listUnits(node, source, '\n') : [slice(node, source, '\n', 'sentences', true)];
}

/** One per row, the two lines of the header repeated in every chunk. */
function tableUnits(table: Table, source: string): Unit[] {
  const [head, ...rows] = table.children;
  if (head === undefined) return [];
  if (rows.length === 0) return [slice(head, source, '\n\n', 'lines')];
  const columns = head.children.length;
  const header = `${slice(head, source, '', 'lines').text}\n|${' --- |'.repeat(columns)}`;
  return rows.map((row) => ({ ...slice(row, source, '\n', 'lines'), header }));
}

/** The node as it stands in the file; from the start of its line where `indented`. */
function slice(node: Nodes, source: string, separator: string, cut: Unit['cut'], indented = false): Unit {
  const [start, end] = offsets(node);
  const text = source.slice(indented ? lineStart(source, start) : start, end).trimEnd();
  const [startLine, endLine] = [node.position?.start.line ?? 1, node.position?.end.line ?? 1];
  return { text, startLine, endLine, separator, cut };
}

function offsets(node: Nodes): [number, number] {
  return [node.position?.start.offset ?? 0, node.position?.end.offset ?? 0];
}

/** Where the line of an offset starts, if nothing but white space stands between. */
function lineStart(source: string, offset: number): number {
  const start = source.lastIndexOf('\n', offset - 1) + 1;
  return source.slice(start, offset).trim() === '' ? start : offset;
}

/** The words of a heading, without markup. */
function plainText(node: Heading): string {
  const words: string[] = [];
  const waiting: Nodes[] = [node];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if ('value' in next && next.type !== 'html') words.push(next.value);
    else if ('alt' in next && next.alt) words.push(next.alt);
    if ('children' in next) waiting.push(...[...next.children].reverse());
  }
  return words.join('').replaceAll(/\s+/g, ' ').trim();
}

/** The types know of YAML only. */
function isFrontMatter(node: RootContent): node is Extract<RootContent, { type: 'yaml' }> {
  const kind: string = node.type;
  return kind === 'yaml' || kind === 'toml';
}

function frontMatterTitle(value: string): string | undefined {
  const found = /^title\s*[:=]\s*(.+)$/m.exec(value)?.[1]?.trim();
  return found?.replace(/^(["'])(.*)\1$/, '$2') || undefined;
}
