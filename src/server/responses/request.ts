/**
 * A request of OpenAI's responses as one of its chat completions. Nothing is kept between requests: what needs memory of
 * an earlier one is refused by name.
 */
import { z } from '@hono/zod-openapi';
import { isIdle } from '../requests/foreign-fields.ts';
import { RequestError } from '../requests/request-error.ts';
import { type ChatRequest, chatRequestSchema, documentsSchema } from '../requests/request-schemas.ts';

const text = z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }).loose();
const refusal = z.object({ type: z.literal('refusal'), refusal: z.string() });
const part = z.union([text, refusal], { error: 'a part is not text: the model reads text only' });
const content = z.union([z.string(), z.array(part)], { error: 'give a text, or a list of parts that are texts' });

const message = z.object({
  type: z.literal('message').optional(),
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content,
});
const call = z.object({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const output = z.object({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: content,
});
const reasoning = z.looseObject({
  type: z.literal('reasoning'),
  content: z.array(z.looseObject({ text: z.string() })).nullish(),
});

const item = z.union([message, call, output, reasoning], {
  error: 'give messages, function_call, function_call_output or reasoning items: others are not supported',
});

/** Fields that say what a chat's fields say, under their own names. */
const responsesObject = z.object({
  model: z.string().min(1).max(512),
  input: z.union([z.string(), z.array(item).min(1).max(1024)], { error: inputError }),
  instructions: z.string().nullish(),
  max_output_tokens: z
    .number()
    .int()
    .min(1)
    .nullish()
    .openapi({ description: 'Maximum tokens of the answer. Defaults to what the context has left.' }),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.literal(0).nullish(),
  text: z
    .looseObject({ format: z.looseObject({ type: z.string() }).nullish(), verbosity: z.unknown().optional() })
    .nullish(),
  reasoning: z.looseObject({ effort: z.string().max(64).nullish() }).nullish(),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
  tool_choice: z.unknown().optional(),
  stream: z.boolean().nullish(),
  documents: documentsSchema.nullish(),
  block_attention: z.unknown().optional(),
});

function inputError({ input }: { readonly input?: unknown }): string {
  const found = z.array(item).safeParse(input).error?.issues[0];
  return found && Array.isArray(input)
    ? `${found.path.join('.')}: ${found.message}`
    : 'give a text, or a list of items';
}

export const responsesRequestSchema = responsesObject.loose().openapi('ResponsesRequest');
export type ResponsesRequest = z.output<typeof responsesRequestSchema>;

/** What needs a memory of earlier requests, or something to run beside this one. */
const refused = [
  'previous_response_id',
  'conversation',
  'background',
  'prompt',
  'max_tool_calls',
  'modalities',
  'audio',
];
/** What changes no answer here. */
const idle = new Set(['include', 'truncation', 'stream_options', ...refused]);

/** @throws INVALID_ARGUMENT naming the field */
export function chatOfResponses(request: ResponsesRequest): ChatRequest {
  for (const name of refused) {
    if (isIdle(request[name])) continue;
    throw new RequestError('INVALID_ARGUMENT', `${name}: this is not supported: leave it out`, name);
  }
  const known = new Set(Object.keys(responsesObject.shape));
  const further = Object.entries(request).filter(([name]) => !known.has(name) && !idle.has(name));
  const { model, instructions, input, max_output_tokens, temperature, top_p, reasoning: thought, stream } = request;
  const said = typeof input === 'string' ? [{ role: 'user', content: input }] : input.map(messageOf);
  const effort = thought?.effort ?? undefined;
  const parsed = chatRequestSchema.safeParse({
    ...Object.fromEntries(further),
    model,
    messages: [...(instructions ? [{ role: 'system', content: instructions }] : []), ...joinCalls(said)],
    max_tokens: max_output_tokens ?? -1,
    temperature,
    top_p,
    stream,
    n: 1,
    documents: request.documents,
    block_attention: request.block_attention,
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...formatOf(request.text?.format ?? undefined),
    ...(request.tools && { tools: request.tools.map(toolOf) }),
    ...(request.tool_choice !== undefined && { tool_choice: choiceOf(request.tool_choice) }),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw new RequestError('INVALID_ARGUMENT', `${path || 'the body'}: ${issue?.message ?? 'malformed'}`, path || null);
}

function messageOf(given: z.output<typeof item>): Record<string, unknown> {
  if (given.type === 'function_call') {
    const called = { id: given.call_id, type: 'function', function: { name: given.name, arguments: given.arguments } };
    return { role: 'assistant', content: null, tool_calls: [called] };
  }
  if (given.type === 'function_call_output') {
    return { role: 'tool', tool_call_id: given.call_id, content: textsOf(given.output) };
  }
  if (given.type === 'reasoning') {
    return {
      role: 'assistant',
      content: null,
      reasoning_content: (given.content ?? []).map((one) => one.text).join(''),
    };
  }
  return { role: given.role, content: textsOf(given.content) };
}

/** Items of one answer as the one message that they came from. */
function joinCalls(messages: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  const joined: Record<string, unknown>[] = [];
  for (const one of messages) {
    const before = joined.at(-1);
    const parts = before?.role === 'assistant' && one.role === 'assistant' && before.content === null;
    if (!parts || before === undefined) joined.push({ ...one });
    else {
      const calls = [before.tool_calls ?? [], one.tool_calls ?? []].flat();
      Object.assign(before, one, calls.length > 0 && { tool_calls: calls }, {
        reasoning_content: one.reasoning_content ?? before.reasoning_content,
      });
    }
  }
  return joined;
}

function textsOf(given: z.output<typeof content>): string {
  if (typeof given === 'string') return given;
  return given.map((one) => ('text' in one ? one.text : one.refusal)).join('\n');
}

function formatOf(format: ({ readonly type: string } & Readonly<Record<string, unknown>>) | undefined): object {
  if (format === undefined || format.type === 'text') return {};
  if (format.type !== 'json_schema') return { response_format: format };
  const { type, ...json_schema } = format;
  return { response_format: { type, json_schema } };
}

/** @throws INVALID_ARGUMENT for a tool that is not the client's own function */
function toolOf(tool: { readonly type: string } & Readonly<Record<string, unknown>>, index: number): object {
  if (tool.type !== 'function') {
    const message = `tools.${index}: ${JSON.stringify(tool.type)} is not supported: give functions`;
    throw new RequestError('INVALID_ARGUMENT', message, `tools.${index}`);
  }
  const { type, ...rest } = tool;
  return { type, function: rest };
}

function choiceOf(choice: unknown): unknown {
  if (typeof choice !== 'object' || choice === null || !('name' in choice)) return choice;
  return { type: 'function', function: { name: choice.name } };
}
