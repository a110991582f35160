/**
 * A store's folder as one file, and back: a plain tar of the block files.
 *
 * An archive is not trusted: names in it are ignored, and a block is taken only when it checks out. By hand, since of the
 * libraries that do not bring native code none promises two things: an entry is read by its place in the file, never held
 * more than once, and a size that the file does not have is refused before memory is asked for.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { BlockAttentionError } from '../../errors.ts';
import { replaceFile, writeAll } from '../../platform/index.ts';
import { checkImage } from '../block/block-file.ts';
import { createSeal } from '../block/seal.ts';
import { blockPath, fileExists, isMissing, listBlocks, writeAtomically } from './disk-files.ts';

const recordBytes = 512;
/** What eleven octal digits can say. */
const maxEntryBytes = 8 ** 11 - 1;

export interface ExportReport {
  readonly blocks: number;
  readonly bytes: number;
}

/** Writes all blocks of a folder, as they are, to a new file that only its owner can read. */
export async function exportFolder(directory: string, file: string): Promise<ExportReport> {
  let blocks = 0;
  let bytes = 0;
  await replaceFile(file, async (target) => {
    for await (const { key, path, usedAtMs } of listBlocks(directory)) {
      const image = await readFile(path).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (image === undefined || image.byteLength > maxEntryBytes) continue;
      await writeAll(target, tarHeader(`${key.slice(0, 2)}/${key}.kv`, image.byteLength, usedAtMs));
      await writeAll(target, image);
      await writeAll(target, Buffer.alloc(padding(image.byteLength)));
      blocks += 1;
      bytes += image.byteLength;
    }
    await writeAll(target, Buffer.alloc(2 * recordBytes));
  });
  return { blocks, bytes };
}

export interface ImportReport {
  readonly imported: number;
  /** Already in the folder. */
  readonly present: number;
  /** Entries that are not a block, or a damaged one. */
  readonly refused: number;
}

/**
 * Adds the blocks of an archive to a folder. Sealed ones are taken unopened unless the key is given to check them.
 * @throws STORE_INVALID when the file is not an archive, or ends in the middle of one.
 */
export async function importArchive(
  directory: string,
  file: string,
  options: { readonly storeKey?: Uint8Array | undefined } = {},
): Promise<ImportReport> {
  const seal = options.storeKey === undefined ? undefined : createSeal(options.storeKey);
  const report = { imported: 0, present: 0, refused: 0 };
  const source = await open(file, 'r');
  try {
    for await (const image of entries(source, file)) {
      const { header, state } = await checkImage(image, undefined, seal);
      if (header === undefined || (state !== 'whole' && state !== 'sealed')) {
        report.refused += 1;
        continue;
      }
      const path = blockPath(directory, header.key);
      if (await fileExists(path)) report.present += 1;
      else {
        await writeAtomically(directory, path, [image]);
        report.imported += 1;
      }
    }
  } finally {
    await source.close();
  }
  return report;
}

/** The contents of a tar's entries. */
async function* entries(source: FileHandle, file: string): AsyncGenerator<Buffer> {
  const { size } = await source.stat();
  const header = Buffer.alloc(recordBytes);
  const broken = (at: number, what: string) =>
    new BlockAttentionError('STORE_INVALID', `${file} is not a whole archive: ${what} at byte ${at}: export it again`);
  for (let at = 0; ; ) {
    const { bytesRead } = await source.read(header, 0, recordBytes, at);
    if (bytesRead < recordBytes) throw broken(at, 'it ends');
    if (header.every((byte) => byte === 0)) return;
    const bytes = entryBytes(header);
    if (bytes === undefined) throw broken(at, 'there is no entry');
    at += recordBytes;
    if (at + bytes > size) throw broken(at, `an entry of ${bytes} bytes exceeds the file`);
    const image = Buffer.alloc(bytes);
    for (let have = 0; have < bytes; ) {
      const part = await source.read(image, have, Math.min(bytes - have, 1 << 28), at + have);
      if (part.bytesRead === 0) throw broken(at + have, 'it ends');
      have += part.bytesRead;
    }
    yield image;
    at += bytes + padding(bytes);
  }
}

function padding(bytes: number): number {
  return (recordBytes - (bytes % recordBytes)) % recordBytes;
}

function octal(value: number, digits: number): string {
  return `${Math.floor(value).toString(8).padStart(digits, '0')}\0`;
}

/** A POSIX ustar header. */
function tarHeader(name: string, bytes: number, modifiedMs: number): Buffer {
  const header = Buffer.alloc(recordBytes);
  header.write(name, 0);
  header.write(octal(0o600, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(bytes, 11), 124);
  header.write(octal(modifiedMs / 1000, 11), 136);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function entryBytes(header: Buffer): number | undefined {
  const stated = Number.parseInt(header.toString('latin1', 148, 156), 8);
  const bytes = Number.parseInt(header.toString('latin1', 124, 136), 8);
  return stated === checksum(header) && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}

/** Sum of the header's bytes, its own field counted as spaces. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 32 : byte;
  return sum;
}
