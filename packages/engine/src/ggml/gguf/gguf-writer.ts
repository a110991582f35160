/**
 * Writes a GGUF file (version 3, little-endian): metadata, then tensors, one at a time, so that a model larger than
 * memory can be written. Knows the container only, no architecture.
 *
 * The file appears under its name when it is whole and synced; a failure leaves nothing behind.
 */
import type { FileHandle } from 'node:fs/promises';
import { BlockAttentionError } from '../../errors.ts';
import { replaceFile, writeAll } from '../../platform/index.ts';
import { loadLibrary } from '../ffi/library.ts';
import { byteSize, type Shape, type TensorType, typeName, typeTraits } from '../graph/tensor.ts';

const scalarTypes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;
const arrayType = 9;
const numberBytes = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 } as const;

type NumberType = Exclude<keyof typeof scalarTypes, 'bool' | 'string'>;

/** Types of a file's metadata, with what stands for a value of each. */
export interface GgufValues {
  readonly u8: number | bigint;
  readonly i8: number | bigint;
  readonly u16: number | bigint;
  readonly i16: number | bigint;
  readonly u32: number | bigint;
  readonly i32: number | bigint;
  readonly f32: number | bigint;
  readonly u64: number | bigint;
  readonly i64: number | bigint;
  readonly f64: number | bigint;
  readonly bool: boolean;
  readonly string: string;
}

/** A metadata value with its type in the file, e.g. `{ u32: 2 }`, `{ string: 'llama' }`, `{ array: { f32: [1, 2] } }`. */
export type GgufEntry =
  | { [T in keyof GgufValues]: { readonly [Q in T]: GgufValues[T] } }[keyof GgufValues]
  | { readonly array: { [T in keyof GgufValues]: { readonly [Q in T]: Iterable<GgufValues[T]> } }[keyof GgufValues] };

export interface GgufTensorSource {
  readonly name: string;
  readonly type: TensorType;
  /** Elements per dimension, innermost first; trailing ones may be left out. */
  readonly ne: readonly number[];
  /** The tensor's bytes. Called once, when its turn comes; may give them in pieces. */
  data(): Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

const alignment = 32;
const maxNameBytes = 63;

/**
 * @param metadata keys in the order they are written; `general.architecture` comes first by convention
 * @throws INVALID_ARGUMENT when names repeat or are too long, rows do not fit their type, or a tensor's data has
 *   another size than its shape; the system's error when the file cannot be written.
 */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly GgufTensorSource[],
): Promise<void> {
  await loadLibrary();
  const header = encodeHeader(metadata, tensors);
  const write = async (file: FileHandle) => {
    await writeAll(file, header);
    await writeAll(file, padding(header.length));
    for (const tensor of tensors) await writeTensor(file, tensor);
  };
  await replaceFile(path, write, { mode: 0o666 });
}

function encodeHeader(metadata: ReadonlyMap<string, GgufEntry>, tensors: readonly GgufTensorSource[]): Buffer {
  const out = new ByteWriter();
  out.raw(Buffer.from('GGUF', 'latin1'));
  out.number('u32', 3);
  out.number('u64', tensors.length);
  out.number('u64', metadata.size);
  for (const [key, entry] of metadata) {
    out.string(key);
    out.entry(key, entry);
  }
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    checkName(tensor.name, names);
    out.string(tensor.name);
    out.number('u32', tensor.ne.length);
    for (const n of tensor.ne) out.number('u64', n);
    out.number('u32', tensor.type);
    out.number('u64', offset);
    const size = tensorBytes(tensor);
    offset += size + padding(size).length;
  }
  return out.finish();
}

function checkName(name: string, seen: Set<string>): void {
  if (name === '' || Buffer.byteLength(name) > maxNameBytes || seen.has(name)) {
    const why = seen.has(name) ? 'is used twice' : `is not 1 to ${maxNameBytes} bytes long`;
    throw new BlockAttentionError('INVALID_ARGUMENT', `tensor name ${JSON.stringify(name)} ${why}`);
  }
  seen.add(name);
}

function tensorBytes(tensor: GgufTensorSource): number {
  const [ne0 = 1, ne1 = 1, ne2 = 1, ne3 = 1, ...rest] = tensor.ne;
  const ne: Shape = [ne0, ne1, ne2, ne3];
  const whole = ne.every((n) => Number.isSafeInteger(n) && n > 0);
  if (rest.length > 0 || !whole || ne0 % typeTraits(tensor.type).blockElements !== 0) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `tensor ${tensor.name} cannot be ${typeName(tensor.type)} of shape [${tensor.ne.join(', ')}]`,
    );
  }
  return byteSize({ type: tensor.type, ne });
}

async function writeTensor(file: FileHandle, tensor: GgufTensorSource): Promise<void> {
  const data = tensor.data();
  let written = 0;
  for await (const piece of data instanceof Uint8Array ? [data] : data) {
    await writeAll(file, piece);
    written += piece.length;
  }
  const expected = tensorBytes(tensor);
  if (written !== expected) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `tensor ${tensor.name} has ${written} bytes of data, its shape takes ${expected}`,
    );
  }
  await writeAll(file, padding(written));
}

function padding(size: number): Uint8Array {
  return new Uint8Array((alignment - (size % alignment)) % alignment);
}

/** Appends GGUF's primitives to a growing buffer. */
class ByteWriter {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  raw(bytes: Uint8Array): void {
    const start = this.#reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  string(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    this.number('u64', bytes.length);
    this.raw(bytes);
  }

  number(type: NumberType, value: number | bigint): void {
    const at = this.#reserve(numberBytes[type]);
    // Only now: reserving may have moved the bytes.
    const bytes = this.#bytes;
    const n = Number(value);
    if (type === 'u8') bytes.writeUInt8(n, at);
    else if (type === 'i8') bytes.writeInt8(n, at);
    else if (type === 'u16') bytes.writeUInt16LE(n, at);
    else if (type === 'i16') bytes.writeInt16LE(n, at);
    else if (type === 'u32') bytes.writeUInt32LE(n, at);
    else if (type === 'i32') bytes.writeInt32LE(n, at);
    else if (type === 'f32') bytes.writeFloatLE(n, at);
    else if (type === 'f64') bytes.writeDoubleLE(n, at);
    else if (type === 'u64') bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeBigInt64LE(BigInt(value), at);
  }

  entry(key: string, entry: GgufEntry): void {
    if (!('array' in entry)) {
      const [type, value] = typed<number | bigint | boolean | string>(key, entry);
      this.number('u32', scalarTypes[type]);
      this.#value(type, value);
      return;
    }
    const [type, values] = typed<Iterable<number | bigint | boolean | string>>(key, entry.array);
    const list = [...values];
    this.number('u32', arrayType);
    this.number('u32', scalarTypes[type]);
    this.number('u64', list.length);
    for (const value of list) this.#value(type, value);
  }

  #value(type: keyof typeof scalarTypes, value: number | bigint | boolean | string): void {
    if (type === 'string') this.string(String(value));
    else if (type === 'bool') this.number('u8', value === true ? 1 : 0);
    else this.number(type, typeof value === 'bigint' ? value : Number(value));
  }

  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }
}

function typed<V>(key: string, entry: object): [keyof typeof scalarTypes, V] {
  const [pair] = Object.entries(entry);
  if (pair === undefined || !(pair[0] in scalarTypes)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `key ${key} has no type GGUF knows`);
  }
  return [pair[0] as keyof typeof scalarTypes, pair[1] as V];
}
