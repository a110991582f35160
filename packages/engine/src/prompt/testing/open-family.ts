/** libllama tokenizers of the template families, and how to show a plan in a snapshot. */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { openTokenizer } from '../../ggml/llama/vocab.ts';
import type { BlockPlan } from '../types.ts';
import { type FamilyName, families, familyNames } from './chat-templates.ts';
import { type VocabularySpec, writeVocabulary } from './vocabulary-file.ts';

export async function openVocabulary(spec: VocabularySpec): Promise<Tokenizer> {
  await loadLibrary('cpu');
  const path = writeVocabulary(spec);
  try {
    return await openTokenizer(path);
  } finally {
    rmSync(dirname(path), { recursive: true, force: true });
  }
}

export async function openFamilies(): Promise<Record<FamilyName, Tokenizer>> {
  const opened = new Map<string, Tokenizer>();
  for (const name of familyNames) opened.set(name, await openVocabulary(families[name]));
  return Object.fromEntries(opened) as Record<FamilyName, Tokenizer>;
}

/** A line per block: kind, id, then the segments; content stands in brackets, markup does not. */
export function show(plan: BlockPlan): string {
  return plan.blocks
    .map(({ kind, id, segments }) => {
      const text = segments.map(({ text, special }) => (special ? text : `[${text}]`)).join('');
      return `${kind} ${id}: ${text.replaceAll('\n', '⏎')}`;
    })
    .join('\n');
}
