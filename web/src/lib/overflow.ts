/** A prompt too long for the model, told before it is sent. */
import { Failure } from '../api/failure.ts';
import type { ModelInfo, Plan } from '../api/types.ts';
import { integer } from './format.ts';

/** Undefined when prompt and answer fit, or when not enough is known. */
export function overflowOf(
  plan: Plan | undefined,
  model: ModelInfo | undefined,
  maxTokens: number,
): Failure | undefined {
  const limit = model?.block_attention?.context_tokens;
  if (plan === undefined || limit === undefined) return undefined;
  const prompt = plan.context_tokens + plan.question_tokens;
  if (prompt + maxTokens <= limit) return undefined;
  return new Failure(
    'overflow',
    `The prompt has ${integer(prompt)} tokens and the answer may have ${integer(maxTokens)}; the model holds ${integer(limit)}.`,
  );
}
