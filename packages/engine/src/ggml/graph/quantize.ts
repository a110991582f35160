/**
 * Converts rows of floats to any of ggml's element types and back, by ggml's own reference conversions.
 *
 * Rows are contiguous and of equal length. Needs loadLibrary() first.
 */
import koffi, { type TypeObject } from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { library } from '../ffi/library.ts';
import { rowBytes, TensorType, typeName, typeTraits } from './tensor.ts';

interface Calls {
  readonly quantize: (
    type: number,
    from: Float32Array,
    to: Uint8Array,
    start: number,
    rows: number,
    rowElements: number,
    importance: null,
  ) => number | bigint;
  readonly needsImportance: (type: number) => boolean;
  readonly traits: (type: number) => bigint;
  readonly traitsType: TypeObject;
  readonly toFloatType: TypeObject;
}
let bound: Calls | undefined;

function calls(): Calls {
  if (bound === undefined) {
    const { base } = library();
    const bind = (signature: string) => base.func(signature) as never;
    bound = {
      quantize: bind(
        'size_t ggml_quantize_chunk(int type, const float *src, _Out_ uint8_t *dst, int64_t start, int64_t nrows, int64_t n_per_row, const float *imatrix)',
      ),
      needsImportance: bind('bool ggml_quantize_requires_imatrix(int type)'),
      traits: bind('void *ggml_get_type_traits(int type)'),
      traitsType: koffi.struct({
        type_name: 'const char *',
        blck_size: 'int64_t',
        blck_size_interleave: 'int64_t',
        type_size: 'size_t',
        is_quantized: 'bool',
        to_float: 'void *',
        from_float_ref: 'void *',
      }),
      toFloatType: koffi.proto('void', ['const uint8_t *', koffi.out('float *'), 'int64_t']),
    };
  }
  return bound;
}

function checkRow(type: TensorType, rowElements: number): void {
  const { blockElements } = typeTraits(type);
  if (!Number.isInteger(rowElements) || rowElements < 1 || rowElements % blockElements !== 0) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `rows of ${rowElements} elements cannot be ${typeName(type)}: its blocks hold ${blockElements}`,
    );
  }
}

/**
 * @param values `[rows, rowElements]`
 * @returns the rows as they lie in a GGUF file
 * @throws INVALID_ARGUMENT when the type cannot hold such rows, needs an importance matrix, or a value is not finite.
 */
export function quantize(type: TensorType, values: Float32Array, rowElements: number): Uint8Array {
  checkRow(type, rowElements);
  const rows = values.length / rowElements;
  if (!Number.isInteger(rows)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `${values.length} values are not whole rows of ${rowElements}`);
  }
  const isInteger = type === TensorType.I32 || type === TensorType.I64;
  if (isInteger || calls().needsImportance(type)) {
    const reason = isInteger ? 'holds no floats' : 'needs an importance matrix';
    throw new BlockAttentionError('INVALID_ARGUMENT', `cannot convert to ${typeName(type)}: it ${reason}`);
  }
  // Some quantisers assert on what comes of NaN.
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new BlockAttentionError('INVALID_ARGUMENT', `value ${bad} is ${values[bad]}: only finite ones convert`);
  const out = new Uint8Array(rowBytes(type, rowElements) * rows);
  if (rows > 0) calls().quantize(type, values, out, 0, rows, rowElements, null);
  return out;
}

/** Address of the library's conversion of a type to floats, `void (*)(const void *, float *, int64_t)`; null for none. */
export function toFloatAddress(type: TensorType): bigint | null {
  const { traits, traitsType } = calls();
  return (koffi.decode(traits(type), traitsType) as { to_float: bigint | null }).to_float;
}

/**
 * @param bytes whole rows as they lie in a GGUF file
 * @returns `[rows, rowElements]`
 * @throws INVALID_ARGUMENT when the bytes are not whole rows, or the type has no floats.
 */
export function dequantize(type: TensorType, bytes: Uint8Array, rowElements: number): Float32Array {
  checkRow(type, rowElements);
  const rows = bytes.length / rowBytes(type, rowElements);
  if (!Number.isInteger(rows)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${bytes.length} bytes are not whole rows of ${rowElements} ${typeName(type)}`,
    );
  }
  const out = new Float32Array(rows * rowElements);
  if (rows === 0) return out;
  if (type === TensorType.F32) {
    new Uint8Array(out.buffer).set(bytes);
    return out;
  }
  const { traits, traitsType, toFloatType } = calls();
  const { to_float } = koffi.decode(traits(type), traitsType) as { to_float: bigint | null };
  if (to_float === null) throw new BlockAttentionError('INVALID_ARGUMENT', `${typeName(type)} holds no floats`);
  koffi.call(to_float, toFloatType, bytes, out, out.length);
  return out;
}
