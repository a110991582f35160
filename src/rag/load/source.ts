/**
 * Source code: a section per function, class or method with the comments above it, units of whole lines.
 *
 * With a grammar where there is one, else by the lines that open definitions. A class that is long becomes its head and
 * its members. Text between definitions (imports, constants) is cut at statements.
 */
import { segmentCode } from '@block-attention/engine/internal/prompt';
import type { ParsedDocument, Section, Unit } from './document.ts';
import { type SyntaxNode, syntaxTree } from './languages.ts';

/** Definitions up to this many characters are not taken apart. */
const wholeDefinition = 1600;
const deepest = 8;

const definition =
  /^(function|generator_function|class|abstract_class|interface|enum|struct|trait|union|record|object|type|type_alias|method|constructor|namespace|module|internal_module|singleton_method|impl|mod|macro|template|protocol|annotation_type|delegate|property)(_(declaration|definition|item|specifier|statement))?$/;
const wrappers = /^(export_statement|decorated_definition|template_declaration|ambient_declaration|declaration_list)$/;
const attached = /comment|decorator|attribute/;

export async function parseSource(text: string, language?: string): Promise<ParsedDocument> {
  const root = language === undefined ? undefined : await syntaxTree(text, language);
  return { sections: root === undefined ? byLines(text) : new Cutter(text).cut(root), notes: [] };
}

/** Without a grammar: pieces that begin at a definition, their units at blank lines. */
function byLines(text: string): Section[] {
  let line = 1;
  return segmentCode(text).flatMap((piece) => {
    const units = blankSeparated(piece.split('\n'), line);
    line += piece.split('\n').length - 1;
    return units.length === 0 ? [] : [{ trail: [], units }];
  });
}

/** Runs of lines between blank ones. */
function blankSeparated(lines: readonly string[], firstLine: number): Unit[] {
  const units: Unit[] = [];
  let start = -1;
  for (let i = 0; i <= lines.length; i++) {
    const blank = (lines[i] ?? '').trim() === '';
    if (!blank && start < 0) start = i;
    if (!blank || start < 0) continue;
    units.push(unitOf(lines.slice(start, i), firstLine + start, '\n\n'));
    start = -1;
  }
  return units;
}

function unitOf(lines: readonly string[], startLine: number, separator: string): Unit {
  const text = lines.map((line) => line.trimEnd()).join('\n');
  return { text, startLine, endLine: startLine + lines.length - 1, separator, cut: 'lines' };
}

/** Cuts by the syntax tree. Rows are handed out once each, in order: two statements may share one. */
class Cutter {
  readonly #lines: readonly string[];
  readonly #sections: { trail: readonly string[]; units: Unit[] }[] = [];
  #next = 0;

  constructor(text: string) {
    this.#lines = text.split('\n');
  }

  cut(root: SyntaxNode): Section[] {
    this.#members(root, [], this.#lines.length);
    return this.#sections.filter(({ units }) => units.length > 0);
  }

  /** The children of a node, up to (without) row `end`. */
  #members(parent: SyntaxNode, trail: readonly string[], end: number): void {
    this.#sections.push({ trail, units: [] });
    /** First row of the comments directly above what comes next; -1 without. */
    let above = -1;
    let aboveEnd = -2;
    for (const child of parent.namedChildren) {
      if (child === null) continue;
      const [from, to] = [child.startPosition.row, lastRow(child)];
      const adjacent = above >= 0 && from <= aboveEnd + 1;
      if (above >= 0 && !adjacent) this.#loose(above, aboveEnd);
      if (attached.test(child.type)) {
        if (!adjacent) above = from;
        aboveEnd = to;
        continue;
      }
      const start = adjacent ? above : from;
      const found = unwrap(child);
      if (found !== undefined) this.#definition(found, trail, start, to);
      else this.#loose(start, to);
      above = -1;
    }
    if (above >= 0) this.#loose(above, aboveEnd);
    this.#loose(this.#next, end - 1);
  }

  #definition(node: SyntaxNode, trail: readonly string[], from: number, to: number): void {
    const start = Math.max(from, this.#next);
    if (start > to) return;
    const own = [...trail, nameOf(node)].filter((name) => name !== '');
    const body = node.childForFieldName('body');
    const length = this.#lines.slice(start, to + 1).reduce((sum, line) => sum + line.length + 1, 0);
    const members = body?.namedChildren.filter((child) => child !== null && unwrap(child) !== undefined) ?? [];
    if (body === null || length <= wholeDefinition || members.length < 2 || own.length > deepest) {
      this.#sections.push({ trail: own, units: [this.#take(start, to)] });
    } else {
      // What opens it, its members, what closes it.
      const first = body.namedChildren.find((child) => child !== null)?.startPosition.row ?? to;
      this.#sections.push({ trail: own, units: [] });
      this.#loose(start, Math.min(first, to) - 1);
      this.#members(body, own, to + 1);
    }
    this.#sections.push({ trail, units: [] });
  }

  #loose(from: number, to: number): void {
    const start = Math.max(from, this.#next);
    if (start > to) return;
    const units = this.#sections.at(-1)?.units;
    const rows = this.#lines.slice(start, to + 1);
    // A closing bracket alone says nothing.
    if (!rows.some((line) => /[\p{L}\p{N}]/u.test(line))) return;
    units?.push(this.#take(start, to));
  }

  #take(start: number, to: number): Unit {
    let [from, end] = [start, to];
    while (from < end && (this.#lines[from] ?? '').trim() === '') from += 1;
    while (end > from && (this.#lines[end] ?? '').trim() === '') end -= 1;
    const apart = from > 0 && (this.#lines[from - 1] ?? '').trim() === '';
    this.#next = to + 1;
    return unitOf(this.#lines.slice(from, end + 1), from + 1, apart ? '\n\n' : '\n');
  }
}

/** Last row with text: some grammars let a node end at the start of the next row. */
function lastRow({ startPosition, endPosition }: SyntaxNode): number {
  return endPosition.column === 0 ? Math.max(startPosition.row, endPosition.row - 1) : endPosition.row;
}

/** The definition that a node is, or holds behind `export` or a decorator. */
function unwrap(node: SyntaxNode): SyntaxNode | undefined {
  if (definition.test(node.type)) return node;
  if (wrappers.test(node.type)) {
    for (const child of node.namedChildren) {
      const found = child === null ? undefined : unwrap(child);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function nameOf(node: SyntaxNode): string {
  let named = node.childForFieldName('name') ?? (node.type === 'impl_item' ? node.childForFieldName('type') : null);
  // C: the name stands inside declarators.
  let declarator = node.childForFieldName('declarator');
  while (named === null && declarator !== null) {
    const inner = declarator.childForFieldName('declarator');
    if (inner === null) named = declarator;
    declarator = inner;
  }
  // Go: the name stands in the specification below.
  const spec = named === null ? node.namedChildren.find((child) => child?.type.endsWith('_spec')) : undefined;
  const text = (named ?? spec?.childForFieldName('name') ?? null)?.text ?? '';
  return text.split('\n')[0]?.trim().slice(0, 80) ?? '';
}
