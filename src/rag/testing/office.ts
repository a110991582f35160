/** Word, PowerPoint, Excel and EPUB files with the given content, by the least that the formats ask for. For tests. */
import { strToU8, zipSync } from 'fflate';

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** An archive of these files. */
export function zipOf(files: Files): Buffer {
  const entries = Object.entries(files).map(([name, content]) => {
    return [name, typeof content === 'string' ? strToU8(content) : content] as const;
  });
  return Buffer.from(zipSync(Object.fromEntries(entries)));
}

const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const related = 'http://schemas.openxmlformats.org/package/2006/relationships';

function relationships(targets: readonly (readonly [type: string, target: string])[]): string {
  const rows = targets.map(([type, target], i) => {
    return `<Relationship Id="rId${i + 1}" Type="${office}/${type}" Target="${target}"/>`;
  });
  return `${xml}<Relationships xmlns="${related}">${rows.join('')}</Relationships>`;
}

/** @param main name of the main part @param type its content type, without what all have in front */
function packageOf(main: string, type: string, files: Files): Buffer {
  const types = `${xml}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/${main}" ContentType="application/vnd.openxmlformats-officedocument.${type}.main+xml"/></Types>`;
  return zipOf({
    '[Content_Types].xml': types,
    '_rels/.rels': relationships([['officeDocument', main]]),
    ...files,
  });
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** A paragraph with the name of its style, or rows of a table. */
export type WordPart =
  | string
  | readonly [style: string, text: string]
  | { readonly rows: readonly (readonly string[])[] };

export function docxOf(parts: readonly WordPart[]): Buffer {
  const run = (text: string) => `<w:r><w:t xml:space="preserve">${escapeXml(text)}</w:t></w:r>`;
  const body = parts.map((part) => {
    if (typeof part === 'string') return `<w:p>${run(part)}</w:p>`;
    if (!('rows' in part)) {
      const [style, text] = part;
      return `<w:p><w:pPr><w:pStyle w:val="${style.replaceAll(' ', '')}"/></w:pPr>${run(text)}</w:p>`;
    }
    const rows = part.rows.map(
      (cells) => `<w:tr>${cells.map((cell) => `<w:tc><w:p>${run(cell)}</w:p></w:tc>`).join('')}</w:tr>`,
    );
    return `<w:tbl>${rows.join('')}</w:tbl>`;
  });
  const names = new Set(parts.flatMap((part) => (Array.isArray(part) ? [String(part[0])] : [])));
  const styles = [...names].map((name) => {
    return `<w:style w:type="paragraph" w:styleId="${name.replaceAll(' ', '')}"><w:name w:val="${name}"/></w:style>`;
  });
  const ns = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
  return packageOf('word/document.xml', 'wordprocessingml.document', {
    'word/document.xml': `${xml}<w:document ${ns}><w:body>${body.join('')}</w:body></w:document>`,
    'word/styles.xml': `${xml}<w:styles ${ns}>${styles.join('')}</w:styles>`,
    'word/_rels/document.xml.rels': relationships([['styles', 'styles.xml']]),
  });
}

export type Cell = string | number | boolean | null;

/** Sheets by name; a row of nothing is left out of the file, as Excel does. */
export function xlsxOf(sheets: Readonly<Record<string, readonly (readonly Cell[])[]>>): Buffer {
  const ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"';
  const cell = (value: Cell, place: string) => {
    if (value === null) return '';
    if (typeof value === 'number') return `<c r="${place}"><v>${value}</v></c>`;
    if (typeof value === 'boolean') return `<c r="${place}" t="b"><v>${value ? 1 : 0}</v></c>`;
    return `<c r="${place}" t="inlineStr"><is><t>${escapeXml(value)}</t></is></c>`;
  };
  const sheet = (rows: readonly (readonly Cell[])[]) => {
    const data = rows.map((cells, r) => {
      const row = cells.map((value, c) => cell(value, `${String.fromCharCode(65 + c)}${r + 1}`)).join('');
      return row === '' ? '' : `<row r="${r + 1}">${row}</row>`;
    });
    return `${xml}<worksheet ${ns}><sheetData>${data.join('')}</sheetData></worksheet>`;
  };
  const names = Object.keys(sheets);
  const list = names.map((name, i) => `<sheet name="${escapeXml(name)}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`);
  return packageOf('xl/workbook.xml', 'spreadsheetml.sheet', {
    'xl/workbook.xml': `${xml}<workbook ${ns} xmlns:r="${office}"><sheets>${list.join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': relationships(names.map((_, i) => ['worksheet', `worksheets/sheet${i + 1}.xml`])),
    ...Object.fromEntries(Object.values(sheets).map((rows, i) => [`xl/worksheets/sheet${i + 1}.xml`, sheet(rows)])),
  });
}

export interface Slide {
  readonly title?: string;
  readonly paragraphs?: readonly string[];
  readonly rows?: readonly (readonly string[])[];
  readonly notes?: string;
}

export function pptxOf(slides: readonly Slide[]): Buffer {
  const ns = `xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="${office}" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"`;
  const body = (texts: readonly string[]) => {
    const paragraphs = texts.map((text) => `<a:p><a:r><a:t>${escapeXml(text)}</a:t></a:r></a:p>`);
    return `<p:txBody><a:bodyPr/>${paragraphs.join('')}</p:txBody>`;
  };
  const shape = (kind: string, texts: readonly string[]) =>
    `<p:sp><p:nvSpPr><p:nvPr><p:ph type="${kind}"/></p:nvPr></p:nvSpPr>${body(texts)}</p:sp>`;
  const table = (rows: readonly (readonly string[])[]) => {
    const cells = (row: readonly string[]) => row.map((text) => `<a:tc>${body([text]).replaceAll('p:', 'a:')}</a:tc>`);
    const all = rows.map((row) => `<a:tr>${cells(row).join('')}</a:tr>`).join('');
    return `<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow="1"/>${all}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>`;
  };
  const page = (root: string, shapes: readonly string[]) =>
    `${xml}<p:${root} ${ns}><p:cSld><p:spTree>${shapes.join('')}</p:spTree></p:cSld></p:${root}>`;
  const files: Record<string, string> = {};
  for (const [i, { title, paragraphs = [], rows, notes }] of slides.entries()) {
    const shapes = [shape('sldNum', [String(i + 1)])];
    if (title !== undefined) shapes.push(shape('title', [title]));
    if (paragraphs.length > 0) shapes.push(shape('body', paragraphs));
    if (rows !== undefined) shapes.push(table(rows));
    files[`ppt/slides/slide${i + 1}.xml`] = page('sld', shapes);
    if (notes === undefined) continue;
    files[`ppt/slides/_rels/slide${i + 1}.xml.rels`] = relationships([
      ['notesSlide', `../notesSlides/notes${i + 1}.xml`],
    ]);
    files[`ppt/notesSlides/notes${i + 1}.xml`] = page('notes', [shape('body', [notes])]);
  }
  const list = slides.map((_, i) => `<p:sldId id="${256 + i}" r:id="rId${i + 1}"/>`).join('');
  return packageOf('ppt/presentation.xml', 'presentationml.presentation', {
    'ppt/presentation.xml': `${xml}<p:presentation ${ns}><p:sldIdLst>${list}</p:sldIdLst></p:presentation>`,
    'ppt/_rels/presentation.xml.rels': relationships(slides.map((_, i) => ['slide', `slides/slide${i + 1}.xml`])),
    ...files,
  });
}

/** @param chapters body of each chapter's page, by what the table of contents calls it */
export function epubOf(title: string, chapters: Readonly<Record<string, string>>, others: Files = {}): Buffer {
  const labels = Object.keys(chapters);
  const items = labels.map(
    (_, i) => `<item id="c${i}" href="text/c%20${i}.xhtml" media-type="application/xhtml+xml"/>`,
  );
  const points = labels.map((label, i) => `<li><a href="text/c%20${i}.xhtml#top">${escapeXml(label)}</a></li>`);
  const html = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"';
  const pages = Object.values(chapters).map((body, i) => {
    return [
      `OEBPS/text/c ${i}.xhtml`,
      `${xml}<html ${html}><head><title>${title}</title></head><body>\n${body}</body></html>`,
    ];
  });
  return zipOf({
    mimetype: 'application/epub+zip',
    'META-INF/container.xml': `${xml}<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`,
    'OEBPS/book.opf': `${xml}<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>${title}</dc:title></metadata><manifest>${items.join('')}<item id="nav" properties="nav" href="nav.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="nav"/>${labels.map((_, i) => `<itemref idref="c${i}"/>`).join('')}</spine></package>`,
    'OEBPS/nav.xhtml': `${xml}<html ${html}><body><nav epub:type="toc"><ol>${points.join('')}</ol></nav></body></html>`,
    ...Object.fromEntries(pages),
    ...others,
  });
}
