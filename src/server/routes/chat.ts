/** POST /v1/chat/completions: messages and documents in, OpenAI's answer with an account per block out. */
import type { AnswerRequest, AnswerResult } from '@block-attention/engine/internal/engine';
import { speaksInChannels } from '@block-attention/engine/internal/prompt';
import type { App, ServerContext } from '../context.ts';
import { retrievalFor, toldOf } from '../documents/retrieved-chat.ts';
import { describeRoute } from '../pages/openapi.ts';
import { accountOf, finishReason, usageOf, type Warning, withAccount } from '../replies/accounting.ts';
import { chatLogprobs } from '../replies/logprobs.ts';
import { plainReader, type ReplyPart, type ReplyReader, readWhole, wholeReply } from '../replies/reply.ts';
import { chatResponseSchema } from '../replies/response-schemas.ts';
import { respond } from '../replies/run-request.ts';
import { answerFormat } from '../requests/answer-format.ts';
import { checkDocuments, sharedFields } from '../requests/answer-request.ts';
import { checkContinuation, unheard } from '../requests/foreign-fields.ts';
import { conversationOf } from '../requests/messages.ts';
import { readJson } from '../requests/read-json.ts';
import { RequestError } from '../requests/request-error.ts';
import { type ChatRequest, chatRequestSchema } from '../requests/request-schemas.ts';
import type { Calling } from '../tools/calling.ts';
import { channelReader } from '../tools/channel-reader.ts';
import { callReader, reasoningReader } from '../tools/reader.ts';
import { type ToolRequest, toolRequest } from '../tools/request.ts';

export function addChat(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation over documents',
    description:
      'OpenAI’s request with two more fields, `documents` and `block_attention`. In a stream, `block_attention` comes in the last chunk: the one with the usage if the request asks for usage, else the one with the last `finish_reason`. With `retrieval`, or with the model name of the documents, the server finds the passages itself. The answer’s `retrieval` field, beside `block_attention`, lists them with the citations.',
    request: chatRequestSchema,
    response: chatResponseSchema,
  });
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, chatRequestSchema, server.limits);
    const { answers, warnings, reader, contentOf, calling } = chatAnswers(body, server);
    const documents = await retrievalFor(c, server, body);
    const request = { ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens };
    const told = alternativesOf(body) !== undefined;
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `chatcmpl-${c.get('requestId')}`, created, model: body.model };
    const chunk = (choices: readonly object[]) => ({ ...head, object: 'chat.completion.chunk', choices });
    const readers = answers.map(reader);
    const begun = new Set<number>();
    const calls = new Set<string>();
    return respond(c, server, {
      request,
      answers,
      warnings,
      retrieve: documents?.retrieve,
      contentOf,
      calling,
      whole: (choices, admitted, found) => {
        const results = choices.map(({ result }) => result);
        return {
          ...head,
          object: 'chat.completion',
          choices: choices.map(({ result, tokens }, index) => ({
            index,
            ...messageOf(readers[index] ?? plainReader(), result),
            logprobs: told ? chatLogprobs(tokens) : null,
          })),
          usage: usageOf(results),
          block_attention: accountOf(results, admitted),
          ...toldOf(found, documents),
        };
      },
      chunks: (event, end) => {
        const index = event.choice;
        const chunks: object[] = [];
        if (!begun.has(index)) {
          begun.add(index);
          // As OpenAI begins: some clients read its first chunk for the role alone.
          const delta = { role: 'assistant', content: '', refusal: null };
          chunks.push(chunk([{ index, delta, logprobs: null, finish_reason: null }]));
        }
        const logprobs = told && event.tokens.length > 0 ? chatLogprobs(event.tokens) : null;
        const reading = readers[index] ?? plainReader();
        const parts = event.type === 'piece' ? reading.push(event.text) : reading.end();
        const deltas = parts.flatMap((part) => deltasOf(part, index, calls));
        if (event.type === 'result') deltas.push({});
        // Tokens are told with the text that they came with, or alone where that is held back.
        else if (deltas.length === 0 && logprobs !== null) deltas.push({});
        for (const [at, delta] of deltas.entries()) {
          const last = event.type === 'result' && at === deltas.length - 1;
          const finish_reason = last ? reasonOf(event.result, calls.size > 0 && hasCalls(calls, index)) : null;
          chunks.push(chunk([{ index, delta, logprobs: at === 0 ? logprobs : null, finish_reason }]));
        }
        if (chunks.length === 0) return [];
        return withAccount(chunks, end, body, () => chunk([]), toldOf(end?.documents, documents));
      },
    });
  });
}

/** A chat's answers, and how their texts are read. */
interface ChatAnswers {
  readonly answers: readonly AnswerRequest[];
  readonly warnings: readonly Warning[];
  /** For one answer's text. */
  readonly reader: () => ReplyReader;
  /** What of such a text is content. */
  readonly contentOf: (text: string) => string;
  readonly calling: Calling | undefined;
}

/** What the engine is asked, once per choice. @throws INVALID_ARGUMENT naming the field, EMPTY_QUESTION */
export function chatAnswers(
  body: ChatRequest,
  { limits, engine }: Pick<ServerContext, 'limits' | 'engine'>,
): ChatAnswers {
  const template = engine.layout === 'chat' ? engine.model.chatTemplate : null;
  const channels = template !== null && speaksInChannels(template);
  const reasoned = channels ? channelReader : reasoningReader;
  const words = body.reasoning_format === 'none' ? (inner: ReplyReader) => inner : reasoned;
  const asked = toolRequest(body, template);
  if (asked) return agentAnswers(body, asked, words, { limits, engine });
  const conversation = conversationOf(body);
  checkDocuments(conversation.passages, limits.documents);
  checkContinuation(body, conversation.answerStart !== undefined);
  const { grammar, warnings } = answerFormat(body);
  if (grammar !== undefined && conversation.answerStart !== undefined) {
    const message = 'a form holds for whole answers, and the last message is the beginning of one: end with a question';
    throw new RequestError('INVALID_ARGUMENT', message, `messages.${body.messages.length - 1}`);
  }
  const request = {
    ...body,
    max_tokens: body.max_completion_tokens ?? body.max_tokens,
    documents: [...conversation.passages],
  };
  const answers = Array.from({ length: body.n ?? 1 }, (_, choice) => ({
    ...sharedFields(request, choice, alternativesOf(body), limits),
    ...conversation,
    grammar,
    ...(channels && { controlText: true }),
  }));
  const notes = [...unheard(body, chatRequestSchema.shape, engine), ...warnings];
  const reader = () => words(plainReader());
  return { answers, warnings: notes, reader, contentOf: contentBy(reader), calling: undefined };
}

/** The same for a conversation in which tools are called. @throws INVALID_ARGUMENT naming the field */
function agentAnswers(
  body: ChatRequest,
  { agent, passages, question, previous, answerStart, calling, warnings }: ToolRequest,
  words: (inner: ReplyReader) => ReplyReader,
  { limits, engine }: Pick<ServerContext, 'limits' | 'engine'>,
): ChatAnswers {
  checkDocuments(passages, limits.documents);
  const { grammar, warnings: notes } = answerFormat(body);
  if (grammar !== undefined && (calling || answerStart !== undefined)) {
    throw new RequestError('INVALID_ARGUMENT', 'tools: another field binds the answer’s form: leave one out', 'tools');
  }
  const request = { ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens };
  const answers = Array.from({ length: body.n ?? 1 }, (_, choice) => ({
    ...sharedFields(request, choice, alternativesOf(body), limits),
    passages,
    question,
    history: previous === undefined ? [] : [{ user: previous, assistant: '' }],
    agent,
    answerStart,
    grammar,
  }));
  const reader = () => words(calling ? callReader(calling.format, calling.mark) : plainReader());
  return {
    answers,
    warnings: [...unheard(body, chatRequestSchema.shape, engine), ...notes, ...warnings],
    reader,
    contentOf: contentBy(reader),
    calling,
  };
}

function contentBy(reader: () => ReplyReader): (text: string) => string {
  return (text) => wholeReply(readWhole(reader(), text)).content;
}

/** Alternatives per token that are reported; undefined when no token is. */
function alternativesOf({ logprobs, top_logprobs }: ChatRequest): number | undefined {
  if (logprobs === true) return top_logprobs ?? 0;
  if (top_logprobs === undefined || top_logprobs === null || top_logprobs === 0) return undefined;
  const message = `top_logprobs is ${top_logprobs} without logprobs: set logprobs to true`;
  throw new RequestError('INVALID_ARGUMENT', message, 'top_logprobs');
}

/** A whole answer as a message, and why it ended. */
function messageOf(reader: ReplyReader, result: AnswerResult) {
  const { content, reasoning, calls } = wholeReply(readWhole(reader, result.text));
  const tool_calls = calls.map(({ id, name, arguments: given }) => ({
    id,
    type: 'function',
    function: { name, arguments: given },
  }));
  return {
    message: {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls }),
    },
    finish_reason: reasonOf(result, calls.length > 0),
  };
}

function reasonOf(result: AnswerResult, called: boolean): 'stop' | 'length' | 'tool_calls' {
  const reason = finishReason(result);
  return called && reason === 'stop' ? 'tool_calls' : reason;
}

/** A part as OpenAI streams it: of a call first its id and name, then its arguments piece by piece. */
function deltasOf(part: ReplyPart, choice: number, begun: Set<string>): object[] {
  if (part.type !== 'call')
    return [part.type === 'content' ? { content: part.text } : { reasoning_content: part.text }];
  const { call: index, id, name, text } = part;
  const known = begun.has(`${choice} ${index}`);
  begun.add(`${choice} ${index}`);
  const first = { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
  const more = text === '' ? [] : [{ tool_calls: [{ index, function: { arguments: text } }] }];
  return known ? more : [first, ...more];
}

function hasCalls(begun: ReadonlySet<string>, choice: number): boolean {
  return begun.has(`${choice} 0`);
}
