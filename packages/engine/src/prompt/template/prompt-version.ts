/**
 * What besides the tokens themselves tells one way of making prompts from another, for the identity of blocks.
 */
import { createHash } from 'node:crypto';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';

/** Raised whenever the built-in templates or the rules of tokenizing a block change. */
export const promptFormat = 1;

/**
 * Version of prompts and tokenizer: the same string means the same text becomes the same blocks. The vocabulary's
 * words are not in it: they are in the model's file, whose digest stands beside this in a block's identity.
 */
export function promptVersion(tokenizer: Tokenizer): string {
  const { size, bos, eos, addBos, chatTemplate } = tokenizer;
  const fields = [size, bos ?? null, eos ?? null, addBos, chatTemplate ?? null];
  const digest = createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 16);
  return `prompt-${promptFormat}-${digest}`;
}
