/**
 * The fused kernel's parameters in native memory: ba_params, ba_sequence, ba_block and ba_op of
 * native/src/block_attention.h, one set per layer.
 *
 * A graph keeps only the address of `op`. Its contents may change between computes, so one graph serves every token:
 * write() for other blocks or sequences, grow() for one more token. Not to be touched while a graph computes.
 */
import { BlockAttentionError } from '../../errors.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import type { TensorType } from '../graph/tensor.ts';
import { nativeKernelAbi } from './kernel-library.ts';

/** What all sequences of a layer have in common. */
export interface AttentionShape {
  /** A multiple of 8; with q8_0 of 32. */
  readonly headDim: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  /** Rotated dimensions: even, at most headDim; 0 for a layer without RoPE. */
  readonly rotated: number;
  /** Pairs are (i, i + rotated/2) instead of (2i, 2i+1). */
  readonly neox: boolean;
  /** Sliding window in tokens; 0 for none. */
  readonly window: number;
  /** Of the scores, normally 1/sqrt(headDim). */
  readonly scale: number;
  /** How many threads the work is cut for: the same number, the same bits, however many there are. */
  readonly cut: number;
  /** Scores s become softcap * tanh(s / softcap), after `scale`; 0 for none. */
  readonly softcap: number;
  /** Address of f32 [heads]: a score per head that takes its share of the sum and gives nothing; null for none. */
  readonly sinks: bigint | null;
  /** Values are the last so many elements of the keys, a multiple of 8; 0 where they lie apart. */
  readonly latent: number;
}

/** K and V of one layer of a block, where they lie. */
export interface AttentionBlock {
  /** Address of [kvHeads, paddedTokens, headDim], aligned to 64. */
  readonly keys: bigint;
  /** Address of [kvHeads, headDim, paddedTokens], aligned to 64; not read where values lie in the keys. */
  readonly values: bigint;
  /** Addresses of cos and sin, f32 [rotated/2], of (-start * frequency); null where the query is not rotated. */
  readonly cos: bigint | null;
  readonly sin: bigint | null;
  readonly tokens: number;
  /** A multiple of 32. */
  readonly paddedTokens: number;
  /** Position of its first token. */
  readonly start: number;
  /** F32, F16 or Q8_0. */
  readonly type: TensorType;
  /** Its first tokens that no query sees. Defaults to 0. */
  readonly hidden?: number | undefined;
}

/** One sequence: its queries are rows [row, row + queries) of q and of the result. */
export interface AttentionSequence {
  readonly blocks: readonly AttentionBlock[];
  readonly row: number;
  readonly queries: number;
  /** Position of the first query. */
  readonly position: number;
  /** Its own K and V, `tokens` counting this call's queries; cos and sin null. Causal. */
  readonly own: AttentionBlock;
}

const paramsBytes = 64;
const sequenceBytes = 80;
const blockBytes = 56;
const opBytes = 24;
const ownOffset = 24;
const little = true;

/** The most sequences, and blocks of all of them together, that write() will be given. */
export interface AttentionCapacity {
  readonly sequences: number;
  readonly blocks: number;
}

/** Parameters of one layer. Freed by its owner after the last compute. */
export class AttentionArguments implements Disposable {
  readonly #owned: NativeMemory | undefined;
  readonly #address: bigint;
  readonly #view: DataView;
  readonly #sequences: number;
  readonly #blocks: number;
  readonly #sequencesAt = paramsBytes;
  readonly #blocksAt: number;
  readonly #opAt: number;

  /** Bytes of one layer's parameters: a multiple of 8. */
  static bytes({ sequences, blocks }: AttentionCapacity): number {
    return paramsBytes + sequences * sequenceBytes + blocks * blockBytes + opBytes;
  }

  /** @param place where in memory of the caller's that outlives this; defaults to memory of its own */
  constructor(shape: AttentionShape, capacity: AttentionCapacity, place?: { memory: NativeMemory; offset: number }) {
    this.#sequences = capacity.sequences;
    this.#blocks = capacity.blocks;
    this.#blocksAt = this.#sequencesAt + capacity.sequences * sequenceBytes;
    this.#opAt = this.#blocksAt + capacity.blocks * blockBytes;
    const size = AttentionArguments.bytes(capacity);
    const { memory, offset } = place ?? { memory: allocateMemory(size), offset: 0 };
    this.#owned = place === undefined ? memory : undefined;
    this.#address = memory.address + BigInt(offset);
    this.#view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset + offset, size);
    const { headDim, heads, kvHeads, rotated, neox, window, scale, cut, softcap, sinks, latent } = shape;
    const numbers = [nativeKernelAbi, headDim, heads, kvHeads, rotated, neox ? 1 : 0, 0, window];
    numbers.forEach((value, index) => {
      this.#view.setInt32(index * 4, value, little);
    });
    this.#view.setFloat32(32, scale, little);
    this.#view.setInt32(36, cut, little);
    this.#view.setFloat32(40, softcap, little);
    this.#view.setInt32(44, latent, little);
    this.#pointer(48, this.#address + BigInt(this.#sequencesAt));
    this.#pointer(56, sinks ?? 0n);
    this.#pointer(this.#opAt, this.params);
  }

  /** Address of the ba_params. */
  get params(): bigint {
    return this.#address;
  }

  /** Address of the ba_op: the userdata of both graph nodes. */
  get op(): bigint {
    return this.#address + BigInt(this.#opAt);
  }

  /**
   * Memory for partial results, aligned to 64, its first 64 bytes zero before the first use; layers that run one after the
   * other may share it.
   */
  setScratch({ address, size }: Pick<NativeMemory, 'address' | 'size'>): void {
    this.#pointer(this.#opAt + 8, address);
    this.#view.setBigInt64(this.#opAt + 16, BigInt(size), little);
  }

  /** Replaces all sequences. @throws INVALID_ARGUMENT when they exceed the capacity. */
  write(sequences: readonly AttentionSequence[]): void {
    const blocks = sequences.reduce((sum, sequence) => sum + sequence.blocks.length, 0);
    if (sequences.length > this.#sequences || blocks > this.#blocks) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `${sequences.length} sequences with ${blocks} blocks exceed the arguments' capacity of ${this.#sequences} with ${this.#blocks}`,
      );
    }
    this.#view.setInt32(24, sequences.length, little);
    let blockAt = this.#blocksAt;
    sequences.forEach(({ blocks: context, row, queries, position, own }, index) => {
      const at = this.#sequencesAt + index * sequenceBytes;
      this.#pointer(at, this.#address + BigInt(blockAt));
      this.#view.setInt32(at + 8, context.length, little);
      this.#view.setInt32(at + 12, row, little);
      this.#view.setInt32(at + 16, queries, little);
      this.#view.setInt32(at + 20, position, little);
      this.#block(at + ownOffset, own);
      for (const block of context) {
        this.#block(blockAt, block);
        blockAt += blockBytes;
      }
    });
  }

  /** Moves a written sequence on: its first query's position, and the own tokens including this call's queries. */
  grow(sequence: number, position: number, ownTokens: number): void {
    if (sequence < 0 || sequence >= this.#view.getInt32(24, little)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `sequence ${sequence} has not been written`);
    }
    const at = this.#sequencesAt + sequence * sequenceBytes;
    this.#view.setInt32(at + 20, position, little);
    this.#view.setInt32(at + ownOffset + 32, ownTokens, little);
  }

  free(): void {
    this.#owned?.free();
  }

  [Symbol.dispose](): void {
    this.free();
  }

  #block(at: number, block: AttentionBlock): void {
    this.#pointer(at, block.keys);
    this.#pointer(at + 8, block.values);
    this.#pointer(at + 16, block.cos ?? 0n);
    this.#pointer(at + 24, block.sin ?? 0n);
    this.#view.setInt32(at + 32, block.tokens, little);
    this.#view.setInt32(at + 36, block.paddedTokens, little);
    this.#view.setInt32(at + 40, block.start, little);
    this.#view.setInt32(at + 44, block.type, little);
    this.#view.setInt32(at + 48, block.hidden ?? 0, little);
  }

  #pointer(at: number, address: bigint): void {
    this.#view.setBigUint64(at, address, little);
  }
}
