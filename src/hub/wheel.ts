/**
 * Reading a wheel (a zip archive) that nobody vouches for.
 *
 * Names inside it are compared, never used as paths: the caller says where bytes go. Archives with names that would
 * leave their folder are refused whole. Sizes are bounded by what the archive declares, which zlib may not exceed,
 * and what it declares is bounded by the ratio weights can be compressed by.
 */
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { SourceError, throwIfAborted } from './source-error.ts';

/** Quantised weights hardly shrink; runs of zeros in a real file never make up nearly all of it. */
const maxRatio = 200;
const maxEntries = 100_000;
const maxTextBytes = 16 << 20;

export interface WheelEntry {
  /** Path within the archive. */
  readonly name: string;
  /** Size once unpacked, in bytes. */
  readonly bytes: number;
}

export class Wheel implements Disposable {
  readonly entries: readonly WheelEntry[];
  readonly #zip: ZipFile;
  readonly #byName: ReadonlyMap<string, Entry>;

  private constructor(zip: ZipFile, entries: readonly Entry[]) {
    this.#zip = zip;
    this.#byName = new Map(entries.map((entry) => [entry.fileName, entry]));
    this.entries = entries.map((entry) => ({ name: entry.fileName, bytes: entry.uncompressedSize }));
  }

  /** @throws SourceError MODEL_INVALID for a file that is not an archive, or one that is not to be trusted */
  static async open(path: string): Promise<Wheel> {
    let zip: ZipFile | undefined;
    try {
      zip = await openPromise(path, { autoClose: false, lazyEntries: true, strictFileNames: true });
      if (zip.entryCount > maxEntries) throw new Error(`it has ${zip.entryCount} entries`);
      return new Wheel(zip, await readEntries(zip));
    } catch (cause) {
      zip?.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SourceError(`the wheel cannot be read: ${reason}`, { code: 'MODEL_INVALID', cause });
    }
  }

  /** The text of a small entry; undefined when there is none of that name. */
  async readText(name: string): Promise<string | undefined> {
    const entry = this.#byName.get(name);
    if (entry === undefined) return undefined;
    if (entry.uncompressedSize > maxTextBytes) throw invalid(`'${name}' has ${entry.uncompressedSize} bytes`);
    const chunks: Buffer[] = [];
    await this.extract(name, async (chunk) => {
      chunks.push(Buffer.from(chunk));
    });
    return Buffer.concat(chunks).toString('utf8');
  }

  /**
   * Streams one entry to `write`, which is awaited piece by piece.
   * @throws SourceError MODEL_INVALID when the entry is damaged, encrypted, or absurdly compressed; what `write` throws
   */
  async extract(name: string, write: (chunk: Uint8Array) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const entry = this.#byName.get(name);
    if (entry === undefined) throw invalid(`it has no '${name}'`);
    if (entry.uncompressedSize > maxRatio * entry.compressedSize + maxTextBytes) {
      throw invalid(`'${name}' would grow from ${entry.compressedSize} to ${entry.uncompressedSize} bytes`);
    }
    if (!entry.canDecodeFileData()) throw invalid(`'${name}' is encrypted or packed in an unknown way`);
    let writing: unknown;
    try {
      const stream = await this.#zip.openReadStreamPromise(entry);
      await pipeline(stream, async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const chunk of chunks) {
          throwIfAborted(signal);
          await write(chunk).catch((error: unknown) => {
            writing = error;
            throw error;
          });
        }
      });
    } catch (cause) {
      throwIfAborted(signal);
      if (writing !== undefined) throw writing;
      throw invalid(`'${name}' is damaged: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  [Symbol.dispose](): void {
    this.#zip.close();
  }
}

async function readEntries(zip: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = [];
  const names = new Set<string>();
  for await (const entry of zip.eachEntry()) {
    if (names.has(entry.fileName)) throw new Error(`it has '${entry.fileName}' twice`);
    names.add(entry.fileName);
    entries.push(entry);
  }
  return entries;
}

function invalid(reason: string): SourceError {
  return new SourceError(`the wheel cannot be used: ${reason}`, { code: 'MODEL_INVALID' });
}
