/**
 * What was found and said before, cut to what the context holds: the product chose it, so the product fits it.
 *
 * Counted by the engine that answers, as the prompt is written: an index may have been made with another tokenizer.
 * Passages go from the last; when a single one is too much beside earlier turns, the oldest turns go.
 */
import type { AnswerRequest, Engine, Turn } from '@block-attention/engine/internal/engine';
import { passageOf, type SearchHit } from '../types.ts';

export interface Fitted {
  readonly hits: readonly SearchHit[];
  readonly history: readonly Turn[];
}

const defaultAnswerTokens = 200;

/** Where nothing fits, one passage is left, and the engine says by how much it is too long. */
export async function fitContext(
  engine: Engine,
  request: Omit<AnswerRequest, 'passages'>,
  found: readonly SearchHit[],
): Promise<Fitted> {
  const { contextTokens } = engine.model;
  const answer = request.maxTokens ?? Math.min(defaultAnswerTokens, Math.floor(contextTokens / 4));
  let [hits, history] = [found, request.history ?? []];
  for (;;) {
    const passages = hits.map(({ chunk }) => passageOf(chunk));
    const plan = await engine.plan({ ...request, history, passages });
    const over = plan.contextTokens + plan.questionTokens + answer - contextTokens;
    if (over <= 0) return { hits, history };
    if (hits.length > 1) {
      const tokens = plan.blocks.filter(({ kind }) => kind === 'passage').map((block) => block.tokens);
      hits = hits.slice(0, Math.max(1, kept(tokens, over)));
    } else if (history.length > 0) {
      history = history.slice(1);
    } else {
      return { hits, history };
    }
  }
}

/** How many passages are left when the last are dropped until `over` tokens are saved; at least one goes. */
function kept(tokens: readonly number[], over: number): number {
  let saved = 0;
  for (let left = tokens.length - 1; left > 0; left--) {
    saved += tokens[left] ?? 0;
    if (saved >= over) return left;
  }
  return 1;
}
