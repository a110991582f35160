/** What answers look like, for the description of the API. */
import { z } from '@hono/zod-openapi';
import { retrievedSchema } from '../documents/retrieval-schemas.ts';
import { accountSchema, usageSchema } from './accounting.ts';

const finishSchema = z.enum(['stop', 'length', 'tool_calls']);
const chanceSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()) });

export const chatResponseSchema = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.number(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.number(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().nullable(),
          refusal: z.null(),
          reasoning_content: z.string().optional(),
          tool_calls: z
            .array(
              z.object({
                id: z.string(),
                type: z.literal('function'),
                function: z.object({ name: z.string(), arguments: z.string() }),
              }),
            )
            .optional(),
        }),
        logprobs: z
          .object({ content: z.array(chanceSchema.extend({ top_logprobs: z.array(chanceSchema) })) })
          .nullable(),
        finish_reason: finishSchema,
      }),
    ),
    usage: usageSchema,
    block_attention: accountSchema,
    retrieval: retrievedSchema
      .optional()
      .openapi({ description: 'Passages and citations of an answer from the server’s documents.' }),
  })
  .openapi('ChatCompletion');

export const completionResponseSchema = z
  .object({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.number(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.number(),
        text: z.string(),
        logprobs: z
          .object({
            tokens: z.array(z.string()),
            token_logprobs: z.array(z.number()),
            top_logprobs: z.array(z.record(z.string(), z.number())),
            text_offset: z.array(z.number()),
          })
          .nullable(),
        finish_reason: finishSchema,
      }),
    ),
    usage: usageSchema,
    block_attention: accountSchema,
  })
  .openapi('Completion');

export const planResponseSchema = z
  .object({
    object: z.literal('block_attention.plan'),
    mode: z.enum(['block', 'full']),
    reason: z.string().nullable(),
    context_tokens: z.number(),
    question_tokens: z.number(),
    kv_bytes: z.number(),
    blocks: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['system', 'tool', 'passage', 'turn', 'demonstration', 'text', 'final']),
        tokens: z.number(),
        cached: z.string().nullable(),
      }),
    ),
    warnings: accountSchema.shape.warnings,
  })
  .openapi('BlockPlan');

export const jobSchema = z
  .object({
    id: z.string(),
    object: z.literal('block_attention.blocks'),
    status: z.enum(['running', 'done', 'failed']),
    done: z.number().openapi({ description: 'Number of documents done.' }),
    total: z.number(),
    summary: z
      .object({
        blocks: z.number(),
        encoded: z.number(),
        present: z.number(),
        tokens: z.number(),
        encodedTokens: z.number(),
        bytes: z.number(),
        ms: z.number(),
      })
      .optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .openapi('BlocksJob');

export const deletedSchema = z
  .object({
    object: z.literal('block_attention.blocks.deleted'),
    id: z.string().optional(),
    deleted: z.number().openapi({ description: 'Number of blocks that were deleted.' }),
  })
  .openapi('BlocksDeleted');

export const modelsSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        id: z.string(),
        object: z.literal('model'),
        created: z.number(),
        owned_by: z.string(),
        block_attention: z.record(z.string(), z.unknown()),
      }),
    ),
  })
  .openapi('Models');

export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.enum(['invalid_request_error', 'authentication_error', 'rate_limit_error', 'server_error']),
      code: z.string().openapi({
        description:
          'Error code of docs/errors.md in lower case. `context_length_exceeded` stands for `context_overflow`.',
      }),
      block_attention_code: z
        .string()
        .optional()
        .openapi({ description: 'This server’s own code, if `code` is OpenAI’s.' }),
      param: z.string().nullable().openapi({ description: 'Name of the invalid field.' }),
    }),
  })
  .openapi('Error');
