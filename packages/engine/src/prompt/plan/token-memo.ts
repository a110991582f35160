/**
 * Tokens of texts seen before, passages above all: at tens of thousands of tokens of context, tokenizing them again takes longer than
 * looking up their blocks.
 *
 * Holds digests of texts, not texts; but tokens spell the text, so whoever deletes a document clears this, too.
 * Belongs to one tokenizer, and is of no use across tokenizers.
 */
import { hash } from 'node:crypto';
import { BlockAttentionError } from '../../errors.ts';

export interface TokenMemo {
  /** What `tokenize` once gave for this key. Shared: not to be written to. */
  get(key: string, tokenize: (key: string) => Int32Array): Int32Array;
  /** Tokens of all these keys; what is not known is made at once: `make` gives as many arrays as it is given keys. */
  learn(keys: Iterable<string>, make: (unknown: readonly string[]) => Promise<readonly Int32Array[]>): Promise<Learnt>;
  clear(): void;
  /** Tokens held now. */
  readonly tokens: number;
}

export interface Learnt {
  /** By key. Shared: not to be written to. */
  readonly tokens: ReadonlyMap<string, Int32Array>;
  /** False when clear() was called meanwhile: nothing was kept then, and what get() would make now should not be. */
  readonly kept: boolean;
}

/**
 * A memo that forgets what was used longest ago.
 * @param maxTokens budget, four bytes each. Defaults to 4 Mi. A text of more tokens is not kept.
 * @throws INVALID_ARGUMENT when it is not a number ≥ 0.
 */
export function createTokenMemo(maxTokens = 4 * 2 ** 20): TokenMemo {
  if (!(maxTokens >= 0)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxTokens is ${maxTokens}: give a number of at least 0`);
  }
  const known = new Map<string, Int32Array>();
  let held = 0;
  let cleared = 0;
  const keep = (digest: string, tokens: Int32Array): Int32Array => {
    if (tokens.length > maxTokens) return tokens;
    held += tokens.length - (known.get(digest)?.length ?? 0);
    known.delete(digest);
    known.set(digest, tokens);
    for (const [oldest, { length }] of known) {
      if (held <= maxTokens) break;
      known.delete(oldest);
      held -= length;
    }
    return tokens;
  };
  return {
    get tokens() {
      return held;
    },
    get(key, tokenize) {
      const digest = digestOf(key);
      return keep(digest, known.get(digest) ?? tokenize(key));
    },
    async learn(keys, make) {
      const tokens = new Map<string, Int32Array>();
      const unknown = new Map<string, string>();
      for (const key of keys) {
        const digest = digestOf(key);
        const found = known.get(digest);
        if (found === undefined) unknown.set(key, digest);
        else tokens.set(key, keep(digest, found));
      }
      if (unknown.size === 0) return { tokens, kept: true };
      const before = cleared;
      const made = await make([...unknown.keys()]);
      const kept = cleared === before;
      for (const [at, [key, digest]] of [...unknown].entries()) {
        const own = made[at];
        if (own !== undefined) tokens.set(key, kept ? keep(digest, own) : own);
      }
      return { tokens, kept };
    },
    clear() {
      known.clear();
      held = 0;
      cleared += 1;
    },
  };
}

function digestOf(key: string): string {
  return hash('sha256', key, 'base64');
}
