/**
 * Checks a GGUF file's vocabulary before libllama loads it.
 *
 * libllama aborts the process when two tokens read the same, and when a text holds a byte that a SentencePiece
 * vocabulary has no token for. ggml's own reader hands out strings one call at a time, too slow for 262,144 of them; so
 * the header is walked here. What else may be wrong with the file, libllama refuses by itself.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { BlockAttentionError } from '../errors.ts';

/** Bytes of GGUF's value types by number; strings (8) and arrays (9) have none. */
const valueBytes: readonly (number | undefined)[] = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const stringType = 8;
const arrayType = 9;

/** Vocabulary types of `tokenizer.ggml.model` that the supported families have. */
const sentencePiece = 'llama';
const byteLevel = 'gpt2';
const none = new Set(['none', 'no_vocab']);
/** WordPiece and Unigram: of encoders that make embeddings. */
const ofEmbedders = new Set(['bert', 't5']);

/**
 * @throws MODEL_INVALID for a header that cannot be walked, or tokens that repeat; MODEL_UNSUPPORTED for a tokenizer
 *   that is neither SentencePiece nor byte-level BPE, or cannot spell every text.
 */
export function checkVocabulary(path: string, options: { readonly embedding?: boolean | undefined } = {}): void {
  const { model, tokens } = readVocabulary(path);
  if (model === undefined || none.has(model)) return;
  const known = options.embedding === true && ofEmbedders.has(model);
  if (model !== sentencePiece && model !== byteLevel && !known) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path} has a tokenizer of type "${model}": SentencePiece ("llama") and byte-level BPE ("gpt2") are supported`,
    );
  }
  const seen = new Set<string>();
  for (const [id, token] of tokens.entries()) {
    // libllama's name for a token without text.
    const text = token === '' ? `[EMPTY_${id}]` : token;
    if (seen.has(text)) {
      throw new BlockAttentionError(
        'MODEL_INVALID',
        `${path}: token ${id} repeats an earlier one: convert the model again`,
      );
    }
    seen.add(text);
  }
  if (model !== sentencePiece) return;
  for (let byte = 0; byte < 256; byte++) {
    const hex = byte.toString(16).toUpperCase().padStart(2, '0');
    if (seen.has(`<0x${hex}>`) || seen.has(String.fromCharCode(byte))) continue;
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path}: the vocabulary has no token for byte 0x${hex}, so it cannot spell every text`,
    );
  }
}

/** Token texts are byte strings: one character per byte. */
function readVocabulary(path: string): { model: string | undefined; tokens: readonly string[] } {
  using header = new HeaderReader(path);
  if (header.bytes(4) !== 'GGUF') {
    throw new BlockAttentionError('MODEL_INVALID', `${path} is not a GGUF file: convert the model, or check the path`);
  }
  header.u32();
  header.u64();
  let model: string | undefined;
  let tokens: string[] = [];
  for (let left = header.u64(); left > 0; left--) {
    const key = header.string();
    const type = header.u32();
    if (key === 'tokenizer.ggml.model' && type === stringType) model = header.string();
    else if (key === 'tokenizer.ggml.tokens' && type === arrayType) tokens = header.strings();
    else header.skipValue(type);
  }
  return { model, tokens };
}

/** Walks a file from its start, reading ahead in pieces. */
class HeaderReader {
  readonly #path: string;
  readonly #fd: number;
  #window = Buffer.alloc(0);
  /** Position in the window, and of the window's end in the file. */
  #at = 0;
  #end = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  u32(): number {
    const start = this.#take(4);
    return this.#window.readUInt32LE(start);
  }

  u64(): number {
    const start = this.#take(8);
    const value = this.#window.readBigUInt64LE(start);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#damaged();
    return Number(value);
  }

  bytes(count: number): string {
    const start = this.#take(count);
    return this.#window.toString('latin1', start, start + count);
  }

  string(): string {
    return this.bytes(this.u64());
  }

  strings(): string[] {
    const type = this.u32();
    const count = this.u64();
    const out: string[] = [];
    if (type !== stringType) throw this.#damaged();
    for (let i = 0; i < count; i++) out.push(this.string());
    return out;
  }

  skipValue(type: number): void {
    const size = valueBytes[type];
    if (size !== undefined) this.#skip(size);
    else if (type === stringType) this.#skip(this.u64());
    else if (type === arrayType) this.#skipArray();
    else throw this.#damaged();
  }

  #skipArray(): void {
    const type = this.u32();
    const count = this.u64();
    const size = valueBytes[type];
    if (size !== undefined) this.#skip(size * count);
    else if (type !== stringType) throw this.#damaged();
    else for (let i = 0; i < count; i++) this.#skip(this.u64());
  }

  #skip(count: number): void {
    const ahead = this.#window.length - this.#at;
    if (count <= ahead) {
      this.#at += count;
      return;
    }
    this.#end += count - ahead;
    if (!Number.isSafeInteger(this.#end)) throw this.#damaged();
    this.#window = Buffer.alloc(0);
    this.#at = 0;
  }

  /** Makes `count` bytes available; returns where they start in the window. */
  #take(count: number): number {
    const ahead = this.#window.length - this.#at;
    if (count > ahead) {
      // A length that a damaged header claims is not trusted with memory.
      if (count > 1 << 26) throw this.#damaged();
      const next = Buffer.alloc(Math.max(count - ahead, 1 << 20));
      const read = readSync(this.#fd, next, 0, next.length, this.#end);
      if (read < count - ahead) throw this.#damaged();
      this.#end += read;
      this.#window = Buffer.concat([this.#window.subarray(this.#at), next.subarray(0, read)]);
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += count;
    return start;
  }

  #damaged(): BlockAttentionError {
    const offset = this.#end - this.#window.length + this.#at;
    return new BlockAttentionError(
      'MODEL_INVALID',
      `${this.#path}: the GGUF header is damaged near byte ${offset}: download it again`,
    );
  }
}
