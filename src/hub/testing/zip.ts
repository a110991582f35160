/** Zip archives and wheels for tests, well-formed or not. Entries are written exactly as told. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  name: string;
  data: Buffer;
  /** Compress; entries are stored as they are otherwise. */
  deflate?: boolean;
  /** Uncompressed size to declare instead of the true one. */
  declaredBytes?: number;
  encrypted?: boolean;
}

export function makeZip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const packed = entry.deflate ? deflateRawSync(entry.data) : entry.data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800 | (entry.encrypted ? 1 : 0), 2);
    common.writeUInt16LE(entry.deflate ? 8 : 0, 4);
    common.writeUInt16LE(0x21, 8); // 1 January 1980
    common.writeUInt32LE(crc32(entry.data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(entry.declaredBytes ?? entry.data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, rest, name]));
    files.push(local);
    offset += local.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, ...directory, end]);
}

/** A wheel with its metadata and, unless `record` says otherwise, an empty RECORD. */
export function makeWheel(
  name: string,
  version: string,
  entries: readonly ZipEntry[],
  options: { requires?: readonly string[]; record?: string; tag?: string } = {},
): Buffer {
  const module = name.replaceAll('-', '_');
  const info = `${module}-${version}.dist-info`;
  const requires = (options.requires ?? []).map((line) => `Requires-Dist: ${line}\n`).join('');
  const metadata = `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${requires}\nRequires-Dist: prose==1\n`;
  const wheel = `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${options.tag ?? 'py3-none-any'}\n`;
  return makeZip([
    ...entries,
    { name: `${info}/METADATA`, data: Buffer.from(metadata) },
    { name: `${info}/WHEEL`, data: Buffer.from(wheel) },
    { name: `${info}/RECORD`, data: Buffer.from(options.record ?? '') },
  ]);
}

export function wheelFileName(name: string, version: string, tag = 'py3-none-any'): string {
  return `${name.replaceAll('-', '_')}-${version}-${tag}.whl`;
}
