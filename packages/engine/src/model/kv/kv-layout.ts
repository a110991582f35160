/**
 * How keys and values lie in memory, on disk and in every tier: one layout, read in place by every attention path.
 *
 * Per layer that has states of its own, one after the other:
 *   K [kvHeads][paddedTokens][headDim]   keys after QK-norm, rotated at local positions 0..n-1
 *   V [kvHeads][valueDim][paddedTokens]  values, transposed; none where a value is the end of its key (MLA)
 * Tokens are padded to a multiple of 32 with zeros, so that quantised groups and vector loads never straddle a block.
 * Each array starts at a multiple of 64 bytes. native/src/block_attention.h declares the same layout.
 *
 * Behind all of them, per layer with a short convolution: the inputs of the last tokens, f32 [tokens][channels], the oldest
 * first. Of fewer tokens than that, what stood before them, or zeros.
 */
import { BlockAttentionError } from '../../errors.ts';
import { rowBytes, TensorType, typeTraits } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import { type SlotShape, slotsOf } from '../architecture/layer-attention.ts';
import { type TailShape, tailsOf } from '../architecture/short-convolution.ts';

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
  /** What lies in each slot: most models have one a layer, and all alike. */
  readonly slots: readonly SlotShape[];
  /** What is kept for each layer with a short convolution; none for most models. */
  readonly tails: readonly TailShape[];
  /** Bytes of all tails: of a block of any length. */
  readonly tailBytes: number;
  /** Bytes of the slots before each, and of all, per padded token. */
  readonly #before: readonly number[];

  /** @throws INVALID_ARGUMENT when the model's head dimension does not divide into the type's groups. */
  constructor(hp: HyperParameters, type: KvType) {
    this.type = type;
    this.tensorType = tensorTypes[type];
    this.slots = slotsOf(hp.attention);
    this.tails = tailsOf(hp.convolutions);
    this.tailBytes = this.tails.reduce((sum, tail) => sum + bytesOfTail(tail), 0);
    const { blockElements } = typeTraits(this.tensorType);
    for (const { headDim, valueDim } of this.slots) {
      const odd = [headDim, valueDim].find((dims) => dims % blockElements !== 0);
      if (odd === undefined) continue;
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `kvType ${type} needs a head dimension that is a multiple of ${blockElements}, this model has ${odd}: use f16`,
      );
    }
    const before = [0];
    for (const shape of this.slots) {
      before.push((before.at(-1) ?? 0) + this.#keyBytes(shape) + this.#valueBytes(shape));
    }
    this.#before = before;
  }

  /** Tokens including padding. */
  padded(tokens: number): number {
    return roundUp(Math.max(tokens, 1), tokenPadding);
  }

  /** The shape of a slot. */
  shape(slot: number): SlotShape {
    const shape = this.slots[slot];
    if (shape === undefined) throw new Error(`slot ${slot} of ${this.slots.length}`);
    return shape;
  }

  // Per padded token. A multiple of 32 tokens of any type and shape is a multiple of the alignment.
  #keyBytes({ kvHeads, headDim }: SlotShape): number {
    return kvHeads * rowBytes(this.tensorType, headDim);
  }

  #valueBytes({ kvHeads, valueDim, valuesInKeys }: SlotShape): number {
    return valuesInKeys ? 0 : (kvHeads * valueDim * rowBytes(this.tensorType, tokenPadding)) / tokenPadding;
  }

  /** Bytes of a whole block of `tokens`, all layers. */
  blockBytes(tokens: number): number {
    return this.tailOffset(0, tokens) + this.tailBytes;
  }

  /** Byte offset of a tail; of the first, that of all of them. */
  tailOffset(tail: number, tokens: number): number {
    const before = this.tails.slice(0, tail).reduce((sum, shape) => sum + bytesOfTail(shape), 0);
    return this.padded(tokens) * this.bytesPerToken + before;
  }

  /** Byte offset of a slot's K. */
  keyOffset(slot: number, tokens: number): number {
    return this.padded(tokens) * (this.#before[slot] ?? 0);
  }

  /** Byte offset of a slot's V. */
  valueOffset(slot: number, tokens: number): number {
    return this.keyOffset(slot, tokens) + this.keyArrayBytes(slot, tokens);
  }

  /** Bytes of a slot's K. */
  keyArrayBytes(slot: number, tokens: number): number {
    return this.padded(tokens) * this.#keyBytes(this.shape(slot));
  }

  /** Bytes of a slot's V. */
  valueArrayBytes(slot: number, tokens: number): number {
    return this.padded(tokens) * this.#valueBytes(this.shape(slot));
  }

  /** Bytes per token without padding, all layers: what capacity planning counts, besides `tailBytes` of each block. */
  get bytesPerToken(): number {
    return this.#before.at(-1) ?? 0;
  }
}

function bytesOfTail({ tokens, channels }: TailShape): number {
  return roundUp(tokens * channels * 4, alignment);
}
