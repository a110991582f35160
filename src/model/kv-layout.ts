/**
 * How keys and values lie in memory, on disk and in every tier: one layout, read in place by every attention path.
 *
 * Per layer, one after the other:
 *   K [kvHeads][paddedTokens][headDim]   keys after QK-norm, rotated at local positions 0..n-1
 *   V [kvHeads][headDim][paddedTokens]   values, transposed
 * Tokens are padded to a multiple of 32 with zeros, so that quantised groups and vector loads never straddle a block.
 * Each array starts at a multiple of 64 bytes. native/src/block_attention.h declares the same layout.
 */
import { BlockAttentionError } from '../errors.ts';
import { rowBytes, TensorType, typeTraits } from '../ggml/tensor.ts';
import type { HyperParameters } from './hyper-parameters.ts';

/** Element type of stored keys and values. */
export type KvType = 'f32' | 'f16' | 'q8_0';

/** Part of every block's identity: change it when the meaning of a single byte changes. */
export const kvLayoutVersion = 1;

const tensorTypes: Record<KvType, TensorType> = {
  f32: TensorType.F32,
  f16: TensorType.F16,
  q8_0: TensorType.Q8_0,
};

export const tokenPadding = 32;
const alignment = 64;
const roundUp = (n: number, to: number) => Math.ceil(n / to) * to;

export class KvLayout {
  readonly type: KvType;
  readonly tensorType: TensorType;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;

  /** @throws INVALID_ARGUMENT when the model's head dimension does not divide into the type's groups. */
  constructor(hp: HyperParameters, type: KvType) {
    this.type = type;
    this.tensorType = tensorTypes[type];
    this.layers = hp.layers;
    this.kvHeads = hp.kvHeads;
    this.headDim = hp.headDim;
    const { blockElements } = typeTraits(this.tensorType);
    if (hp.headDim % blockElements !== 0) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `kvType ${type} needs a head dimension that is a multiple of ${blockElements}, this model has ${hp.headDim}: use f16`,
      );
    }
  }

  /** Tokens including padding. */
  padded(tokens: number): number {
    return roundUp(Math.max(tokens, 1), tokenPadding);
  }

  /** Bytes of one key row. */
  get keyRowBytes(): number {
    return rowBytes(this.tensorType, this.headDim);
  }

  #keyBytes(padded: number): number {
    return roundUp(this.kvHeads * padded * this.keyRowBytes, alignment);
  }

  #valueBytes(padded: number): number {
    return roundUp(this.kvHeads * this.headDim * rowBytes(this.tensorType, padded), alignment);
  }

  /** Bytes of a whole block of `tokens`, all layers. */
  blockBytes(tokens: number): number {
    const padded = this.padded(tokens);
    return this.layers * (this.#keyBytes(padded) + this.#valueBytes(padded));
  }

  /** Byte offset of a layer's K. */
  keyOffset(layer: number, tokens: number): number {
    const padded = this.padded(tokens);
    return layer * (this.#keyBytes(padded) + this.#valueBytes(padded));
  }

  /** Byte offset of a layer's V. */
  valueOffset(layer: number, tokens: number): number {
    return this.keyOffset(layer, tokens) + this.#keyBytes(this.padded(tokens));
  }

  /** Bytes of one layer's K, or of its V, without what aligns the next array. */
  arrayBytes(tokens: number): number {
    return this.kvHeads * this.padded(tokens) * this.keyRowBytes;
  }

  /** Bytes per token without padding, all layers: what capacity planning counts. */
  get bytesPerToken(): number {
    return this.blockBytes(tokenPadding) / tokenPadding;
  }
}
