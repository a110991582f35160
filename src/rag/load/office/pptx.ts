/**
 * PowerPoint presentations: a section per slide under its title, tables row by row, and the speaker's notes. Lines are
 * paragraphs and rows of the slide.
 *
 * ECMA-376: the presentation lists its slides by relationship; text stands in `a:t` within the paragraphs `a:p` of shapes.
 */
import { dirname } from 'node:path/posix';
import type { Document, Element } from '@xmldom/xmldom';
import type { ParsedDocument, Section, Unit } from '../document.ts';
import { Archive, damaged, declaredTitle, elements, plain, resolveName } from './archive.ts';
import { namesColumns, rowUnits } from './table-rows.ts';

const titles = /^(title|ctrTitle)$/;
/** Repeated on every slide, or generated. */
const furniture = /^(dt|ftr|hdr|sldNum|sldImg)$/;
const main = 'ppt/presentation.xml';

export async function parsePptx(bytes: Uint8Array): Promise<ParsedDocument> {
  const archive = await Archive.open(bytes, 'a PowerPoint presentation (.pptx)');
  const presentation = await archive.xml(main);
  if (presentation === undefined) throw damaged(`it has no ${main}`);
  const targets = await relationships(archive, main);
  const sections: Section[] = [];
  const notes: string[] = [];
  for (const [index, entry] of elements(presentation, 'sldId').entries()) {
    const name = targets.get(relationOf(entry))?.name;
    const slide = name === undefined ? undefined : await archive.xml(name);
    if (name === undefined || slide === undefined) {
      notes.push(`slide ${index + 1} is missing`);
      continue;
    }
    const related = [...(await relationships(archive, name)).values()];
    const spoken = related.find(({ type }) => type.endsWith('/notesSlide'));
    const section = slideSection(slide, index + 1, spoken && (await archive.xml(spoken.name)));
    if (section.units.length > 0) sections.push(section);
  }
  const title = await declaredTitle(archive);
  // What PowerPoint puts there itself.
  const named = title && !/^(PowerPoint Presentation|Presentation)$/i.test(title);
  return { ...(named && { title }), sections, notes };
}

/** Of a part: where each relationship leads, by id. */
async function relationships(archive: Archive, name: string): Promise<Map<string, { name: string; type: string }>> {
  const base = dirname(name);
  const file = await archive.xml(`${base}/_rels/${name.slice(base.length + 1)}.rels`);
  const found = file === undefined ? [] : elements(file, 'Relationship');
  return new Map(
    found.map((one) => {
      const [target, type] = [one.getAttribute('Target') ?? '', one.getAttribute('Type') ?? ''];
      return [one.getAttribute('Id') ?? '', { name: resolveName(name, target), type }];
    }),
  );
}

function relationOf(entry: Element): string {
  const attributes = Array.from(entry.attributes);
  return attributes.find(({ localName, namespaceURI }) => localName === 'id' && namespaceURI !== null)?.value ?? '';
}

function slideSection(slide: Document, number: number, spoken: Document | undefined): Section {
  const place = `slide ${number}`;
  const units: Unit[] = [];
  let title = '';
  let line = 1;
  const add = (text: string) => {
    if (text === '') return;
    units.push({ text, startLine: line, endLine: line, separator: '\n', cut: 'sentences', place });
    line += 1;
  };
  for (const shape of shapesOf(slide)) {
    const kind = elements(shape, 'ph')[0]?.getAttribute('type') ?? '';
    if (furniture.test(kind)) continue;
    if (titles.test(kind) && title === '') {
      title = paragraphs(shape).join(' ');
      continue;
    }
    const rows = elements(shape, 'tr').map((row) => elements(row, 'tc').map((cell) => paragraphs(cell).join(' ')));
    if (rows.length === 0) for (const text of paragraphs(shape)) add(text);
    else {
      const [first, ...rest] = rows;
      const heads = first !== undefined && rest.length > 0 && isHeader(shape, first);
      const numbered = (heads ? rest : rows).map((cells, index) => ({ cells, line: line + index + (heads ? 1 : 0) }));
      units.push(...rowUnits(numbered, heads ? first : undefined, place));
      line += rows.length;
    }
  }
  const notes =
    spoken === undefined
      ? []
      : shapesOf(spoken)
          .filter((shape) => isNotes(shape))
          .flatMap(paragraphs);
  if (notes.length > 0) add(`Notes: ${notes.join('\n')}`);
  // A slide of a title alone says just that.
  if (units.length === 0 && title !== '') add(title);
  return { trail: [title === '' ? place : title], units };
}

/** Shapes with text and tables, in the order of the slide, also within groups. */
function shapesOf(slide: Document): Element[] {
  return elements(slide, '*').filter(({ localName }) => localName === 'sp' || localName === 'graphicFrame');
}

function isHeader(shape: Element, cells: readonly string[]): boolean {
  const marked = elements(shape, 'tblPr')[0]?.getAttribute('firstRow');
  return marked === '1' || marked === 'true' ? cells.length > 1 : cells.length > 2 && namesColumns(cells);
}

function isNotes(shape: Element): boolean {
  return elements(shape, 'ph')[0]?.getAttribute('type') === 'body';
}

/** Of an element: its paragraphs that are not blank. */
function paragraphs(within: Element): string[] {
  return elements(within, 'p')
    .map((paragraph) => plain(elements(paragraph, '*').map(runText).join('')))
    .filter((text) => text !== '');
}

function runText({ localName, textContent }: Element): string {
  if (localName === 'br' || localName === 'tab') return ' ';
  return localName === 't' ? (textContent ?? '') : '';
}
