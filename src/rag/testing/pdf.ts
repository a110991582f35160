/** PDFs with the given lines on each page; a page without lines is as empty as a scan. For tests. */

export interface PdfLine {
  readonly text: string;
  /** In points. Defaults to 11. */
  readonly size?: number;
}

export function pdfOf(pages: readonly (readonly PdfLine[])[]): Buffer {
  const objects: string[] = ['<< /Type /Catalog /Pages 2 0 R >>', ''];
  const font = 3;
  objects.push('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  const kids: number[] = [];
  for (const lines of pages) {
    const content = pageContent(lines);
    objects.push(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
    const stream = objects.length;
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${stream} 0 R /Resources << /Font << /F1 ${font} 0 R >> >> >>`,
    );
    kids.push(objects.length);
  }
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

function pageContent(lines: readonly PdfLine[]): string {
  let y = 740;
  const shown = lines.map(({ text, size = 11 }) => {
    if (text === '') {
      y -= 24;
      return '';
    }
    const escaped = text.replaceAll(/[\\()]/g, '\\$&');
    const line = `BT /F1 ${size} Tf 72 ${y} Td (${escaped}) Tj ET`;
    y -= Math.round(size * 1.25);
    return line;
  });
  return shown.join('\n');
}
