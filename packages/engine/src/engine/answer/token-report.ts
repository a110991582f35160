/** How likely a token was, and what else could have stood in its place. Pure. */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import type { TokenChance, TokenReport } from '../types.ts';

const mostAlternatives = 20;

/** @throws INVALID_ARGUMENT for anything but a whole number from 0 to 20 */
export function checkAlternatives(count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= mostAlternatives) return count;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `topLogprobs is ${count}: give a whole number from 0 to ${mostAlternatives}`,
  );
}

/** @param logits [vocabulary] that the token was drawn from @param alternatives how many to name */
export function reportToken(
  logits: Float32Array,
  token: number,
  alternatives: number,
  tokenizer: Tokenizer,
): TokenReport {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  const logSum = most + Math.log(sum);
  const chance = (id: number): TokenChance => ({
    token: id,
    bytes: tokenizer.tokenBytes(id),
    logprob: (logits[id] ?? Number.NEGATIVE_INFINITY) - logSum,
  });
  return { ...chance(token), top: likeliest(logits, alternatives).map(chance) };
}

/** Indices of the greatest values, greatest first, the first of equals before the others. */
function likeliest(values: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? Number.NEGATIVE_INFINITY;
    const last = best.length < count ? Number.NEGATIVE_INFINITY : (values[best.at(-1) ?? 0] ?? 0);
    if (!(value > last)) continue;
    let at = best.length;
    while (at > 0 && (values[best[at - 1] ?? 0] ?? 0) < value) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}
