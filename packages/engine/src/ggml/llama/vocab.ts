/**
 * The tokenizer in a model's file, by libllama: the same merges, normalisation and special tokens as llama.cpp.
 *
 * Loads the vocabulary only, no weights. Text goes in as UTF-8 bytes with a length, so NUL characters survive.
 * SentencePiece vocabularies put a space before the first word of every text they tokenize, as their models expect.
 */
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { library } from '../ffi/library.ts';
import { type LlamaModel, loadLlamaModel } from './llama-model.ts';
import { bindTokenize, type TokenizeCall } from './tokenize-call.ts';
import type { Tokenizer } from './tokenizer.ts';

interface Calls {
  tokenize: TokenizeCall;
  piece(vocab: bigint, token: number, out: Uint8Array, room: number, lstrip: number, special: boolean): number;
  text(vocab: bigint, token: number): string | null;
  type(vocab: bigint): number;
  size(vocab: bigint): number;
  bos(vocab: bigint): number;
  eos(vocab: bigint): number;
  addBos(vocab: bigint): boolean;
  isEndOfGeneration(vocab: bigint, token: number): boolean;
  isControl(vocab: bigint, token: number): boolean;
  chatTemplate(model: bigint, name: null): string | null;
}
let calls: Calls | undefined;

function native(): Calls {
  if (calls === undefined) {
    const { llama } = library();
    const bind = (signature: string) => llama.func(signature) as never;
    calls = {
      tokenize: bindTokenize(),
      piece: bind(
        'int32_t llama_token_to_piece(void *vocab, int32_t token, _Out_ uint8_t *out, int32_t room, int32_t lstrip, bool special)',
      ),
      text: bind('const char *llama_vocab_get_text(void *vocab, int32_t token)'),
      type: bind('int llama_vocab_type(void *vocab)'),
      size: bind('int32_t llama_vocab_n_tokens(void *vocab)'),
      bos: bind('int32_t llama_vocab_bos(void *vocab)'),
      eos: bind('int32_t llama_vocab_eos(void *vocab)'),
      addBos: bind('bool llama_vocab_get_add_bos(void *vocab)'),
      isEndOfGeneration: bind('bool llama_vocab_is_eog(void *vocab, int32_t token)'),
      isControl: bind('bool llama_vocab_is_control(void *vocab, int32_t token)'),
      chatTemplate: bind('const char *llama_model_chat_template(void *model, const char *name)'),
    };
  }
  return calls;
}

/** LLAMA_VOCAB_TYPE_NONE: libllama aborts the process when such a vocabulary is asked to tokenize. */
const noVocabulary = 0;

/** llama_tokenize counts bytes and tokens in int32. */
const maxTextBytes = 0x7fff_fff0;

/**
 * Texts given to the pool at once: all of its threads, however few cores there are. With as many as cores, two of them are
 * no faster than one, since a thread that is done waits for this one to give it the next; others wait for one text at most.
 */
const tokenizers = 4;

/**
 * Bytes from which a text is a long one. A long text can keep a thread of the pool for seconds, so one at a time gets in, of
 * all that this process tokenizes: the other threads compute, read files, and tokenize what is short.
 */
const longBytes = 1 << 16;
let longTurn: Promise<unknown> = Promise.resolve();

/** A tokenizer that samplers can hand to libllama. */
export interface VocabTokenizer extends Tokenizer {
  /** Address of the `llama_vocab`. @throws DISPOSED */
  readonly vocab: bigint;
}

/**
 * Opens the tokenizer of a GGUF file.
 *
 * @throws MODEL_NOT_FOUND when there is no such file; MODEL_INVALID when libllama cannot read it or it has no
 *   vocabulary; MODEL_UNSUPPORTED for tokenizers other than SentencePiece and byte-level BPE.
 */
export async function openTokenizer(path: string): Promise<VocabTokenizer> {
  const model = await loadLlamaModel(path, { vocabOnly: true });
  if (native().type(model.vocab) === noVocabulary) {
    model.free();
    throw new BlockAttentionError('MODEL_INVALID', `${path} has no vocabulary: convert the model with its tokenizer`);
  }
  return new LlamaVocab(model);
}

/** @throws INVALID_ARGUMENT for text that is not well-formed, or longer than libllama takes. */
function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) {
    const lone = text.search(/\p{Surrogate}/u);
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `text is not well-formed Unicode: it has a lone surrogate at index ${lone}; repair it with toWellFormed()`,
    );
  }
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > maxTextBytes) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `text of ${bytes.length} bytes is over the limit of ${maxTextBytes}`,
    );
  }
  return bytes;
}

/** Enough for nearly every text; when it is not, the call says how much is. */
function roomFor(bytes: Uint8Array): Int32Array {
  return new Int32Array(Math.ceil(bytes.length / 2) + 8);
}

class LlamaVocab implements VocabTokenizer {
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly longestTokenBytes: number;
  readonly addBos: boolean;
  readonly chatTemplate: string | undefined;
  readonly #native = native();
  readonly #bytes: (Uint8Array | undefined)[];
  /** By token: 1 for a control token, 2 for another, 0 for one that nobody asked about. */
  readonly #controls: Uint8Array;
  #model: LlamaModel | undefined;

  constructor(model: LlamaModel) {
    const { vocab } = model;
    const token = (id: number) => (id >= 0 ? id : undefined);
    this.#model = model;
    this.size = this.#native.size(vocab);
    this.bos = token(this.#native.bos(vocab));
    this.eos = token(this.#native.eos(vocab));
    this.longestTokenBytes = Math.max(1, model.longestTokenBytes);
    this.addBos = this.bos !== undefined && this.#native.addBos(vocab);
    const template = this.#native.chatTemplate(model.handle, null) ?? '';
    this.chatTemplate = template.trim() === '' ? undefined : template;
    this.#bytes = Array.from<undefined>({ length: this.size });
    this.#controls = new Uint8Array(this.size);
  }

  get vocab(): bigint {
    if (this.#model === undefined) throw new BlockAttentionError('DISPOSED', 'the tokenizer was disposed');
    return this.#model.vocab;
  }

  tokenize(text: string, parseSpecial: boolean): Int32Array {
    const { vocab } = this;
    const bytes = utf8(text);
    if (bytes.length === 0) return new Int32Array(0);
    let out = roomFor(bytes);
    let count = this.#native.tokenize(vocab, bytes, bytes.length, out, out.length, false, parseSpecial);
    if (count < 0) {
      out = new Int32Array(-count);
      count = this.#native.tokenize(vocab, bytes, bytes.length, out, out.length, false, parseSpecial);
    }
    return out.slice(0, count);
  }

  async tokenizeAll(texts: readonly string[], parseSpecial: boolean): Promise<Int32Array[]> {
    const { vocab } = this;
    const all = texts.map(utf8);
    const tokens: Int32Array[] = [];
    let next = 0;
    const work = async () => {
      for (let at = next++; at < all.length; at = next++) {
        tokens[at] = await this.#tokenizeAside(vocab, all[at] ?? new Uint8Array(0), parseSpecial);
      }
    };
    await Promise.all(Array.from({ length: Math.min(tokenizers, all.length) }, work));
    return tokens;
  }

  #tokenizeAside(vocab: bigint, bytes: Uint8Array, parseSpecial: boolean): Promise<Int32Array> {
    const { tokenize } = this.#native;
    const work = async () => {
      if (bytes.length === 0) return new Int32Array(0);
      let out = roomFor(bytes);
      let count = await call(tokenize, vocab, bytes, bytes.length, out, out.length, false, parseSpecial);
      if (count < 0) {
        out = new Int32Array(-count);
        count = await call(tokenize, vocab, bytes, bytes.length, out, out.length, false, parseSpecial);
      }
      return out.slice(0, count);
    };
    if (bytes.length < longBytes) return work();
    const done = longTurn.then(work);
    longTurn = done.catch(() => undefined);
    return done;
  }

  tokenBytes(token: number): Uint8Array {
    const { vocab } = this;
    this.#check(token);
    const known = this.#bytes[token];
    if (known !== undefined) return known;
    const bytes = this.#piece(vocab, token);
    this.#bytes[token] = bytes;
    return bytes;
  }

  #piece(vocab: bigint, token: number): Uint8Array {
    let out = new Uint8Array(64);
    let count = this.#native.piece(vocab, token, out, out.length, 0, false);
    if (count < 0) {
      out = new Uint8Array(-count);
      count = this.#native.piece(vocab, token, out, out.length, 0, false);
    }
    return out.slice(0, count);
  }

  tokenText(token: number): string {
    const { vocab } = this;
    this.#check(token);
    return this.#native.text(vocab, token) ?? '';
  }

  isEndOfGeneration(token: number): boolean {
    const { vocab } = this;
    this.#check(token);
    return this.#native.isEndOfGeneration(vocab, token);
  }

  isControl(token: number): boolean {
    const { vocab } = this;
    this.#check(token);
    const known = this.#controls[token];
    if (known !== 0) return known === 1;
    const is = this.#native.isControl(vocab, token);
    this.#controls[token] = is ? 1 : 2;
    return is;
  }

  dispose(): void {
    this.#model?.free();
    this.#model = undefined;
  }

  /** libllama answers an unknown token with a C++ exception, which ends the process. */
  #check(token: number): void {
    if (!Number.isInteger(token) || token < 0 || token >= this.size) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `token ${token} is not in the vocabulary of ${this.size}`);
    }
  }
}
