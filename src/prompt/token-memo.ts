/**
 * Tokens of texts seen before, passages above all: at tens of thousands of tokens of context, tokenizing them again takes longer than
 * looking up their blocks.
 *
 * Holds digests of texts, not texts; but tokens spell the text, so whoever deletes a document clears this, too.
 * Belongs to one tokenizer, and is of no use across tokenizers.
 */
import { hash } from 'node:crypto';
import { BlockAttentionError } from '../errors.ts';

export interface TokenMemo {
  /** What `tokenize` once gave for this key. Shared: not to be written to. */
  get(key: string, tokenize: (key: string) => Int32Array): Int32Array;
  clear(): void;
  /** Tokens held now. */
  readonly tokens: number;
}

/**
 * A memo that forgets what was used longest ago.
 * @param maxTokens budget, four bytes each. Defaults to 4 Mi. A text of more tokens is not kept.
 * @throws INVALID_ARGUMENT when it is no number ≥ 0.
 */
export function createTokenMemo(maxTokens = 4 * 2 ** 20): TokenMemo {
  if (!(maxTokens >= 0)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxTokens is ${maxTokens}: give a number of at least 0`);
  }
  const known = new Map<string, Int32Array>();
  let held = 0;
  return {
    get tokens() {
      return held;
    },
    get(text, tokenize) {
      const key = hash('sha256', text, 'base64');
      const found = known.get(key);
      if (found !== undefined) {
        known.delete(key);
        known.set(key, found);
        return found;
      }
      const tokens = tokenize(text);
      if (tokens.length > maxTokens) return tokens;
      known.set(key, tokens);
      held += tokens.length;
      for (const [oldest, { length }] of known) {
        if (held <= maxTokens) break;
        known.delete(oldest);
        held -= length;
      }
      return tokens;
    },
    clear() {
      known.clear();
      held = 0;
    },
  };
}
