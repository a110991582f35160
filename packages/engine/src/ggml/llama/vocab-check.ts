/**
 * Checks a GGUF file's vocabulary before libllama loads it.
 *
 * libllama aborts the process when two tokens read the same, and when a text holds a byte that a SentencePiece
 * vocabulary has no token for. It takes all strings of the header as C's, which end at a NUL. ggml's own reader hands out
 * strings one call at a time, too slow for 262,144 of them; so the header is walked here. What else may be wrong with the
 * file, libllama refuses by itself.
 */
import { BlockAttentionError } from '../../errors.ts';
import { arrayType, HeaderReader, stringType } from '../gguf/header-reader.ts';
import { TokenTexts } from './token-texts.ts';

/** Vocabulary types of `tokenizer.ggml.model` that the supported families have. */
const sentencePiece = 'llama';
const byteLevel = 'gpt2';
const none = new Set(['none', 'no_vocab']);
/** WordPiece and Unigram: of encoders that make embeddings. */
const ofEmbedders = new Set(['bert', 't5']);

/**
 * @returns bytes of the longest token as the file spells it, which is at least what it stands for
 * @throws MODEL_INVALID for a header that cannot be walked, or tokens that repeat; MODEL_UNSUPPORTED for a tokenizer
 *   that is neither SentencePiece nor byte-level BPE, or cannot spell every text.
 */
export function checkVocabulary(path: string, options: { readonly embedding?: boolean | undefined } = {}): number {
  const { model, tokens } = readVocabulary(path);
  if (model === undefined || none.has(model)) return tokens.longestBytes;
  const known = options.embedding === true && ofEmbedders.has(model);
  if (model !== sentencePiece && model !== byteLevel && !known) {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path} has a tokenizer of type "${model}": SentencePiece ("llama") and byte-level BPE ("gpt2") are supported`,
    );
  }
  if (tokens.repeated !== undefined) {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${path}: token ${tokens.repeated} repeats an earlier one: convert the model again`,
    );
  }
  if (tokens.cut !== undefined) {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${path}: token ${tokens.cut} holds a NUL byte, so it would be read as another: convert the model again`,
    );
  }
  if (model !== sentencePiece) return tokens.longestBytes;
  for (let byte = 0; byte < 256; byte++) {
    const hex = byte.toString(16).toUpperCase().padStart(2, '0');
    if (tokens.has(Buffer.from(`<0x${hex}>`)) || tokens.has(Uint8Array.of(byte))) continue;
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path}: the vocabulary has no token for byte 0x${hex}, so it cannot spell every text`,
    );
  }
  return tokens.longestBytes;
}

interface Vocabulary {
  readonly model: string | undefined;
  readonly tokens: TokenTexts;
}

function readVocabulary(path: string): Vocabulary {
  using header = new HeaderReader(path);
  if (header.string(4) !== 'GGUF') {
    throw new BlockAttentionError('MODEL_INVALID', `${path} is not a GGUF file: convert the model, or check the path`);
  }
  header.u32();
  header.u64();
  let model: string | undefined;
  let tokens: TokenTexts | undefined;
  // What comes after both, such as the merges, is libllama's to read.
  for (let left = header.u64(); left > 0 && (model === undefined || tokens === undefined); left--) {
    // libllama finds a key by what stands before a NUL, and takes the first of that name.
    const key = beforeNul(header.string());
    const type = header.u32();
    if (key === 'tokenizer.ggml.model' && type === stringType && model === undefined)
      model = beforeNul(header.string());
    else if (key === 'tokenizer.ggml.tokens' && type === arrayType && tokens === undefined) {
      const { bytes, count } = header.strings();
      tokens = new TokenTexts(bytes, count);
    } else header.skipValue(type);
  }
  return { model, tokens: tokens ?? new TokenTexts(new Uint8Array(0), 0) };
}

function beforeNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
