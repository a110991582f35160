/**
 * Ollama's requests as requests of OpenAI's: what is said there as an option, a format or a tag is said here as a field.
 * Knows no engine.
 */
import { z } from '@hono/zod-openapi';
import { isIdle } from '../requests/foreign-fields.ts';
import { RequestError } from '../requests/request-error.ts';
import { type ChatRequest, chatRequestSchema, documentsSchema } from '../requests/request-schemas.ts';

const images = z
  .unknown()
  .refine((value) => isIdle(value), { message: 'images are not supported: leave them out' })
  .optional();

const shared = {
  model: z.string().min(1).max(512),
  stream: z.boolean().nullish().openapi({ description: 'Defaults to true.' }),
  format: z.unknown().optional().openapi({ description: '"json", or a JSON schema.' }),
  options: z.record(z.string(), z.unknown()).nullish().openapi({
    description:
      'temperature, num_predict, top_k, top_p, min_p, seed, stop and penalties. Options about the machine are ignored.',
  }),
  keep_alive: z.union([z.string(), z.number()]).nullish(),
  think: z.union([z.boolean(), z.string().max(64)]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  documents: documentsSchema.nullish(),
  block_attention: z.unknown().optional(),
};

const messageSchema = z
  .object({
    role: z.enum(['system', 'user', 'assistant', 'tool'], { error: 'use system, user, assistant or tool' }),
    content: z.string().nullish(),
    thinking: z.string().nullish(),
    images,
    tool_calls: z.unknown().optional(),
    tool_name: z.string().max(256).nullish(),
    tool_call_id: z.string().max(256).nullish(),
  })
  .loose();

export const ollamaChatSchema = z
  .object({ ...shared, messages: z.array(messageSchema).max(1024).nullish(), tools: z.unknown().optional() })
  .loose()
  .openapi('OllamaChatRequest');

export const ollamaGenerateSchema = z
  .object({
    ...shared,
    prompt: z.string().nullish(),
    system: z.string().nullish(),
    raw: z.boolean().nullish(),
    images,
  })
  .loose()
  .openapi('OllamaGenerateRequest');

export const ollamaEmbedSchema = z
  .object({
    model: z.string().min(1).max(512),
    input: z.union([z.string(), z.array(z.string()).max(2048)]).nullish(),
    prompt: z.string().nullish().openapi({ description: 'Text to embed, in a request to /api/embeddings.' }),
    dimensions: z.number().int().min(1).nullish(),
  })
  .loose()
  .openapi('OllamaEmbedRequest');

export const ollamaShowSchema = z
  .object({ model: z.string().max(512).nullish(), name: z.string().max(512).nullish() })
  .loose()
  .openapi('OllamaShowRequest');

type Shared = z.output<z.ZodObject<typeof shared>>;
type OllamaChat = z.output<typeof ollamaChatSchema>;
type OllamaGenerate = z.output<typeof ollamaGenerateSchema>;

/** About the machine and its memory: decided when the server starts. */
const machine = new Set(
  `num_ctx num_keep num_batch num_gpu num_thread main_gpu use_mmap use_mlock numa low_vram f16_kv vocab_only logits_all
  penalize_newline`.split(/\s+/),
);

/** Ollama's default answers at length; OpenAI's field says so with -1. */
const noLimit = -1;

/** What both kinds of requests share, as fields of OpenAI's. @param names what the model is served as */
function sharedFields(request: Shared, names: readonly string[]): Record<string, unknown> {
  const { num_predict, ...options } = request.options ?? {};
  const kept = Object.entries(options).filter(([name]) => !machine.has(name));
  const { think } = request;
  return {
    ...Object.fromEntries(kept),
    model: modelOf(request.model, names),
    stream: request.stream ?? true,
    max_tokens: typeof num_predict === 'number' && num_predict >= 0 ? num_predict : noLimit,
    ...(!isIdle(request.format) && { format: request.format }),
    ...(typeof think === 'string' ? { reasoning_effort: think, enable_thinking: true } : { think }),
    documents: request.documents,
    block_attention: request.block_attention,
    logprobs: request.logprobs,
    top_logprobs: request.top_logprobs,
  };
}

/** Ollama's names have a tag, which is `latest` where nothing else is meant. */
export function modelOf(name: string, names: readonly string[]): string {
  const plain = name.replace(/:latest$/, '');
  return !names.includes(name) && names.includes(plain) ? plain : name;
}

/** Fields that this API has and the other does not. */
const own = new Set(['options', 'keep_alive', 'format', 'think', 'prompt', 'system', 'raw', 'images']);

/** Fields that nobody here knows, to be looked at like those of other requests. */
function further(request: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(request).filter(([name]) => !own.has(name)));
}

/** @throws INVALID_ARGUMENT naming the field */
export function chatOf(request: OllamaChat, names: readonly string[]): ChatRequest {
  const messages = (request.messages ?? []).map(({ thinking, tool_name, ...message }) => ({
    ...message,
    ...(thinking && { reasoning_content: thinking }),
    ...(tool_name && { name: tool_name }),
  }));
  return checked({ ...further(request), ...sharedFields(request, names), messages, n: 1 });
}

/** The prompt as a question, behind the instruction. */
export function questionOf(request: OllamaGenerate, names: readonly string[]): ChatRequest {
  refuseTemplate(request);
  const { system, prompt } = request;
  const told = system ? [{ role: 'system', content: system }] : [];
  const messages = [...told, { role: 'user', content: prompt ?? '' }];
  return checked({ ...further(request), ...sharedFields(request, names), messages, n: 1 });
}

/** What a raw prompt shares with a chat: everything but messages. */
export function rawOf(request: OllamaGenerate, names: readonly string[]): ChatRequest {
  refuseTemplate(request);
  if (!isIdle(request.system) || !isIdle(request.documents)) {
    const param = isIdle(request.system) ? 'documents' : 'system';
    throw new RequestError('INVALID_ARGUMENT', `${param}: a raw prompt has it in its text: leave it out`, param);
  }
  const messages = [{ role: 'user', content: request.prompt ?? '' }];
  return checked({ ...further(request), ...sharedFields(request, names), messages, n: 1 });
}

function refuseTemplate(request: OllamaGenerate): void {
  for (const name of ['template', 'suffix', 'context']) {
    if (isIdle(request[name])) continue;
    throw new RequestError('INVALID_ARGUMENT', `${name}: this is not supported: leave it out`, name);
  }
}

function checked(request: object): ChatRequest {
  const parsed = chatRequestSchema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw new RequestError('INVALID_ARGUMENT', `${path || 'the body'}: ${issue?.message ?? 'malformed'}`, path || null);
}
