/**
 * Writes the vocabulary of a chat model as a GGUF file without weights, so that tests run on libllama's tokenizer.
 *
 * Byte-level BPE: 256 byte tokens, a few merges, then the control tokens asked for.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface VocabularySpec {
  /** Spellings of the control tokens; the first is BOS, the second EOS. */
  readonly controls: readonly string[];
  readonly addBos: boolean;
  readonly chatTemplate?: string | undefined;
}

/** GPT-2's printable stand-in for every byte. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const uint64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
};

type Value = string | number | boolean | readonly string[] | readonly number[];

/** Type ids of the format: 4 uint32, 5 int32, 7 bool, 8 string, 9 array. */
function typed(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([uint32(8), text(value)]);
  if (typeof value === 'number') return Buffer.concat([uint32(4), uint32(value)]);
  if (typeof value === 'boolean') return Buffer.concat([uint32(7), Buffer.of(value ? 1 : 0)]);
  const items = value.map((item) => (typeof item === 'string' ? text(item) : uint32(item)));
  return Buffer.concat([uint32(9), uint32(typeof value[0] === 'number' ? 5 : 8), uint64(value.length), ...items]);
}

/** Path of a new file in a temporary folder. */
export function writeVocabulary({ controls, addBos, chatTemplate }: VocabularySpec): string {
  const bytes = byteAlphabet();
  const merges = ['h e', 'Ġ t', 'Ġt he', 'i n', 'Ċ Ċ', 'Ġ Ġ'];
  const tokens = [...bytes, ...merges.map((merge) => merge.replace(' ', '')), ...controls];
  const bos = tokens.length - controls.length;
  const fields: Record<string, Value> = {
    'general.architecture': 'llama',
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    // 1 is an ordinary token, 3 a control token.
    'tokenizer.ggml.token_type': tokens.map((_, index) => (index < bos ? 1 : 3)),
    'tokenizer.ggml.merges': merges,
    'tokenizer.ggml.bos_token_id': bos,
    'tokenizer.ggml.eos_token_id': bos + 1,
    'tokenizer.ggml.add_bos_token': addBos,
    ...(chatTemplate === undefined ? {} : { 'tokenizer.chat_template': chatTemplate }),
  };
  const entries = Object.entries(fields);
  const parts: Buffer[] = [Buffer.from('GGUF'), uint32(3), uint64(0), uint64(entries.length)];
  for (const [key, value] of entries) parts.push(text(key), typed(value));
  const body = Buffer.concat(parts);
  const path = join(mkdtempSync(join(tmpdir(), 'block-attention-vocabulary-')), 'vocabulary.gguf');
  writeFileSync(path, Buffer.concat([body, Buffer.alloc((32 - (body.length % 32)) % 32)]));
  return path;
}
