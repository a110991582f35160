/** The vocabulary of the embedded model: byte-level BPE learned from the training mixture and from common words. */

import type { GgufEntry } from '../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { nameKinds, namesOf, syllables } from '../src/tasks/task-names.ts';
import { learnBytePairs } from './byte-pairs.ts';
import { makeExercise } from './exercises.ts';
import * as words from './words.ts';

const size = 2048;
/** Token types of GGUF. */
const normal = 1;
const control = 3;

export interface Vocabulary {
  readonly entries: Map<string, GgufEntry>;
  readonly size: number;
}

export function makeVocabulary(): Vocabulary {
  const special = ['<|end|>', '<|system|>', '<|user|>', '<|assistant|>'];
  const { tokens, merges } = learnBytePairs(texts(), size - 256 - special.length);
  const types = [...tokens.map(() => normal), ...special.map(() => control)];
  const end = tokens.length;
  const all = [...tokens, ...special];
  const entries = new Map<string, GgufEntry>([
    ['tokenizer.ggml.model', { string: 'gpt2' }],
    ['tokenizer.ggml.pre', { string: 'qwen2' }],
    ['tokenizer.ggml.tokens', { array: { string: all } }],
    ['tokenizer.ggml.token_type', { array: { i32: types } }],
    ['tokenizer.ggml.merges', { array: { string: merges } }],
    ['tokenizer.ggml.bos_token_id', { u32: end }],
    ['tokenizer.ggml.eos_token_id', { u32: end }],
    ['tokenizer.ggml.add_bos_token', { bool: false }],
  ]);
  return { entries, size: all.length };
}

/** Names of the tasks count by their syllables only: a name that is one token in training teaches nothing about others. */
function* texts(): Generator<string> {
  const lists = Object.values(words).flat();
  for (let i = 0; i < 6; i++) for (const word of lists) yield ` ${word}`;
  for (let i = 0; i < 40; i++) {
    for (const [starts, ends] of Object.values(syllables)) {
      for (const start of starts) yield ` ${start}`;
      for (const end of ends) yield end;
    }
  }
  const names = new Set(nameKinds.flatMap((kind) => namesOf(kind, 'train')));
  yield 'Answer the question using the documents below.\n\n';
  for (let seed = 0; seed < 400; seed++) {
    const { passages, questions } = makeExercise({ seed: 2 ** 30 + seed, passages: 6, questions: 4 });
    const lines = passages.map(({ title = '', text }) => `Document: ${title}\n${text}\n\n`);
    lines.push(...questions.map(({ question, response }) => `Question: ${question}\nAnswer: ${response}`));
    yield lines.join('').replace(/\p{Lu}\p{Ll}+/gu, (word) => (names.has(word) ? '' : word));
  }
}
