/**
 * Word documents by mammoth: as HTML, by its styles, and then as a page is read. Lines are paragraphs.
 */
import mammoth from 'mammoth';
import type { ParsedDocument } from '../document.ts';
import { parseHtml } from '../markup/html.ts';
import { Archive, bufferOf, damaged, declaredTitle } from './archive.ts';

/** The style of a document's title is not a heading of sections; mammoth leaves the name of the tag to us. */
const styles = ["p[style-name='Title'] => p.document-title:fresh", "p[style-name='Subtitle'] => p:fresh"];
const titleTag = /<p class="document-title">(.*?)<\/p>/;

export async function parseDocx(bytes: Uint8Array): Promise<ParsedDocument> {
  const archive = await Archive.open(bytes, 'a Word document (.docx)');
  const html = await convert(bytes);
  const shown = titleTag.exec(html)?.[0];
  const title = shown === undefined ? await declaredTitle(archive) : textOf(shown);
  // A title stands above every passage; where it is all there is, it is the text.
  const body = html.replace(titleTag, (tag) => (textOf(html) === textOf(tag) ? tag : '<p></p>'));
  const { sections, notes } = parseHtml(body.replaceAll(/<\/(?:p|h[1-6])>/g, '$&\n'), { firstRowsMayHead: true });
  return { ...(title !== undefined && title !== '' && { title }), sections, notes };
}

async function convert(bytes: Uint8Array): Promise<string> {
  try {
    const { value } = await mammoth.convertToHtml(
      { buffer: bufferOf(bytes) },
      {
        styleMap: styles,
        // Pictures have no text but what describes them.
        convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
        externalFileAccess: false,
      },
    );
    return value;
  } catch (error) {
    throw damaged(error);
  }
}

function textOf(html: string): string {
  return parseHtml(html)
    .sections.flatMap(({ trail, units }) => [...trail, ...units.map(({ text }) => text)])
    .join(' ');
}
