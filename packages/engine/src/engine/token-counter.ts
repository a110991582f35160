/** A tokenizer as document pipelines see it: how long a text is, and whether another one cuts alike. */
import { createHash } from 'node:crypto';
import { openTokenizer } from '../ggml/index.ts';
import type { Tokenizer } from '../ggml/llama/tokenizer.ts';
import { promptVersion } from '../prompt/index.ts';
import type { TokenCounter } from './types.ts';

/** Words, code, numbers and scripts whose tokens tell vocabularies apart. */
const probe =
  'The quick brown fox jumps; über straße, naïve café. fn main() { let x_1 = 0x1F; } 1234567 日本語 Привет مرحبا 🙂\n\n';

export function tokenCounter(tokenizer: Tokenizer): TokenCounter {
  const tokens = tokenizer.tokenize(probe, false);
  const cut = createHash('sha256').update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
  return {
    count: (text) => tokenizer.tokenize(text, false).length,
    identity: `${promptVersion(tokenizer)}-${cut.digest('hex').slice(0, 16)}`,
  };
}

/** The counter of a model's file, without loading its weights. @throws as openTokenizer() */
export async function openTokenCounter(path: string): Promise<TokenCounter & Disposable> {
  const tokenizer = await openTokenizer(path);
  return { ...tokenCounter(tokenizer), [Symbol.dispose]: () => tokenizer.dispose() };
}
