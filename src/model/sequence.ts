/**
 * A prompt being answered: context blocks that others may share, and keys and values of its own for the final block and
 * what is generated after it.
 *
 * The own cache is causal and private. Context blocks are only read: their memory belongs to whoever pinned them and
 * must stay valid until the sequence is disposed.
 */
import { BlockAttentionError } from '../errors.ts';
import { allocateMemory, type NativeMemory } from '../ggml/memory.ts';
import type { KvLayout } from './kv-layout.ts';

/** A context block of a sequence. */
export interface ContextBlock {
  /** Address of its bytes in the model's layout. */
  readonly address: bigint;
  readonly tokens: number;
  /** Position of its first token in the prompt. */
  readonly start: number;
}

export class Sequence {
  readonly blocks: readonly ContextBlock[];
  /** Tokens of all context blocks: the position of the first own token. */
  readonly contextTokens: number;
  /** Layout of the own cache: never quantised, since it grows token by token. */
  readonly layout: KvLayout;
  /** Most own tokens. */
  readonly capacity: number;
  readonly #memory: NativeMemory;
  #length = 0;

  /** @param blocks addresses and token counts in prompt order; positions follow from them. */
  constructor(layout: KvLayout, blocks: readonly { address: bigint; tokens: number }[], capacity: number) {
    let start = 0;
    this.blocks = blocks.map(({ address, tokens }) => {
      const block = { address, tokens, start };
      start += tokens;
      return block;
    });
    this.contextTokens = start;
    this.layout = layout;
    this.capacity = layout.padded(capacity);
    this.#memory = allocateMemory(layout.blockBytes(this.capacity));
  }

  /** Own tokens so far. */
  get length(): number {
    return this.#length;
  }

  /** Position of the next token. */
  get position(): number {
    return this.contextTokens + this.#length;
  }

  get address(): bigint {
    return this.#memory.address;
  }

  /** Bytes of the own cache. */
  get bytes(): number {
    return this.#memory.bytes.byteLength;
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
  }

  /** Forgets own tokens from `length` on. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = Math.max(0, length);
  }

  dispose(): void {
    this.#memory.free();
  }
}
