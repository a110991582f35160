/**
 * Reads a GGUF file: metadata and where each tensor's bytes lie. Loads no weights; knows no architecture.
 *
 * ggml's own parser reads the header; what it would only log is turned into a coded error, and every tensor is checked
 * to lie inside the file, so that a truncated download is refused here and not met as a bus error later.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import koffi from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { library, loadLibrary } from '../ffi/library.ts';
import { isTensorType, rowBytes, type Shape, type TensorType } from '../graph/tensor.ts';
import { joinParts } from './gguf-parts.ts';

export type GgufValue = number | bigint | boolean | string;

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly ne: Shape;
  /** Index of the file in which it lies. Defaults to 0. */
  readonly part?: number;
  /** Byte offset in that file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufFile {
  /** Of the file, the first of several. */
  readonly path: string;
  /** Of all files of the model, in order. */
  readonly paths: readonly string[];
  /** Of all files together. */
  readonly bytes: number;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Value of a scalar key, undefined when absent or an array. */
  value(key: string): GgufValue | undefined;
  /** Values of a numeric or boolean array key. */
  numbers(key: string): number[] | undefined;
  /** Number of elements of an array key. */
  arrayLength(key: string): number | undefined;
  /** All keys in the order of the file. */
  readonly keys: readonly string[];
}

const scalarGetters = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'str',
  null,
  'u64',
  'i64',
  'f64',
] as const;
const cTypes = {
  u8: 'uint8_t',
  i8: 'int8_t',
  u16: 'uint16_t',
  i16: 'int16_t',
  u32: 'uint32_t',
  i32: 'int32_t',
  f32: 'float',
  bool: 'bool',
  str: 'const char *',
  u64: 'uint64_t',
  i64: 'int64_t',
  f64: 'double',
} as const;
const arrayType = 9;

interface Calls {
  init(path: string, params: { no_alloc: boolean; ctx: null }): bigint | null;
  free(ctx: bigint): void;
  dataOffset(ctx: bigint): number;
  keyCount(ctx: bigint): number;
  keyAt(ctx: bigint, index: number): string;
  keyType(ctx: bigint, index: number): number;
  arrayType(ctx: bigint, index: number): number;
  arrayLength(ctx: bigint, index: number): number;
  arrayData(ctx: bigint, index: number): bigint;
  tensorCount(ctx: bigint): number;
  tensorName(ctx: bigint, index: number): string;
  tensorType(ctx: bigint, index: number): number;
  tensorShape(ctx: bigint, index: number): bigint;
  tensorOffset(ctx: bigint, index: number): number;
  scalars: Record<string, (ctx: bigint, index: number) => GgufValue>;
}
let bound: Calls | undefined;

function calls(): Calls {
  if (bound !== undefined) return bound;
  const { base } = library();
  koffi.struct('gguf_init_params', { no_alloc: 'bool', ctx: 'void *' });
  const f = <F>(signature: string) => base.func(signature) as unknown as F;
  const scalars: Calls['scalars'] = {};
  for (const [name, type] of Object.entries(cTypes)) {
    scalars[name] = f(`${type} gguf_get_val_${name}(void *ctx, int64_t i)`);
  }
  bound = {
    init: f('void *gguf_init_from_file(const char *path, gguf_init_params params)'),
    free: f('void gguf_free(void *ctx)'),
    dataOffset: f('size_t gguf_get_data_offset(void *ctx)'),
    keyCount: f('int64_t gguf_get_n_kv(void *ctx)'),
    keyAt: f('const char *gguf_get_key(void *ctx, int64_t i)'),
    keyType: f('int gguf_get_kv_type(void *ctx, int64_t i)'),
    arrayType: f('int gguf_get_arr_type(void *ctx, int64_t i)'),
    arrayLength: f('size_t gguf_get_arr_n(void *ctx, int64_t i)'),
    arrayData: f('void *gguf_get_arr_data(void *ctx, int64_t i)'),
    tensorCount: f('int64_t gguf_get_n_tensors(void *ctx)'),
    tensorName: f('const char *gguf_get_tensor_name(void *ctx, int64_t i)'),
    tensorType: f('int gguf_get_tensor_type(void *ctx, int64_t i)'),
    tensorShape: f('void *gguf_get_tensor_ne(void *ctx, int64_t i)'),
    tensorOffset: f('size_t gguf_get_tensor_offset(void *ctx, int64_t i)'),
    scalars,
  };
  return bound;
}

/**
 * Opens a GGUF file, with the others of a model in several files, of which it is the first.
 * @throws MODEL_NOT_FOUND when there is no readable file; MODEL_INVALID when it is not a whole, well-formed GGUF.
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const bytes = checkMagic(path);
  await loadLibrary();
  return joinParts(readFile(path, bytes), (part) => readFile(part, checkMagic(part)));
}

function readFile(path: string, bytes: number): GgufFile {
  const c = calls();
  const ctx = c.init(path, { no_alloc: true, ctx: null });
  if (ctx === null) {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${path}: the GGUF header is damaged or truncated: download it again`,
    );
  }
  try {
    const tensors = readTensors(c, ctx, path, bytes);
    const values = new Map<string, GgufValue | number[] | { readonly length: number }>();
    const count = Number(c.keyCount(ctx));
    for (let i = 0; i < count; i++) values.set(c.keyAt(ctx, i), readValue(c, ctx, i));
    return {
      path,
      paths: [path],
      bytes,
      tensors,
      keys: [...values.keys()],
      value(key) {
        const value = values.get(key);
        return typeof value === 'object' ? undefined : value;
      },
      numbers(key) {
        const value = values.get(key);
        return Array.isArray(value) ? value : undefined;
      },
      arrayLength(key) {
        const value = values.get(key);
        return typeof value === 'object' ? value.length : undefined;
      },
    };
  } finally {
    c.free(ctx);
  }
}

function checkMagic(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BlockAttentionError('MODEL_NOT_FOUND', `cannot open model ${path}: ${reason}`, { cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new BlockAttentionError('MODEL_NOT_FOUND', `${path} is not a file: give a .gguf file`);
    const head = Buffer.alloc(8);
    const read = readSync(fd, head, 0, 8, 0);
    if (read < 8 || head.toString('latin1', 0, 4) !== 'GGUF') {
      throw new BlockAttentionError(
        'MODEL_INVALID',
        `${path} is not a GGUF file: convert the model, or check the path`,
      );
    }
    const version = head.readUInt32LE(4);
    if (version !== 2 && version !== 3) {
      throw new BlockAttentionError('MODEL_INVALID', `${path} is GGUF version ${version}: versions 2 and 3 are read`);
    }
    return stat.size;
  } finally {
    closeSync(fd);
  }
}

function readTensors(c: Calls, ctx: bigint, path: string, fileBytes: number): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  const start = Number(c.dataOffset(ctx));
  const count = Number(c.tensorCount(ctx));
  for (let i = 0; i < count; i++) {
    const name = c.tensorName(ctx, i);
    const type = c.tensorType(ctx, i);
    if (!isTensorType(type)) {
      throw new BlockAttentionError(
        'MODEL_UNSUPPORTED',
        `${path}: tensor ${name} has element type ${type}, which is not supported`,
      );
    }
    const shape = koffi.decode(c.tensorShape(ctx, i), 'int64_t', 4) as (number | bigint)[];
    const [ne0 = 1, ne1 = 1, ne2 = 1, ne3 = 1] = Array.from(shape, Number);
    const size = rowBytes(type, ne0) * ne1 * ne2 * ne3;
    const offset = start + Number(c.tensorOffset(ctx, i));
    if (offset + size > fileBytes) {
      throw new BlockAttentionError(
        'MODEL_INVALID',
        `${path} is truncated: tensor ${name} ends at byte ${offset + size}, the file has ${fileBytes}: download it again`,
      );
    }
    tensors.set(name, { name, type, ne: [ne0, ne1, ne2, ne3], offset, bytes: size });
  }
  return tensors;
}

function readValue(c: Calls, ctx: bigint, index: number): GgufValue | number[] | { readonly length: number } {
  const type = c.keyType(ctx, index);
  if (type === arrayType) {
    const length = Number(c.arrayLength(ctx, index));
    const kind = scalarGetters[c.arrayType(ctx, index)];
    // Arrays of strings are the vocabulary, which libllama reads itself.
    if (kind === null || kind === undefined || kind === 'str') return { length };
    if (length === 0) return [];
    const values = koffi.decode(c.arrayData(ctx, index), cTypes[kind], length) as Iterable<number | bigint | boolean>;
    return Array.from(values, Number);
  }
  const kind = scalarGetters[type];
  const get = kind === null || kind === undefined ? undefined : c.scalars[kind];
  if (get === undefined) return { length: 0 };
  return get(ctx, index);
}
