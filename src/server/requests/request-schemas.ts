/**
 * What requests may say: OpenAI's fields and our own. Other servers' fields are in foreign-fields.ts, which also looks
 * at what is not a field here.
 */

import { namesFile, parsePolicy } from '@block-attention/engine/internal/engine';
import { z } from '@hono/zod-openapi';
import { retrievalSchema } from '../documents/retrieval-schemas.ts';
import { foreignFields, isIdle } from './foreign-fields.ts';

const number = (min: number, max: number) => z.number().min(min).max(max).nullish();
const whole = (min: number, max: number) => z.number().int().min(min).max(max).nullish();

/** At least 1; -1, as several local servers write it, for no limit of the request's own. */
const answerTokens = whole(-1, 1 << 20).refine((value) => value !== 0, 'give at least 1, or -1 for no limit');

/** A field that must be absent, empty or false: it would change the answer. */
const unsupported = z
  .unknown()
  .refine((value) => isIdle(value), { message: 'this is not supported: leave it out' })
  .optional();

export const documentSchema = z
  .object({
    id: z.string().max(512).optional(),
    title: z.string().optional(),
    text: z.string().min(1),
    previous: z
      .object({ title: z.string().optional(), text: z.string().min(1) })
      .optional()
      .openapi({
        description:
          'What stands before it in its document: with the policy neighbour:N it is encoded behind the end of that. Not part of the prompt.',
      }),
  })
  .openapi('Document');

export const documentsSchema = z.array(documentSchema);

const tenantSchema = z.string().regex(/^[\w.-]{1,64}$/, 'use 1 to 64 letters, digits, dots, dashes or underscores');

const policySchema = z
  .string()
  .max(4096)
  .superRefine((text, context) => {
    try {
      if (namesFile(parsePolicy(text))) throw new Error('a request cannot name a file: give text=TEXT');
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });

export const blockAttentionSchema = z
  .object({
    mode: z.enum(['auto', 'block', 'full']).optional().openapi({
      description:
        '`block`: encode each passage alone and reuse it. `full`: ordinary attention. `auto`: what was verified for the model. Defaults to the server’s setting.',
    }),
    policy: policySchema.optional().openapi({
      description:
        'Context policy: how passages are encoded and read in block mode, such as "plain" or "head:8". Defaults to the server’s setting, else to what was verified.',
    }),
    repair: policySchema.optional().openapi({ description: 'Another name of `policy`, which takes precedence.' }),
    segment: z.enum(['turns', 'text']).optional().openapi({
      description:
        '`text` (the default without documents): cut a question of 1,024 characters or more at the first kind of delimiter that it has: blank line, ---, ===, line break and tab, line break. `turns`: leave it whole.',
    }),
    history: z.enum(['blocks', 'final']).optional().openapi({
      description:
        'Earlier turns become a block each (the default), or the beginning of the final block, which attends to everything.',
    }),
    tenant: tenantSchema.optional().openapi({
      description:
        'Name that separates stored blocks, for the users behind one API key: blocks are shared within one name only.',
    }),
    prefix_reuse: z.boolean().optional().openapi({
      description: 'Whether to use states that an earlier answer left. Defaults to true.',
    }),
  })
  .strict()
  .openapi('BlockAttentionOptions');

const schemaSchema = z.record(z.string(), z.unknown());

const responseFormatSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object'), schema: schemaSchema.nullish() }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z
      .object({ name: z.string().optional(), schema: schemaSchema.nullish(), strict: z.boolean().nullish() })
      .nullish(),
    schema: schemaSchema.nullish(),
  }),
  z.object({ type: z.literal('grammar'), grammar: z.string().min(1) }),
]);

const stopText = z.string().max(512, 'give at most 512 characters');

function stopError({ input }: { readonly input?: unknown }): string {
  const found = z.array(stopText).max(128, 'give at most 128').safeParse([input].flat()).error?.issues[0];
  return found ? found.message : 'give a text, or a list of texts';
}

const samplingFields = {
  model: z.string().min(1).max(512),
  documents: documentsSchema.nullish().openapi({ description: 'Passages. Each becomes a block that is encoded once.' }),
  temperature: number(0, 2).openapi({
    description: 'Sampling temperature. Defaults to 0: the likeliest token each time.',
  }),
  top_p: number(0, 1),
  top_k: whole(-1, 1 << 20).openapi({ description: 'Number of likeliest tokens to sample from. 0 and -1 keep all.' }),
  min_p: number(0, 1).openapi({ description: "Minimum probability of a token, as a share of the likeliest token's." }),
  max_tokens: answerTokens.openapi({
    description:
      'Maximum tokens of the answer. Defaults to 200, or to what the context has left. -1: the server’s limit, or what the context has left.',
  }),
  stop: z
    .union([stopText, z.array(stopText).max(128)], { error: stopError })
    .nullish()
    .openapi({
      description: 'Texts that end the answer: up to 128, of at most 512 characters each. Empty ones are ignored.',
    }),
  seed: z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).nullish(),
  n: whole(1, 8),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  response_format: responseFormatSchema.nullish(),
  block_attention: blockAttentionSchema.nullish(),
  logit_bias: unsupported,
  ...foreignFields,
} as const;

const partSchema = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text'), text: z.string() }),
    z.object({ type: z.literal('document'), document: documentSchema }),
    // What an assistant's message of the past may hold.
    z.object({ type: z.literal('refusal'), refusal: z.string() }),
  ],
  { error: 'a part is neither of type "text" nor of type "document": the model reads text only' },
);

const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool'], {
    error: 'use system, developer, user, assistant or tool',
  }),
  content: z.union([z.string(), z.array(partSchema)], { error: contentError }).nullish(),
  tool_calls: z.unknown().optional(),
  tool_call_id: z.string().max(256).nullish(),
  name: z.string().max(256).nullish(),
  reasoning_content: z.string().nullish(),
  function_call: unsupported,
});

/** What is wrong with the first part that is wrong, not with the union. */
function contentError(issue: { readonly input?: unknown }): string {
  if (!Array.isArray(issue.input)) return 'give a string, or an array of parts';
  const found = z.array(partSchema).safeParse(issue.input).error?.issues[0];
  return found ? `${found.path.join('.')}: ${found.message}` : 'malformed';
}

const chatObject = z.object({
  ...samplingFields,
  messages: z.array(messageSchema).min(1).max(1024),
  retrieval: retrievalSchema.nullish(),
  max_completion_tokens: answerTokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: whole(0, 20).openapi({ description: 'Alternatives per token. Turns on `logprobs`.' }),
  tools: z.unknown().optional().openapi({ description: 'Functions that the model may call, in OpenAI’s form.' }),
  tool_choice: z.unknown().optional().openapi({ description: '`auto`, `none`, `required`, or one function by name.' }),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_format: z.string().max(64).nullish().openapi({
    description: '`none` leaves reasoning in the text. Otherwise it is in `reasoning_content` of the answer.',
  }),
  functions: unsupported,
  audio: unsupported,
  modalities: z.array(z.literal('text'), { error: 'only "text" is supported' }).nullish(),
});

/** Other fields pass: foreignWarnings() looks at them. */
export const chatRequestSchema = chatObject.loose().openapi('ChatCompletionRequest');

const tokenIds = z.array(z.number().int().min(0)).min(1);

const completionObject = z.object({
  ...samplingFields,
  prompt: z
    .union([z.string(), z.array(z.string()).min(1), tokenIds, z.array(tokenIds).min(1)], {
      error: 'give a text, token ids, or a list of either',
    })
    .openapi({ description: 'One prompt or several: texts, or lists of token ids.' }),
  raw: z.boolean().nullish().openapi({
    description:
      '`true`: the model reads the prompt as it is, with the control tokens that it spells. `false`: the server puts it into the model’s template as a question. Defaults to `true` without documents.',
  }),
  logprobs: whole(0, 5).openapi({ description: 'Number of alternatives per token.' }),
  echo: unsupported,
  suffix: unsupported,
  best_of: z.literal(1, { message: 'best_of is not supported: leave it out' }).nullish(),
});

export const completionRequestSchema = completionObject.loose().openapi('CompletionRequest');

export const blocksRequestSchema = z
  .object({
    documents: documentsSchema.min(1),
    tenant: tenantSchema.optional(),
    policy: policySchema.optional().openapi({
      description:
        'Context policy to encode the documents under, such as "anchor:200": the one of the requests that will ask about them. Defaults to the policy of requests that name none. When deleting: a further policy that they may have been encoded under.',
    }),
  })
  .openapi('BlocksRequest');

/** Names of all fields of requests. */
export const requestFields: ReadonlySet<string> = new Set(
  [chatObject, completionObject, blocksRequestSchema].flatMap(({ shape }) => Object.keys(shape)),
);

export type ChatRequest = z.output<typeof chatObject>;
export type CompletionRequest = z.output<typeof completionObject>;
/** What chat and completions have in common. */
export type SamplingRequest = Omit<CompletionRequest, 'prompt' | 'raw' | 'logprobs' | 'echo' | 'suffix' | 'best_of'>;
export type BlockAttentionOptions = z.output<typeof blockAttentionSchema>;
