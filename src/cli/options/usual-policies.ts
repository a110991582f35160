/** What `verify` tries where plain block mode loses too much, the cheapest for a question first. */
import type { Question } from '@block-attention/engine/eval';
import { type ContextPolicy, parsePolicy } from '@block-attention/engine/internal/policy';

/**
 * Passages behind their neighbours are among them where questions say what those are: that costs no question anything, but
 * about twice the time to encode. Tokens that the question chooses cost most. They come last, and not where time is limited:
 * each policy gets half of what is left of it.
 */
export function usualPolicies(
  questions: readonly Pick<Question, 'passages'>[],
  { limited }: { readonly limited: boolean },
): ContextPolicy[] {
  const follow = questions.some(({ passages }) => passages.some(({ previous }) => previous !== undefined));
  return [
    'anchor:header',
    'anchor:200',
    ...(follow ? ['anchor:200+neighbour:256'] : []),
    'anchor:200+head:8',
    ...(limited ? [] : ['anchor:200+attention:0.05']),
  ].map(parsePolicy);
}
