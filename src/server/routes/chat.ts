/** POST /v1/chat/completions: messages and documents in, OpenAI's answer with an account per block out. */
import { accountOf, finishReason, usageOf } from '../accounting.ts';
import { checkDocuments, grammarOf, sharedFields } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { chatLogprobs } from '../logprobs.ts';
import { conversationOf } from '../messages.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import { type ChatRequest, chatRequestSchema } from '../request-schemas.ts';
import { chatResponseSchema } from '../response-schemas.ts';
import { respond } from '../run-request.ts';

export function addChat(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation over documents',
    description:
      'OpenAI’s request with `documents` and `block_attention` added. Streamed, `block_attention` comes in the last chunk before [DONE].',
    request: chatRequestSchema,
    response: chatResponseSchema,
  });
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, chatRequestSchema, server.limits);
    const answers = chatAnswers(body, server);
    const request = { ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens };
    const told = alternativesOf(body) !== undefined;
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `chatcmpl-${c.get('requestId')}`, created, model: server.modelName };
    const chunk = (choices: readonly object[], more: object = {}) => ({
      ...head,
      object: 'chat.completion.chunk',
      choices,
      ...more,
    });
    const begun = new Set<number>();
    return respond(c, server, {
      request,
      answers,
      whole: (choices, admitted) => {
        const results = choices.map(({ result }) => result);
        return {
          ...head,
          object: 'chat.completion',
          choices: choices.map(({ result, tokens }, index) => ({
            index,
            message: { role: 'assistant', content: result.text, refusal: null },
            logprobs: told ? chatLogprobs(tokens) : null,
            finish_reason: finishReason(result),
          })),
          usage: usageOf(results),
          block_attention: accountOf(results, admitted),
        };
      },
      chunks: (event) => {
        const index = event.choice;
        const role = begun.has(index) ? {} : { role: 'assistant' };
        begun.add(index);
        const logprobs = told && event.tokens.length > 0 ? chatLogprobs(event.tokens) : null;
        if (event.type === 'piece') {
          return [chunk([{ index, delta: { ...role, content: event.text }, logprobs, finish_reason: null }])];
        }
        return [chunk([{ index, delta: role, logprobs, finish_reason: finishReason(event.result) }])];
      },
      lastChunks: (results, admitted) => {
        const usage = body.stream_options?.include_usage === true ? { usage: usageOf(results) } : {};
        return [chunk([], { ...usage, block_attention: accountOf(results, admitted) })];
      },
    });
  });
}

/** What the engine is asked, once per choice. @throws INVALID_ARGUMENT naming the field, EMPTY_QUESTION */
export function chatAnswers(body: ChatRequest, { limits }: Pick<ServerContext, 'limits'>) {
  const conversation = conversationOf(body);
  checkDocuments(conversation.passages, limits.documents);
  const grammar = grammarOf(body.response_format);
  const request = {
    ...body,
    max_tokens: body.max_completion_tokens ?? body.max_tokens,
    documents: [...conversation.passages],
  };
  return Array.from({ length: body.n ?? 1 }, (_, choice) => ({
    ...sharedFields(request, choice, alternativesOf(body)),
    ...conversation,
    grammar,
  }));
}

/** Alternatives per token that are reported; undefined when no token is. */
function alternativesOf({ logprobs, top_logprobs }: ChatRequest): number | undefined {
  if (logprobs === true) return top_logprobs ?? 0;
  if (top_logprobs === undefined || top_logprobs === null || top_logprobs === 0) return undefined;
  const message = `top_logprobs is ${top_logprobs} without logprobs: set logprobs to true`;
  throw new RequestError('INVALID_ARGUMENT', message, 'top_logprobs');
}
