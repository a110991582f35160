/** What a chat request says of tools: definitions, choice, earlier calls and results. Knows no engine. */
import { createHash, randomBytes } from 'node:crypto';
import type {
  AgentMessage,
  AgentRequest,
  Passage,
  ToolCall,
  ToolDefinition,
} from '@block-attention/engine/internal/prompt';
import { z } from '@hono/zod-openapi';
import type { Warning } from '../replies/accounting.ts';
import { isIdle } from '../requests/foreign-fields.ts';
import { RequestError } from '../requests/request-error.ts';
import type { ChatRequest } from '../requests/request-schemas.ts';
import { jsonSchemaGrammar } from '../schema/json-schema.ts';
import type { CallGrammars, Calling } from './calling.ts';
import { type CallFormat, callFormat } from './formats.ts';
import { callId } from './reader.ts';

type Message = ChatRequest['messages'][number];

const mostTools = 128;
/** Of a text that may stay open at once: one for each tool until its name is told. */
const mostReadings = 256;

const toolName = z.string().regex(/^[\w.-]{1,128}$/, 'use 1 to 128 letters, digits, dots, dashes or underscores');
const toolSchema = z.object({
  type: z.literal('function', { error: 'only functions are supported' }),
  function: z.object({
    name: toolName,
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});
const toolsSchema = z.array(toolSchema).min(1).max(mostTools);
const choiceSchema = z.union(
  [
    z.enum(['auto', 'none', 'required', 'any']),
    z.object({ type: z.literal('function'), function: z.object({ name: toolName }) }),
  ],
  { error: 'give "auto", "none", "required" or { type: "function", function: { name } }' },
);
const callsSchema = z.array(
  z.object({
    id: z.string().max(256).nullish(),
    function: z.object({
      name: toolName,
      arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
    }),
  }),
);

export interface ToolRequest {
  readonly agent: AgentRequest;
  /** That came with the request. */
  readonly passages: readonly Passage[];
  /** The last message of the user's, and the one before it. */
  readonly question: string;
  readonly previous: string | undefined;
  /** The beginning of the answer, where the last message is one. */
  readonly answerStart: string | undefined;
  /** Undefined where no tool may be called. */
  readonly calling: Calling | undefined;
  readonly warnings: readonly Warning[];
}

/**
 * What the engine is asked of a request with tools, or with calls of some; undefined for any other.
 * @param template the model's chat template
 * @throws INVALID_ARGUMENT naming the field
 */
export function toolRequest(body: ChatRequest, template: string | null): ToolRequest | undefined {
  const called = body.messages.some(({ role, tool_calls }) => role === 'tool' || !isIdle(tool_calls));
  if (isIdle(body.tools) && !called) return undefined;
  const format = callFormat(template);
  if (format === undefined) {
    const param = isIdle(body.tools) ? 'messages' : 'tools';
    const message = `${param}: the model’s chat template calls no tools in a way that is known here: leave them out`;
    throw new RequestError('INVALID_ARGUMENT', message, param);
  }
  const all = isIdle(body.tools) ? [] : checked(toolsSchema, body.tools, 'tools');
  const choice = isIdle(body.tool_choice) ? 'auto' : checked(choiceSchema, body.tool_choice, 'tool_choice');
  const offered = choice === 'none' ? [] : all;
  const tools = offered.map(({ function: { name, description, parameters } }): ToolDefinition => {
    return { name, ...(description && { description }), ...(parameters && { parameters }) };
  });
  const passages: Passage[] = [...(body.documents ?? [])];
  const { messages, answerStart } = conversation(body.messages, format, passages);
  const asked = messages.flatMap(({ role, content }) => (role === 'user' ? [content] : []));
  const question = asked.at(-1) ?? '';
  const made = tools.length === 0 ? undefined : callingOf(tools, choice, format, body.parallel_tool_calls !== false);
  const { calling, warnings = [] } = made ?? {};
  return { agent: { messages, tools }, passages, question, previous: asked.at(-2), answerStart, calling, warnings };
}

function callingOf(
  tools: readonly ToolDefinition[],
  choice: z.output<typeof choiceSchema>,
  format: CallFormat,
  several: boolean,
): { readonly calling: Calling; readonly warnings: readonly Warning[] } {
  const named = typeof choice === 'object' ? choice.function.name : undefined;
  const callable = named === undefined ? tools : tools.filter(({ name }) => name === named);
  if (callable.length === 0) {
    const message = `tool_choice: ${JSON.stringify(named)} is not among the tools: name one of them`;
    throw new RequestError('INVALID_ARGUMENT', message, 'tool_choice');
  }
  const more = several && named === undefined;
  const { grammars, warnings } = grammarsOf(callable, format, more);
  const mark = `\uE000${randomBytes(6).toString('hex')}\uE000`;
  const required = choice !== 'auto' && choice !== 'none';
  return { calling: { format, grammars, required, several: more, mark }, warnings };
}

const noParameters = { type: 'object', additionalProperties: false };

function grammarsOf(
  tools: readonly ToolDefinition[],
  { calls }: CallFormat,
  several: boolean,
): { readonly grammars: CallGrammars; readonly warnings: readonly Warning[] } {
  if (calls.kind === 'object') {
    const { key, grammar: all } = calls;
    const anyOf = tools.map(({ name, parameters }) => ({
      type: 'object',
      properties: { name: { const: name }, [key]: parameters ?? noParameters },
      required: ['name', key],
    }));
    const { grammar, left } = jsonSchemaGrammar({ anyOf, $defs: defsOf(tools) }, 'tools', mostReadings);
    const one = grammar.replace('root ::=', 'call ::=');
    return { grammars: { calls: `root ::= ${all('call', several)}\n${one}`, arguments: new Map() }, warnings: left };
  }
  const made = tools.map(({ name, parameters }) => {
    const { grammar, left } = jsonSchemaGrammar(parameters ?? noParameters, `tools: ${name}`, mostReadings);
    return { name, grammar, left };
  });
  return {
    grammars: { calls: '', arguments: new Map(made.map(({ name, grammar }) => [name, grammar])) },
    warnings: made.flatMap(({ left }) => left),
  };
}

/** Definitions that a tool's schema points to, from the root: each schema is within another here. */
function defsOf(tools: readonly ToolDefinition[]): Record<string, unknown> {
  return Object.assign({}, ...tools.map(({ parameters }) => parameters?.$defs ?? {}));
}

function conversation(
  given: readonly Message[],
  format: CallFormat,
  passages: Passage[],
): { readonly messages: AgentMessage[]; readonly answerStart: string | undefined } {
  const messages: AgentMessage[] = [];
  const instructions: string[] = [];
  /** Calls that have no result yet, oldest first. */
  const open: ToolCall[] = [];
  for (const [index, message] of given.entries()) {
    const { role } = message;
    const content = textOf(message, index, passages);
    const before = messages.at(-1);
    if (role === 'system' || role === 'developer') {
      if (content.trim() !== '') instructions.push(content);
    } else if (role === 'user') {
      if (content.trim() === '') continue;
      if (before?.role === 'user') messages[messages.length - 1] = { role, content: `${before.content}\n\n${content}` };
      else messages.push({ role, content });
    } else if (role === 'assistant') {
      const calls = isIdle(message.tool_calls) ? [] : callsOf(message.tool_calls, index, format);
      const reasoning = message.reasoning_content ?? undefined;
      if (calls.length === 0 && content.trim() === '') continue;
      open.push(...calls);
      messages.push({ role, content, ...(reasoning && { reasoning }), ...(calls.length > 0 && { calls }) });
    } else messages.push(resultOf(message, content, index, open, format));
  }
  const last = messages.at(-1);
  const begins = last?.role === 'assistant' && (last.calls ?? []).length === 0;
  if (begins) messages.pop();
  const system = instructions.length > 0 ? [{ role: 'system' as const, content: instructions.join('\n\n') }] : [];
  if (!messages.some(({ role }) => role === 'user')) {
    throw new RequestError('EMPTY_QUESTION', 'no message asks anything: begin with a user message', 'messages');
  }
  return { messages: [...system, ...messages], answerStart: begins ? last.content : undefined };
}

function resultOf(
  { tool_call_id, name }: Message,
  content: string,
  index: number,
  open: ToolCall[],
  format: CallFormat,
): AgentMessage {
  const id = tool_call_id ? idFor(tool_call_id, format) : undefined;
  // Clients without ids tell a result by the tool's name, or by its place.
  const at = open.findIndex((call) => (id !== undefined ? call.id === id : !name || call.name === name));
  const [call] = at < 0 ? [] : open.splice(at, 1);
  const known = id ?? call?.id;
  if (known === undefined) {
    const param = `messages.${index}.tool_call_id`;
    throw new RequestError('INVALID_ARGUMENT', `${param}: no open call has this id: give the id of an open one`, param);
  }
  const tool = name ?? call?.name;
  return { role: 'tool', content, id: known, ...(tool && { name: tool }) };
}

function callsOf(given: unknown, index: number, format: CallFormat): ToolCall[] {
  const param = `messages.${index}.tool_calls`;
  return checked(callsSchema, given, param).map(({ id, function: { name, arguments: text } }) => {
    const values = typeof text === 'string' ? parsed(text, param) : (text ?? {});
    return { id: id ? idFor(id, format) : callId(), name, arguments: values };
  });
}

function parsed(text: string, param: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, as any other text that is not an object.
  }
  throw new RequestError(
    'INVALID_ARGUMENT',
    `${param}: the arguments are not a JSON object: send what was called`,
    param,
  );
}

/** Some templates want ids of nine letters and digits. */
function idFor(id: string, { name }: CallFormat): string {
  if (!name.startsWith('mistral') || /^[A-Za-z0-9]{9}$/.test(id)) return id;
  return callId(createHash('sha256').update(id).digest());
}

/** The text of a message; documents of the user's join the passages. */
function textOf({ content, role }: Message, index: number, passages: Passage[]): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  return content
    .map((part, at) => {
      if (part.type === 'text') return part.text;
      if (part.type === 'refusal') return part.refusal;
      if (role === 'user') {
        passages.push(part.document);
        return '';
      }
      const param = `messages.${index}.content.${at}`;
      throw new RequestError('INVALID_ARGUMENT', `${param}: only user messages take documents`, param);
    })
    .filter((text) => text !== '')
    .join('\n');
}

function checked<T extends z.ZodType>(schema: T, value: unknown, param: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = [param, ...(issue?.path ?? [])].join('.');
  throw new RequestError('INVALID_ARGUMENT', `${path}: ${issue?.message ?? 'malformed'}`, path, issue?.code);
}
