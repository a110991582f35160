/**
 * The tokens a sampler chooses among, as libllama's `llama_token_data_array` in native memory.
 *
 * One array serves all choices that are made within one synchronous call: nothing of it is read later. A choice that lets
 * others go on meanwhile needs one of its own. It grows to the largest vocabulary met and stays.
 */
import koffi from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import type { Shortlist } from './shortlist.ts';

/** sizeof(llama_token_data): id, logit, p. */
const tokenWords = 3;
/** struct llama_token_data_array { data *; size_t; int64_t selected; bool sorted; } */
const arrayBytes = 32;

export class Candidates implements Disposable {
  #tokens: NativeMemory | undefined;
  readonly #array = allocateMemory(arrayBytes);
  readonly #header = new DataView(this.#array.bytes.buffer);
  #ids: Int32Array = new Int32Array(0);
  #values: Float32Array = new Float32Array(0);

  /** Address of the `llama_token_data_array`. */
  get address(): bigint {
    return this.#array.address;
  }

  /**
   * All tokens with their logits, in order.
   * @throws COMPUTE_FAILED when a logit is NaN or +∞: samplers would choose at random among garbage.
   */
  fill(logits: Float32Array): void {
    this.#reserve(logits.length);
    const ids = this.#ids;
    const values = this.#values;
    let bad = -1;
    for (let i = 0, at = 0; i < logits.length; i++, at += tokenWords) {
      const value = logits[i] ?? Number.NaN;
      if (!(value < Number.POSITIVE_INFINITY)) bad = i;
      ids[at] = i;
      values[at + 1] = value;
    }
    if (bad >= 0) throw new BlockAttentionError('COMPUTE_FAILED', `the logit of token ${bad} is ${logits[bad]}`);
    this.#begin(logits.length);
  }

  /** Tokens of a shortlist. */
  fillShort({ ids, values }: Shortlist): void {
    this.#reserve(ids.length);
    for (let i = 0, at = 0; i < ids.length; i++, at += tokenWords) {
      this.#ids[at] = ids[i] ?? 0;
      this.#values[at + 1] = values[i] ?? Number.NaN;
    }
    this.#begin(ids.length);
  }

  /** A single token. */
  fillOne(token: number): void {
    this.#reserve(1);
    this.#ids[0] = token;
    this.#values[1] = 1;
    this.#begin(1);
  }

  /** The token chosen, or undefined when every token was ruled out. */
  selected(): number | undefined {
    const index = Number(this.#header.getBigInt64(16, true));
    const size = Number(this.#header.getBigUint64(8, true));
    if (index < 0 || index >= size) return undefined;
    // A sampler may leave its choice in memory of its own.
    const entry = this.#header.getBigUint64(0, true) + BigInt(index * tokenWords * 4);
    return koffi.decode.float(entry + 4n) === Number.NEGATIVE_INFINITY ? undefined : koffi.decode.int32(entry);
  }

  /** The likeliest token left, the first one of equals; undefined when every token was ruled out. */
  likeliest(): number | undefined {
    const size = Number(this.#header.getBigUint64(8, true));
    let best: number | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0, at = 0; i < size; i++, at += tokenWords) {
      const value = this.#values[at + 1] ?? Number.NEGATIVE_INFINITY;
      if (value <= most) continue;
      most = value;
      best = this.#ids[at];
    }
    return best;
  }

  /** True when the single token of fillOne() was ruled out. */
  rejected(): boolean {
    return this.#values[1] === Number.NEGATIVE_INFINITY;
  }

  [Symbol.dispose](): void {
    this.#tokens?.free();
    this.#array.free();
    this.#tokens = undefined;
    this.#ids = new Int32Array(0);
    this.#values = new Float32Array(0);
  }

  #begin(size: number): void {
    this.#header.setBigUint64(0, this.#tokens?.address ?? 0n, true);
    this.#header.setBigUint64(8, BigInt(size), true);
    this.#header.setBigInt64(16, -1n, true);
    this.#header.setUint8(24, 0);
  }

  #reserve(tokens: number): void {
    if (this.#ids.length >= tokens * tokenWords) return;
    this.#tokens?.free();
    this.#tokens = allocateMemory(tokens * tokenWords * 4);
    this.#ids = new Int32Array(this.#tokens.bytes.buffer);
    this.#values = new Float32Array(this.#tokens.bytes.buffer);
  }
}
