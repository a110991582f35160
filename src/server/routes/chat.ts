/** POST /v1/chat/completions: messages and documents in, OpenAI's answer with an account per block out. */
import { accountOf, finishReason, usageOf, withAccount } from '../accounting.ts';
import { answerFormat } from '../answer-format.ts';
import { checkDocuments, sharedFields } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { retrievalFor, toldOf } from '../documents/retrieved-chat.ts';
import { checkContinuation, unheard } from '../foreign-fields.ts';
import { chatLogprobs } from '../logprobs.ts';
import { conversationOf } from '../messages.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { plainReader } from '../reply.ts';
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
      'OpenAI’s request with `documents` and `block_attention` added. Streamed, `block_attention` comes in the last chunk: the one with the usage where that is asked for, else the one with the last finish_reason. With `retrieval`, or by the model name of the documents, passages are found on the server; what the answer rests on is in `retrieval`, beside `block_attention`.',
    request: chatRequestSchema,
    response: chatResponseSchema,
  });
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, chatRequestSchema, server.limits);
    const { answers, warnings } = chatAnswers(body, server);
    const documents = await retrievalFor(c, server, body);
    const request = { ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens };
    const told = alternativesOf(body) !== undefined;
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `chatcmpl-${c.get('requestId')}`, created, model: body.model };
    const chunk = (choices: readonly object[]) => ({ ...head, object: 'chat.completion.chunk', choices });
    const begun = new Set<number>();
    return respond(c, server, {
      request,
      answers,
      warnings,
      retrieve: documents?.retrieve,
      whole: (choices, admitted, found) => {
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
        const [delta, finish_reason] =
          event.type === 'piece' ? [{ content: event.text }, null] : [{}, finishReason(event.result)];
        chunks.push(chunk([{ index, delta, logprobs, finish_reason }]));
        return withAccount(chunks, end, body, () => chunk([]), toldOf(end?.documents, documents));
      },
    });
  });
}

/** What the engine is asked, once per choice. @throws INVALID_ARGUMENT naming the field, EMPTY_QUESTION */
export function chatAnswers(body: ChatRequest, { limits, engine }: Pick<ServerContext, 'limits' | 'engine'>) {
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
  }));
  const notes = [...unheard(body, chatRequestSchema.shape, engine), ...warnings];
  return { answers, warnings: notes, reader: plainReader };
}

/** Alternatives per token that are reported; undefined when no token is. */
function alternativesOf({ logprobs, top_logprobs }: ChatRequest): number | undefined {
  if (logprobs === true) return top_logprobs ?? 0;
  if (top_logprobs === undefined || top_logprobs === null || top_logprobs === 0) return undefined;
  const message = `top_logprobs is ${top_logprobs} without logprobs: set logprobs to true`;
  throw new RequestError('INVALID_ARGUMENT', message, 'top_logprobs');
}
