/**
 * What requests may say. Fields that only OpenAI's own service knows are ignored; those that would change the answer
 * and cannot be honoured are refused.
 */
import { z } from '@hono/zod-openapi';

const number = (min: number, max: number) => z.number().min(min).max(max).nullish();
const whole = (min: number, max: number) => z.number().int().min(min).max(max).nullish();

/** A field that must be absent, empty or false: it would change the answer. */
const unsupported = (name: string) =>
  z
    .unknown()
    .refine((value) => isIdle(value), { message: `${name} is not supported: leave it out` })
    .optional();

function isIdle(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

export const documentSchema = z
  .object({
    id: z.string().max(512).optional(),
    title: z.string().optional(),
    text: z.string().min(1),
  })
  .openapi('Document');

export const documentsSchema = z.array(documentSchema);

const samplingFields = {
  model: z.string().min(1).max(512),
  documents: documentsSchema.nullish().openapi({ description: 'Passages, each a block that is encoded once.' }),
  temperature: number(0, 2).openapi({ description: 'Defaults to 0: the likeliest token each time.' }),
  top_p: number(0, 1),
  max_tokens: whole(1, 1 << 20),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  seed: z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).nullish(),
  n: whole(1, 8),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  block_attention: z
    .object({ mode: z.enum(['block', 'full']).optional() })
    .strict()
    .nullish(),
  logit_bias: unsupported('logit_bias'),
} as const;

const contentSchema = z.union([
  z.string(),
  z.array(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text'), text: z.string() }),
      z.object({ type: z.literal('document'), document: documentSchema }),
    ]),
  ),
]);

export const chatRequestSchema = z
  .object({
    ...samplingFields,
    messages: z
      .array(z.object({ role: z.enum(['system', 'developer', 'user', 'assistant']), content: contentSchema }))
      .min(1)
      .max(1024),
    max_completion_tokens: whole(1, 1 << 20),
    response_format: z
      .discriminatedUnion('type', [
        z.object({ type: z.literal('text') }),
        z.object({ type: z.literal('json_object') }),
        z.object({
          type: z.literal('json_schema'),
          json_schema: z.object({ name: z.string().optional(), schema: z.record(z.string(), z.unknown()) }),
        }),
      ])
      .nullish(),
    logprobs: unsupported('logprobs'),
    top_logprobs: unsupported('top_logprobs'),
    tools: unsupported('tools'),
    functions: unsupported('functions'),
    audio: unsupported('audio'),
  })
  .openapi('ChatCompletionRequest');

export const completionRequestSchema = z
  .object({
    ...samplingFields,
    prompt: z.union([z.string(), z.array(z.string()).length(1)]),
    logprobs: unsupported('logprobs'),
    echo: unsupported('echo'),
    suffix: unsupported('suffix'),
    best_of: z.literal(1, { message: 'best_of is not supported: leave it out' }).nullish(),
  })
  .openapi('CompletionRequest');

export const blocksRequestSchema = z.object({ documents: documentsSchema.min(1) }).openapi('BlocksRequest');

export type ChatRequest = z.output<typeof chatRequestSchema>;
export type CompletionRequest = z.output<typeof completionRequestSchema>;
/** What chat and completions have in common. */
export type SamplingRequest = Omit<CompletionRequest, 'prompt' | 'logprobs' | 'echo' | 'suffix' | 'best_of'>;
