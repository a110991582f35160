/** What an answer cost, in OpenAI's fields and in this project's. */

import type { AnswerResult } from '@block-attention/engine/internal/engine';
import { z } from '@hono/zod-openapi';
import type { SamplingRequest } from '../requests/request-schemas.ts';

export const usageSchema = z
  .object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    total_tokens: z.number(),
    prompt_tokens_details: z.object({
      cached_tokens: z.number().openapi({ description: 'Tokens that were not computed for this request.' }),
    }),
  })
  .openapi('Usage');

const warningSchema = z
  .object({
    param: z.string().openapi({ description: 'Name of the field.' }),
    message: z.string(),
  })
  .openapi('Warning');

/** Something in a request that did not do what its sender may think. */
export type Warning = z.output<typeof warningSchema>;

export const accountSchema = z
  .object({
    mode: z.enum(['block', 'full']).openapi({ description: 'Attention mode that computed the answer.' }),
    requested: z.enum(['auto', 'block', 'full']),
    reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why the server chose this mode, if the request left the choice to it.' }),
    policy: z
      .string()
      .nullable()
      .openapi({ description: 'Context policy: how passages were encoded and read. Null in full mode.' }),
    recomputed_tokens: z.number().openapi({ description: 'Context tokens recomputed with full attention.' }),
    selection: z
      .object({
        passages: z.array(
          z.object({
            id: z.string(),
            relevance: z.number().openapi({
              description:
                'Negative log-likelihood, in nats, that this passage alone does not answer the question. Higher is more relevant.',
            }),
            read: z.boolean().openapi({ description: 'Whether the model read this passage to answer.' }),
          }),
        ),
        ms: z.number(),
      })
      .nullable()
      .openapi({
        description: 'How the policy’s `select` part chose among the passages. Null if the policy has none.',
      }),
    ttft_ms: z.number().openapi({ description: 'Time from admission to the first token, in ms.' }),
    queue_ms: z.number().openapi({ description: 'Time from arrival to admission, in ms.' }),
    timings: z.object({
      plan_ms: z.number(),
      acquire_ms: z.number().openapi({ description: 'Time to look up, load and encode blocks, in ms.' }),
      prefill_ms: z.number(),
      decode_ms: z.number(),
      decode_tokens_per_second: z.number(),
    }),
    tokens: z.object({ context: z.number(), question: z.number(), answer: z.number() }),
    reused_tokens: z
      .number()
      .openapi({ description: 'Tokens of the final block whose states an earlier answer left.' }),
    blocks: z.array(
      z.object({
        id: z.string(),
        status: z.enum(['hit', 'miss']),
        tier: z.string(),
        tokens: z.number(),
        bytes: z.number(),
        ms: z.number(),
      }),
    ),
    flops: z.object({ spent: z.number(), full: z.number() }),
    warnings: z.array(warningSchema).optional().openapi({
      description: 'Fields that the server does not know, and parts of a JSON schema that the client must check.',
    }),
  })
  .openapi('BlockAttentionAccount');

/** What the server knows of a request besides its answers. */
export interface Admitted {
  readonly warnings: readonly Warning[];
  readonly queueMs: number;
  /** The engine's reasons, as clients may read them. */
  readonly tell: (reason: string) => string;
  /** Why the server chose another mode than was asked for; undefined where it did not. */
  readonly override: { readonly requested: 'auto' | 'block' | 'full'; readonly reason: string } | undefined;
}

/** Tokens of an answer's prompt whose states were there already. */
export function cachedTokens({ blocks, reusedTokens }: AnswerResult): number {
  return blocks.reduce((sum, block) => sum + (block.status === 'hit' ? block.tokens : 0), reusedTokens);
}

/**
 * Choices of one prompt count it once: as the first of them met it.
 * @param choices of each prompt. Defaults to all
 */
export function usageOf(
  results: readonly AnswerResult[],
  choices: number = results.length,
): z.output<typeof usageSchema> {
  const prompts = results.filter((_, index) => index % choices === 0);
  const prompt = prompts.reduce((sum, { tokens }) => sum + tokens.context + tokens.question, 0);
  const completion = results.reduce((sum, result) => sum + result.tokens.answer, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: prompts.reduce((sum, result) => sum + cachedTokens(result), 0) },
  };
}

/** The account of the first choice. */
export function accountOf(
  [first]: readonly AnswerResult[],
  { queueMs, override, tell, warnings }: Admitted,
): z.output<typeof accountSchema> | undefined {
  if (first === undefined) return undefined;
  const { mode, ttftMs, timings, tokens, blocks, flops, policy, recomputed, selection } = first;
  return {
    mode,
    requested: override?.requested ?? first.requested,
    reason: override?.reason ?? (first.reason === null ? null : tell(first.reason)),
    policy,
    recomputed_tokens: recomputed.tokens,
    selection: selection && { passages: [...selection.passages], ms: selection.ms },
    ttft_ms: ttftMs,
    queue_ms: queueMs,
    timings: {
      plan_ms: timings.planMs,
      acquire_ms: timings.acquireMs,
      prefill_ms: timings.prefillMs,
      decode_ms: timings.decodeMs,
      decode_tokens_per_second: timings.decodeTokensPerSecond,
    },
    tokens: { ...tokens },
    reused_tokens: first.reusedTokens,
    blocks: [...blocks],
    flops: { spent: flops.spent, full: flops.full },
    ...(warnings.length > 0 && { warnings: [...warnings] }),
  };
}

/**
 * Chunks of a stream with usage and account where they belong. With `stream_options.include_usage` a chunk without
 * choices ends the stream, and the others say `usage: null`. Without it every chunk has a choice, as plain clients expect.
 * @param end with the last chunks
 * @param empty a chunk without choices
 * @param more that goes where the account goes
 * @param choices of each prompt. Defaults to all
 */
export function withAccount(
  chunks: readonly object[],
  end: { readonly results: readonly AnswerResult[]; readonly admitted: Admitted } | undefined,
  { stream_options }: Pick<SamplingRequest, 'stream_options'>,
  empty: () => object,
  more: object = {},
  choices?: number,
): object[] {
  const account = end && { block_attention: accountOf(end.results, end.admitted), ...more };
  if (stream_options?.include_usage === true) {
    const all = chunks.map((chunk) => ({ ...chunk, usage: null }));
    return end ? [...all, { ...empty(), usage: usageOf(end.results, choices), ...account }] : all;
  }
  return chunks.map((chunk, i) => (end && i === chunks.length - 1 ? { ...chunk, ...account } : chunk));
}

export function finishReason({ stopReason }: AnswerResult): 'stop' | 'length' {
  return stopReason === 'length' ? 'length' : 'stop';
}
