/**
 * Selective recomputation, a part of a context policy: some tokens of the context are computed again with full attention
 * before the final block is read (paper section 6). What it is called, nothing of how it is done.
 */
import { numberIn, type PartReader, refuse, wholeIn } from './read-part.ts';

/**
 * `head`: the first `tokens` tokens of every block but the first (EPIC).
 * `deviation`: the share, in (0, 1], of the tokens after the first block whose states deviate most from full
 * attention's (CacheBlend).
 * `attention`: the share, in (0, 1], of the tokens after the first block that the question attends to most in late layers
 * (InfoFlow KV, ProphetKV).
 */
export type Recomputation =
  | { readonly method: 'head'; readonly tokens: number }
  | { readonly method: 'deviation' | 'attention'; readonly share: number };

/** More than any context holds. */
const mostTokens = 2 ** 31 - 1;

export const recomputationForms = 'head:TOKENS, deviation:SHARE, attention:SHARE';

/** Reads `head:8`, `deviation:0.15` and `attention:0.15`. What recomputes nothing (`head:0`) is null. @throws INVALID_ARGUMENT */
export const readRecomputation: Readonly<Record<string, PartReader<Recomputation | null>>> = {
  head: (text, value) => {
    const tokens = wholeIn(text, value, { what: 'the tokens of each head', min: 0, max: mostTokens });
    return tokens === 0 ? null : { method: 'head', tokens };
  },
  deviation: (text, value) => readShare('deviation', text, value),
  attention: (text, value) => readShare('attention', text, value),
};

function readShare(method: 'deviation' | 'attention', text: string, value: string | undefined): Recomputation | null {
  const share = numberIn(value);
  if (share === undefined || share > 1) throw refuse(text, `${method} takes a share from 0 to 1, such as 0.15`);
  return share === 0 ? null : { method, share };
}

export function formatRecomputation(part: Recomputation): string {
  return part.method === 'head' ? `head:${part.tokens}` : `${part.method}:${part.share}`;
}
