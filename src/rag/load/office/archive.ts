/**
 * Documents that are zip archives of XML: Word, PowerPoint, Excel, EPUB.
 *
 * What an archive declares is bounded before anything is unpacked, and no entry may unpack to more than it declares.
 */
import { DOMParser, type Document, type Element } from '@xmldom/xmldom';
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl';
import { decodeText } from '../decode-text.ts';
import { UnreadableFile } from '../document.ts';
import { declaredEncoding } from '../markup/html.ts';

const mostEntries = 20_000;
/** Of all entries that hold text, unpacked, in bytes. */
const mostTextBytes = 256 * 2 ** 20;
/** Pictures, sound and fonts are never unpacked. */
const media =
  /\.(png|jpe?g|gif|bmp|tiff?|emf|wmf|svg|webp|mp[34]|m4[av]|wav|avi|mov|wmv|[ot]tf|odttf|woff2?|bin|ico)$/i;
/** First bytes of the container that Office encrypts into, and that it wrote before 2007. */
const compoundFile = Buffer.from('d0cf11e0a1b11ae1', 'hex');

export class Archive {
  readonly names: readonly string[];
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(zip: ZipFile, entries: readonly Entry[]) {
    this.#zip = zip;
    this.#entries = new Map(entries.map((entry) => [entry.fileName, entry]));
    this.names = [...this.#entries.keys()];
  }

  /** @param what the file ought to be, for messages @throws UnreadableFile for what is not an archive, encrypted, or too large */
  static async open(bytes: Uint8Array, what: string): Promise<Archive> {
    const buffer = bufferOf(bytes);
    if (buffer.subarray(0, compoundFile.length).equals(compoundFile)) {
      if (buffer.includes(Buffer.from('EncryptedPackage', 'utf16le'))) throw encrypted();
      throw new UnreadableFile(`it is of a format before 2007: save it as ${what}`, 'UNSUPPORTED');
    }
    const entries: Entry[] = [];
    let zip: ZipFile;
    try {
      zip = await fromBufferPromise(buffer, { lazyEntries: true, autoClose: false });
      if (zip.entryCount > mostEntries) throw tooLarge(`${zip.entryCount} entries, more than ${mostEntries}`);
      for await (const entry of zip.eachEntry()) entries.push(entry);
    } catch (error) {
      throw error instanceof UnreadableFile ? error : damaged(error);
    }
    const unpacked = entries.reduce((sum, entry) => sum + (media.test(entry.fileName) ? 0 : entry.uncompressedSize), 0);
    if (unpacked > mostTextBytes) throw tooLarge(`${unpacked} bytes, more than ${mostTextBytes}`);
    if (entries.some((entry) => entry.isEncrypted())) throw encrypted();
    return new Archive(zip, entries);
  }

  /** The contents of an entry; undefined when there is none of that name. @throws UnreadableFile */
  async bytes(name: string): Promise<Buffer | undefined> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    try {
      const stream = await this.#zip.openReadStreamPromise(entry);
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    } catch (error) {
      throw damaged(error);
    }
  }

  async text(name: string): Promise<string | undefined> {
    const bytes = await this.bytes(name);
    return bytes && decodeText(bytes, declaredEncoding(bytes)).text;
  }

  /** An entry as XML; undefined when there is none of that name. @throws UnreadableFile */
  async xml(name: string): Promise<Document | undefined> {
    const text = await this.text(name);
    if (text === undefined) return undefined;
    try {
      return new DOMParser({ onError: () => {} }).parseFromString(text, 'text/xml');
    } catch (error) {
      throw damaged(error);
    }
  }
}

/** The same bytes, as libraries want them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The title in an Office file's properties; undefined where they cannot be had. */
export async function declaredTitle(archive: Archive): Promise<string | undefined> {
  const properties = await archive.xml('docProps/core.xml').catch(() => undefined);
  return properties && plain(elements(properties, 'title')[0]?.textContent);
}

/** Descendants of that name, in any namespace, in the order of the document. */
export function elements(within: Document | Element, name: string): Element[] {
  return Array.from(within.getElementsByTagNameNS('*', name));
}

/** Where a name that stands in `base` leads, within the archive. */
export function resolveName(base: string, name: string): string {
  const path = new URL(name, `file:///${base.split('/').map(encodeURIComponent).join('/')}`).pathname;
  try {
    return decodeURIComponent(path.slice(1));
  } catch {
    return path.slice(1);
  }
}

/** The text that runs through an element, a space for each white space. */
export function plain(text: string | null | undefined): string {
  return (text ?? '').replaceAll(/\s+/g, ' ').trim();
}

/** @param cause what a library says of it */
export function damaged(cause: unknown): UnreadableFile {
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]?.slice(0, 200);
  return new UnreadableFile(`it is damaged: ${reason}`, 'DAMAGED');
}

function encrypted(): UnreadableFile {
  return new UnreadableFile('it is encrypted with a password', 'ENCRYPTED');
}

function tooLarge(what: string): UnreadableFile {
  return new UnreadableFile(`it unpacks to ${what}`, 'TOO_LARGE');
}
