/** What an answer cost, in OpenAI's fields and in this project's. */
import { z } from '@hono/zod-openapi';
import type { AnswerResult } from '../engine/index.ts';

export const usageSchema = z
  .object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    total_tokens: z.number(),
    prompt_tokens_details: z.object({ cached_tokens: z.number() }),
  })
  .openapi('Usage');

export const accountSchema = z
  .object({
    mode: z.enum(['block', 'full']),
    ttft_ms: z.number().openapi({ description: 'From admission to the first token, in ms.' }),
    blocks: z.array(
      z.object({
        id: z.string(),
        status: z.enum(['hit', 'miss']),
        tier: z.enum(['memory', 'disk', 'redis', 's3', 'none']),
        tokens: z.number(),
        bytes: z.number(),
        ms: z.number(),
      }),
    ),
    flops: z.object({ spent: z.number(), full: z.number() }),
  })
  .openapi('BlockAttentionAccount');

/** All choices share one prompt, which counts once: as the first choice met it. */
export function usageOf(results: readonly AnswerResult[]): z.output<typeof usageSchema> {
  const [first] = results;
  const prompt = first ? first.tokens.context + first.tokens.question : 0;
  const cached = (first?.blocks ?? []).reduce((sum, block) => sum + (block.status === 'hit' ? block.tokens : 0), 0);
  const completion = results.reduce((sum, result) => sum + result.tokens.answer, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

/** The account of the first choice. */
export function accountOf([first]: readonly AnswerResult[]): z.output<typeof accountSchema> | undefined {
  if (first === undefined) return undefined;
  const { mode, ttftMs, blocks, flops } = first;
  return { mode, ttft_ms: ttftMs, blocks: [...blocks], flops: { spent: flops.spent, full: flops.full } };
}

export function finishReason({ stopReason }: AnswerResult): 'stop' | 'length' {
  return stopReason === 'length' ? 'length' : 'stop';
}
