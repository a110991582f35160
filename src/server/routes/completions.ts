/** POST /v1/completions: the prompt is the final block, put into the model's template as a question is. */
import { accountOf, finishReason, usageOf } from '../accounting.ts';
import { checkDocuments, sharedFields } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { completionRequestSchema } from '../request-schemas.ts';
import { respond } from '../run-request.ts';

export function addCompletions(app: App, server: ServerContext): void {
  describeRoute(app, 'post', '/v1/completions', 'Complete a prompt over documents', completionRequestSchema);
  app.post('/v1/completions', async (c) => {
    const request = await readJson(c, completionRequestSchema, server.limits.bodyBytes);
    const passages = request.documents ?? [];
    checkDocuments(passages, server.limits.documents);
    const question = typeof request.prompt === 'string' ? request.prompt : (request.prompt[0] ?? '');
    const answers = Array.from({ length: request.n ?? 1 }, (_, choice) => ({
      ...sharedFields(request, choice),
      passages,
      question,
    }));
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `cmpl-${c.get('requestId')}`, object: 'text_completion', created, model: server.modelName };
    return respond(c, server, {
      request,
      answers,
      whole: (results) => ({
        ...head,
        choices: results.map((result, index) => ({
          index,
          text: result.text,
          logprobs: null,
          finish_reason: finishReason(result),
        })),
        usage: usageOf(results),
        block_attention: accountOf(results),
      }),
      chunks: (event) => {
        const text = event.type === 'piece' ? event.text : '';
        const finish_reason = event.type === 'piece' ? null : finishReason(event.result);
        return [{ ...head, choices: [{ index: event.choice, text, logprobs: null, finish_reason }] }];
      },
      lastChunks: (results) => {
        const usage = request.stream_options?.include_usage === true ? { usage: usageOf(results) } : {};
        return [{ ...head, choices: [], ...usage, block_attention: accountOf(results) }];
      },
    });
  });
}
