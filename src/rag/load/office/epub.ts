/**
 * EPUB 2 and 3: the chapters in reading order, each read as a page. Lines are those of the chapter's file.
 */

import { decodeText } from '../decode-text.ts';
import { type ParsedDocument, type Section, UnreadableFile } from '../document.ts';
import { declaredEncoding, parseHtml } from '../markup/html.ts';
import { Archive, damaged, elements, plain, resolveName } from './archive.ts';

interface Item {
  readonly name: string;
  readonly type: string;
  readonly properties: string;
}

/** Fonts are often obscured, which hides no text. */
const fontObfuscation = /(adobe\.com\/pdf\/enc#RC|idpf\.org\/2008\/embedding)/;

export async function parseEpub(bytes: Uint8Array): Promise<ParsedDocument> {
  const archive = await Archive.open(bytes, 'an EPUB');
  const container = await archive.xml('META-INF/container.xml');
  const packageName = container && elements(container, 'rootfile')[0]?.getAttribute('full-path');
  const book = packageName ? await archive.xml(packageName) : undefined;
  if (!packageName || book === undefined) throw damaged('it has no package document');
  await refuseProtected(archive);
  const items = new Map<string, Item>();
  for (const item of elements(book, 'item')) {
    const attribute = (name: string) => item.getAttribute(name) ?? '';
    const name = resolveName(packageName, attribute('href'));
    items.set(attribute('id'), { name, type: attribute('media-type'), properties: attribute('properties') });
  }
  const labels = await tableOfContents(archive, [...items.values()]);
  const sections: Section[] = [];
  const notes: string[] = [];
  const spine = elements(book, 'itemref').map((ref) => items.get(ref.getAttribute('idref') ?? ''));
  for (const [index, item] of spine.entries()) {
    if (item === undefined || /\bnav\b/.test(item.properties)) continue;
    const page = await archive.bytes(item.name);
    if (page === undefined) notes.push(`chapter file ${index + 1} (${item.name}) is missing`);
    else sections.push(...chapter(page, labels.get(item.name), index + 1));
  }
  const title = plain(elements(book, 'title')[0]?.textContent);
  return { ...(title !== '' && { title }), sections, notes };
}

function chapter(page: Buffer, label: string | undefined, number: number): Section[] {
  const { sections } = parseHtml(decodeText(page, declaredEncoding(page)).text);
  const heading = label ?? sections.find(({ trail }) => trail.length > 0)?.trail[0];
  const place = heading ?? `part ${number}`;
  return sections.map(({ trail, units }) => ({
    // The table of contents knows what a chapter is called where its own headings do not.
    trail: label === undefined || trail.some((one) => sameWords(one, label)) ? trail : [label, ...trail],
    units: units.map((unit) => ({ ...unit, place })),
  }));
}

function sameWords(heading: string, label: string): boolean {
  const folded = (text: string) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '');
  const [one, other] = [folded(heading), folded(label)];
  return one !== '' && (one.includes(other) || other.includes(one));
}

/** What the table of contents calls each file: of its first entry. EPUB 3 has a page for it, EPUB 2 an NCX. */
async function tableOfContents(archive: Archive, items: readonly Item[]): Promise<Map<string, string>> {
  const labels = new Map<string, string>();
  const add = (base: string, target: string, label: string) => {
    const name = resolveName(base, target.split('#')[0] ?? '');
    if (label !== '' && !labels.has(name)) labels.set(name, label);
  };
  const nav = items.find(({ properties }) => /\bnav\b/.test(properties));
  const ncx = items.find(({ type }) => type === 'application/x-dtbncx+xml');
  // A book without a table of contents is read all the same.
  const list = nav === undefined ? undefined : await archive.xml(nav.name).catch(() => undefined);
  const toc = list && elements(list, 'nav').find((one) => /\btoc\b/.test(one.getAttribute('epub:type') ?? 'toc'));
  for (const link of toc === undefined ? [] : elements(toc, 'a')) {
    add(nav?.name ?? '', link.getAttribute('href') ?? '', plain(link.textContent));
  }
  const points = labels.size > 0 || ncx === undefined ? undefined : await archive.xml(ncx.name).catch(() => undefined);
  for (const point of points === undefined ? [] : elements(points, 'navPoint')) {
    const [target] = elements(point, 'content');
    add(ncx?.name ?? '', target?.getAttribute('src') ?? '', plain(elements(point, 'text')[0]?.textContent));
  }
  return labels;
}

/** Shops sell books that only their readers open. */
async function refuseProtected(archive: Archive): Promise<void> {
  const encryption = await archive.xml('META-INF/encryption.xml');
  const methods = encryption === undefined ? [] : elements(encryption, 'EncryptionMethod');
  if (methods.every((method) => fontObfuscation.test(method.getAttribute('Algorithm') ?? ''))) return;
  throw new UnreadableFile('it is encrypted: only the reader it was sold for opens it', 'ENCRYPTED');
}
