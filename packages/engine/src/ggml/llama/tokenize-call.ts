/** llama_tokenize, for the tokenizer and for embeddings. Also to be called `.async`, off the calling thread. */
import type { KoffiFunc } from 'koffi';
import { library } from '../ffi/library.ts';

/** Tokens written, or, negative, how many there would be. The text is UTF-8, with its length in bytes. */
export type TokenizeCall = KoffiFunc<
  (
    vocab: bigint,
    text: Uint8Array,
    length: number,
    out: Int32Array,
    room: number,
    special: boolean,
    parse: boolean,
  ) => number
>;

export function bindTokenize(): TokenizeCall {
  return library().llama.func(
    'int32_t llama_tokenize(void *vocab, const uint8_t *text, int32_t len, _Out_ int32_t *out, int32_t room, bool special, bool parse)',
  ) as never;
}
