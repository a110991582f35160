/**
 * All metadata of a GGUF file with its types, strings and arrays of strings included, as the writer takes it: for
 * writing a changed copy of a model. openGguf() is the checked way to read single values.
 */
import { open } from 'node:fs/promises';
import { BlockAttentionError } from '../../errors.ts';
import type { GgufFile } from './gguf-file.ts';
import type { GgufEntry } from './gguf-writer.ts';

const names = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'] as const;
type Value = number | bigint | boolean | string;

/** @param file one that openGguf() has read, so that its header is known to be whole */
export async function readGgufMetadata(file: GgufFile): Promise<Map<string, GgufEntry>> {
  const handle = await open(file.path, 'r');
  let header: Buffer;
  try {
    const own = [...file.tensors.values()].filter(({ part = 0 }) => part === 0);
    const end = Math.min((await handle.stat()).size, ...own.map(({ offset }) => offset));
    header = Buffer.alloc(end);
    for (let at = 0; at < end; ) {
      const { bytesRead } = await handle.read(header, at, Math.min(end - at, 1 << 28), at);
      if (bytesRead === 0) throw new BlockAttentionError('MODEL_INVALID', `${file.path} ended at byte ${at}`);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
  const reader = new Reader(header);
  reader.at = 16; // magic, version, number of tensors
  const entries = new Map<string, GgufEntry>();
  for (let left = reader.count(); left > 0; left--) {
    const key = reader.string();
    entries.set(key, reader.entry(reader.u32(), key));
  }
  return entries;
}

class Reader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u32(): number {
    this.at += 4;
    return this.#bytes.readUInt32LE(this.at - 4);
  }

  count(): number {
    this.at += 8;
    return Number(this.#bytes.readBigUInt64LE(this.at - 8));
  }

  string(): string {
    const length = this.count();
    this.at += length;
    return this.#bytes.toString('utf8', this.at - length, this.at);
  }

  entry(type: number, key: string): GgufEntry {
    const name = names[type];
    if (name === undefined) throw new BlockAttentionError('MODEL_INVALID', `key ${key} has value type ${type}`);
    if (name !== 'array') return { [name]: this.#value(name) } as GgufEntry;
    const element = names[this.u32()];
    if (element === undefined || element === 'array') {
      throw new BlockAttentionError('MODEL_UNSUPPORTED', `key ${key} holds arrays of arrays`);
    }
    const values = Array.from({ length: this.count() }, () => this.#value(element));
    return { array: { [element]: values } } as unknown as GgufEntry;
  }

  #value(name: Exclude<(typeof names)[number], 'array'>): Value {
    if (name === 'string') return this.string();
    const bytes = this.#bytes;
    const from = this.at;
    const size = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 }[name];
    this.at += size;
    switch (name) {
      case 'u8':
        return bytes.readUInt8(from);
      case 'i8':
        return bytes.readInt8(from);
      case 'bool':
        return bytes.readUInt8(from) !== 0;
      case 'u16':
        return bytes.readUInt16LE(from);
      case 'i16':
        return bytes.readInt16LE(from);
      case 'u32':
        return bytes.readUInt32LE(from);
      case 'i32':
        return bytes.readInt32LE(from);
      case 'f32':
        return bytes.readFloatLE(from);
      case 'f64':
        return bytes.readDoubleLE(from);
      case 'u64':
        return bytes.readBigUInt64LE(from);
      case 'i64':
        return bytes.readBigInt64LE(from);
    }
  }
}
