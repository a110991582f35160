/**
 * What a tensor looks like from TypeScript: an address, an element type and a shape.
 *
 * Shapes are in ggml's order: ne[0] is the contiguous dimension. A comment `[headDim, heads, tokens]` therefore lists
 * the innermost dimension first, everywhere in src/ggml and src/model.
 */
import { library } from '../ffi/library.ts';

/** ggml's numbers of element types (enum ggml_type). */
export const TensorType = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  I32: 26,
  I64: 27,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
} as const;
export type TensorType = (typeof TensorType)[keyof typeof TensorType];

export type Shape = readonly [number, number, number, number];

/** A tensor of a graph. Valid as long as the context it was made in. */
export interface Tensor {
  readonly address: bigint;
  readonly type: TensorType;
  /** Elements per dimension, innermost first. */
  readonly ne: Shape;
  /** Bytes between elements per dimension. */
  readonly nb: Shape;
}

export function isTensorType(type: number): type is TensorType {
  return Object.values(TensorType).some((value) => value === type);
}

export function typeName(type: TensorType): string {
  return Object.entries(TensorType).find(([, value]) => value === type)?.[0] ?? String(type);
}

interface TypeTraits {
  /** Elements that share one scale: 1 for plain types. */
  readonly blockElements: number;
  readonly blockBytes: number;
}
const traits = new Map<TensorType, TypeTraits>();

/** Layout of an element type, asked of the library once. */
export function typeTraits(type: TensorType): TypeTraits {
  let found = traits.get(type);
  if (found === undefined) {
    const { base } = library();
    const blockSize = base.func('int64_t ggml_blck_size(int type)') as (type: number) => number | bigint;
    const typeSize = base.func('size_t ggml_type_size(int type)') as (type: number) => number | bigint;
    found = { blockElements: Number(blockSize(type)), blockBytes: Number(typeSize(type)) };
    traits.set(type, found);
  }
  return found;
}

/** Bytes of a row of `elements`; elements must be a multiple of the type's block. */
export function rowBytes(type: TensorType, elements: number): number {
  const { blockElements, blockBytes } = typeTraits(type);
  return (elements / blockElements) * blockBytes;
}

/** Strides of a contiguous tensor. */
export function contiguousStrides(type: TensorType, ne: Shape): Shape {
  const nb0 = typeTraits(type).blockBytes;
  const nb1 = rowBytes(type, ne[0]);
  return [nb0, nb1, nb1 * ne[1], nb1 * ne[1] * ne[2]];
}

export function elementCount(ne: Shape): number {
  return ne[0] * ne[1] * ne[2] * ne[3];
}

export function byteSize(tensor: { readonly type: TensorType; readonly ne: Shape }): number {
  return rowBytes(tensor.type, tensor.ne[0]) * tensor.ne[1] * tensor.ne[2] * tensor.ne[3];
}
