/** POST /v1/chat/completions: messages and documents in, OpenAI's answer with an account per block out. */
import { accountOf, finishReason, usageOf } from '../accounting.ts';
import { checkDocuments, grammarOf, sharedFields } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { conversationOf } from '../messages.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { chatRequestSchema } from '../request-schemas.ts';
import { respond } from '../run-request.ts';

export function addChat(app: App, server: ServerContext): void {
  describeRoute(app, 'post', '/v1/chat/completions', 'Answer a conversation over documents', chatRequestSchema);
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, chatRequestSchema, server.limits.bodyBytes);
    const conversation = conversationOf(body);
    checkDocuments(conversation.passages, server.limits.documents);
    const grammar = grammarOf(body.response_format);
    const request = { ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens };
    const answers = Array.from({ length: body.n ?? 1 }, (_, choice) => ({
      ...sharedFields(request, choice),
      ...conversation,
      grammar,
    }));
    const head = { id: `chatcmpl-${c.get('requestId')}`, created: now(), model: server.modelName };
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
      whole: (results) => ({
        ...head,
        object: 'chat.completion',
        choices: results.map((result, index) => ({
          index,
          message: { role: 'assistant', content: result.text, refusal: null },
          logprobs: null,
          finish_reason: finishReason(result),
        })),
        usage: usageOf(results),
        block_attention: accountOf(results),
      }),
      chunks: (event) => {
        const index = event.choice;
        const role = begun.has(index) ? {} : { role: 'assistant' };
        begun.add(index);
        if (event.type === 'piece') {
          return [chunk([{ index, delta: { ...role, content: event.text }, logprobs: null, finish_reason: null }])];
        }
        return [chunk([{ index, delta: role, logprobs: null, finish_reason: finishReason(event.result) }])];
      },
      lastChunks: (results) => {
        const usage = body.stream_options?.include_usage === true ? { usage: usageOf(results) } : {};
        return [chunk([], { ...usage, block_attention: accountOf(results) })];
      },
    });
  });
}

/** Seconds since 1970. */
function now(): number {
  return Math.floor(Date.now() / 1000);
}
