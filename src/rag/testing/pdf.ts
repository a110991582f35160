/** PDFs with the given lines on each page; a page without lines is as empty as a scan. For tests. */

export interface PdfLine {
  readonly text: string;
  /** In points. Defaults to 11. */
  readonly size?: number;
  /** From the page's lower left corner, in points. Defaults to the next line below, at the left margin. */
  readonly at?: readonly [x: number, y: number];
  /** A predefined character map: the text is then the bytes of its codes, one per character. */
  readonly cMap?: string;
}

/** A form field, or text typed over the page. */
export interface PdfField {
  /** Entries of its dictionary, such as `/FT /Tx /T (name) /V (value)`. */
  readonly entries: string;
  readonly rect: readonly [number, number, number, number];
}

export function pdfOf(pages: readonly (readonly PdfLine[])[], fields: readonly PdfField[] = []): Buffer {
  const objects: string[] = ['', '', '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'];
  const fonts = new Map([['', 3]]);
  for (const cMap of new Set(pages.flat().flatMap((line) => line.cMap ?? []))) {
    objects.push(
      '<< /Type /FontDescriptor /FontName /Mincho /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>',
      `<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Mincho /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> /FontDescriptor ${objects.length + 1} 0 R /DW 1000 >>`,
      `<< /Type /Font /Subtype /Type0 /BaseFont /Mincho-${cMap} /Encoding /${cMap} /DescendantFonts [${objects.length + 2} 0 R] >>`,
    );
    fonts.set(cMap, objects.length);
  }
  const annotations = fields.map(({ entries, rect }) => {
    objects.push(`<< /Type /Annot /Subtype /Widget ${entries} /Rect [${rect.join(' ')}] >>`);
    return `${objects.length} 0 R`;
  });
  const resources = [...fonts.values()].map((font) => `/F${font} ${font} 0 R`).join(' ');
  const kids: number[] = [];
  for (const [index, lines] of pages.entries()) {
    const content = pageContent(lines, fonts);
    objects.push(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
    const own = index === 0 ? `/Annots [${annotations.join(' ')}]` : '';
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${objects.length} 0 R /Resources << /Font << ${resources} >> >> ${own} >>`,
    );
    kids.push(objects.length);
  }
  objects[0] = `<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [${annotations.join(' ')}] >> >>`;
  objects[1] = `<< /Type /Pages /Count ${kids.length} /Kids [${kids.map((kid) => `${kid} 0 R`).join(' ')}] >>`;
  let file = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const offset = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const start = file.length;
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}`;
  file += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(file, 'latin1');
}

function pageContent(lines: readonly PdfLine[], fonts: ReadonlyMap<string, number>): string {
  let y = 740;
  const shown = lines.map(({ text, size = 11, at, cMap = '' }) => {
    if (text === '') {
      y -= 24;
      return '';
    }
    const codes =
      cMap === '' ? `(${text.replaceAll(/[\\()]/g, '\\$&')})` : `<${Buffer.from(text, 'latin1').toString('hex')}>`;
    const line = `BT /F${fonts.get(cMap)} ${size} Tf ${(at ?? [72, y]).join(' ')} Td ${codes} Tj ET`;
    if (at === undefined) y -= Math.round(size * 1.25);
    return line;
  });
  return shown.join('\n');
}
