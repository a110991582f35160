/**
 * Small but real vocabularies that libllama loads and that spell every text: SentencePiece with byte fallback, as
 * Llama 2, Gemma and Phi-3 have, and byte-level BPE, as Llama 3, Qwen and SmolLM have.
 */
import type { GgufEntry } from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';

export type VocabularyKind = 'spm' | 'bpe';

/** Token types of GGUF. */
const normal = 1;
const unknown = 2;
const control = 3;
const byte = 6;

const words = ['the', 'and', 'bridge', 'was', 'opened', 'in', 'of', 'passage', 'question', 'answer', 'is', 'to'];

/**
 * Metadata of a tokenizer.
 * @param pre name of the pre-tokenizer, for `bpe`
 * @returns the entries, and the number of tokens
 */
export function vocabulary(kind: VocabularyKind, pre = 'llama-bpe'): { entries: Map<string, GgufEntry>; size: number } {
  return kind === 'spm' ? sentencePiece() : byteLevel(pre);
}

/** Prefixes of a word, shortest first: merging from the left reaches every word. */
function prefixes(word: string): string[] {
  return Array.from(word, (_, i) => word.slice(0, i + 1)).slice(1);
}

function sentencePiece(): { entries: Map<string, GgufEntry>; size: number } {
  const tokens = ['<unk>', '<s>', '</s>', '<|endoftext|>', '<|user|>', '<|assistant|>'];
  const types = [unknown, control, control, control, control, control];
  for (let i = 0; i < 256; i++) {
    tokens.push(`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
    types.push(byte);
  }
  const letters = Array.from('▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?:;\'"()-');
  const pieces = new Set([...letters, ...words.flatMap((word) => prefixes(`▁${word}`))]);
  for (const piece of pieces) {
    tokens.push(piece);
    types.push(normal);
  }
  // Earlier pieces merge first, as in a trained vocabulary.
  const scores = tokens.map((_, i) => (types[i] === normal ? -i : 0));
  const entries = new Map<string, GgufEntry>([
    ['tokenizer.ggml.model', { string: 'llama' }],
    ['tokenizer.ggml.tokens', { array: { string: tokens } }],
    ['tokenizer.ggml.scores', { array: { f32: scores } }],
    ['tokenizer.ggml.token_type', { array: { i32: types } }],
    ['tokenizer.ggml.bos_token_id', { u32: 1 }],
    ['tokenizer.ggml.eos_token_id', { u32: 2 }],
    ['tokenizer.ggml.unknown_token_id', { u32: 0 }],
    ['tokenizer.ggml.add_bos_token', { bool: true }],
  ]);
  return { entries, size: tokens.length };
}

function byteLevel(pre: string): { entries: Map<string, GgufEntry>; size: number } {
  const alphabet = byteAlphabet();
  const tokens = [...alphabet];
  const merges: string[] = [];
  const known = new Set(tokens);
  for (const word of words) {
    for (const piece of prefixes(`Ġ${word}`)) {
      if (known.has(piece)) continue;
      known.add(piece);
      tokens.push(piece);
      merges.push(`${piece.slice(0, -1)} ${piece.slice(-1)}`);
    }
  }
  const types = tokens.map(() => normal);
  const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  const [endOfText, , endOfTurn] = special.map((text) => {
    types.push(control);
    return tokens.push(text) - 1;
  });
  const entries = new Map<string, GgufEntry>([
    ['tokenizer.ggml.model', { string: 'gpt2' }],
    ['tokenizer.ggml.pre', { string: pre }],
    ['tokenizer.ggml.tokens', { array: { string: tokens } }],
    ['tokenizer.ggml.token_type', { array: { i32: types } }],
    ['tokenizer.ggml.merges', { array: { string: merges } }],
    ['tokenizer.ggml.bos_token_id', { u32: endOfText ?? 0 }],
    ['tokenizer.ggml.eos_token_id', { u32: endOfTurn ?? 0 }],
    ['tokenizer.ggml.add_bos_token', { bool: false }],
  ]);
  return { entries, size: tokens.length };
}

/** GPT-2's printable stand-ins for the 256 bytes, in its order. */
function byteAlphabet(): string[] {
  const printable = (code: number) =>
    (code >= 33 && code <= 126) || (code >= 161 && code <= 172) || (code >= 174 && code <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, code) => String.fromCodePoint(printable(code) ? code : next++));
}
