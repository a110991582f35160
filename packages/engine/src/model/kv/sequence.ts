/**
 * A run of tokens with keys and values of its own, after any number of context blocks that others may share.
 *
 * It is a prompt's final block with what is generated after it; or, without context, a block being encoded: the own
 * cache then is the block's stored image. The own cache is causal and private. Context blocks are only read: their
 * memory belongs to whoever pinned them and must stay valid until the sequence is disposed.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Backend, TensorMemory } from '../../ggml/device/backend.ts';
import type { KvLayout } from './kv-layout.ts';
import { RowStates } from './row-states.ts';

/** A context block of a sequence. */
export interface ContextBlock {
  /** Its bytes, where the device reads them; of a sequence of rows, which has copied them, where they lay. */
  readonly memory: TensorMemory;
  /** How they lie, where that is not as the model's blocks do. */
  readonly layout?: KvLayout | undefined;
  readonly tokens: number;
  /** Position of its first token in the prompt. */
  readonly start: number;
  /** Its first tokens that the sequence does not see. Defaults to 0. */
  readonly hidden?: number | undefined;
}

/** A place in a sequence. */
export interface SequenceMark {
  /** Own tokens before it. */
  readonly length: number;
  /** Tails of short convolutions there, as they lie in the own cache. */
  readonly tails: Uint8Array;
}

export class Sequence {
  readonly blocks: readonly ContextBlock[];
  /** Position of the first own token: the tokens of all context blocks, unless placed otherwise. */
  readonly contextTokens: number;
  /** Layout of the own cache: never quantised, since it grows token by token. */
  readonly layout: KvLayout;
  /** Most own tokens. */
  readonly capacity: number;
  /**
   * Where the states lie as rows: those of the context, copied and turned to their places, in the first `contextRows`,
   * the own ones behind. Undefined where there is a `memory`.
   */
  readonly rows: RowStates | undefined;
  readonly #memory: TensorMemory | undefined;
  readonly #backend: Backend;
  #owned: { free(): void } | undefined;
  #length = 0;
  #computing = false;

  /**
   * @param blocks in prompt order; positions follow from their token counts
   * @param capacity most own tokens; rounded up
   * @param target zeroed memory to use as own cache, which the caller keeps; or rows that hold all of `blocks` and have
   *   room for the own tokens, which the sequence takes over. Memory is allocated when absent
   * @param places positions other than those: the start of each block, none after `first`, which is the position of the
   *   first own token. They may be negative
   */
  constructor(
    backend: Backend,
    layout: KvLayout,
    blocks: readonly Omit<ContextBlock, 'start'>[],
    capacity: number,
    target?: TensorMemory | RowStates,
    places?: { readonly starts: readonly number[]; readonly first: number },
  ) {
    let end = 0;
    this.#backend = backend;
    this.blocks = blocks.map(({ memory, layout: stored, tokens, hidden }, index) => {
      const block = { memory, layout: stored, tokens, start: places?.starts[index] ?? end, hidden };
      end += tokens;
      return block;
    });
    this.contextTokens = places?.first ?? end;
    this.layout = layout;
    if (target instanceof RowStates) {
      this.rows = target;
      this.#owned = target;
      this.capacity = target.capacity - end;
      return;
    }
    this.capacity = layout.padded(capacity);
    const owned = target === undefined ? backend.allocateMemory(layout.blockBytes(this.capacity)) : undefined;
    this.#owned = owned;
    this.#memory = owned ?? target;
  }

  /** The own cache, in `layout` with `capacity` tokens. */
  get memory(): TensorMemory {
    if (this.#memory === undefined) throw new Error('the states of this sequence lie in rows');
    return this.#memory;
  }

  /** Rows that the context takes, where states lie as rows. */
  get contextRows(): number {
    return this.blocks.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** Own tokens so far. */
  get length(): number {
    return this.#length;
  }

  /** Position of the next token. */
  get position(): number {
    return this.contextTokens + this.#length;
  }

  /** Keys that the next token sees besides itself: all context, and the own ones. */
  get keys(): number {
    return this.#length + this.contextRows;
  }

  /** Bytes of the own cache, or of all rows. */
  get bytes(): number {
    return this.rows?.bytes ?? this.layout.blockBytes(this.capacity);
  }

  /**
   * Its tails are about to be moved on: until the tokens are counted they may be anyone's.
   * @throws COMPUTE_FAILED where that happened before and came to no end
   */
  begin(): void {
    if (this.#computing) {
      throw new BlockAttentionError('COMPUTE_FAILED', 'a pass over a sequence of tokens failed half-way: ask again');
    }
    this.#computing = true;
  }

  /** Counts tokens as written. @throws CONTEXT_OVERFLOW beyond the capacity. */
  advance(tokens: number): void {
    if (this.#length + tokens > this.capacity) {
      throw new BlockAttentionError(
        'CONTEXT_OVERFLOW',
        `sequence holds ${this.#length} of ${this.capacity} tokens, ${tokens} more do not fit`,
      );
    }
    this.#length += tokens;
    this.#computing = false;
  }

  /**
   * Whether it has all that goes on from its first `tokens` own tokens: of keys and values always, of the tails of short
   * convolutions only what stands behind its last one.
   */
  holds(tokens: number): boolean {
    if (tokens > this.#length) return false;
    return this.layout.tails.length === 0 || (tokens === this.#length && !this.#computing);
  }

  /** What is needed to come back to where it is now. Nothing may be computing it. */
  mark(): SequenceMark {
    const tails = new Uint8Array(this.layout.tailBytes);
    if (tails.byteLength > 0) this.#backend.download(this.#tails, tails);
    return { length: this.#length, tails };
  }

  /** Forgets own tokens behind a mark. Nothing may be computing it. */
  rewind({ length, tails }: SequenceMark): void {
    if (tails.byteLength > 0) this.#backend.upload(this.#tails, tails);
    this.#length = Math.min(length, this.#length);
    this.#computing = false;
  }

  get #tails(): TensorMemory {
    const { memory, layout, capacity } = this;
    return { ...memory, address: memory.address + BigInt(layout.tailOffset(0, capacity)) };
  }

  dispose(): void {
    this.#owned?.free();
  }
}
