/** POST /v1/completions: the prompt is the final block, put into the model's template as a question is. */
import { accountOf, finishReason, usageOf, withAccount } from '../accounting.ts';
import { answerFormat } from '../answer-format.ts';
import { checkDocuments, sharedFields } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { unheard } from '../foreign-fields.ts';
import { completionLogprobs } from '../logprobs.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import { completionRequestSchema } from '../request-schemas.ts';
import { completionResponseSchema } from '../response-schemas.ts';
import { respond } from '../run-request.ts';

export function addCompletions(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/completions',
    summary: 'Complete a prompt over documents',
    description: 'The prompt is put into the model’s template, as a question is.',
    request: completionRequestSchema,
    response: completionResponseSchema,
  });
  app.post('/v1/completions', async (c) => {
    const request = await readJson(c, completionRequestSchema, server.limits);
    const passages = request.documents ?? [];
    checkDocuments(passages, server.limits.documents);
    if (request.model === server.library?.modelName) {
      const message = `model: ${JSON.stringify(request.model)} answers questions: use /v1/chat/completions, or another`;
      throw new RequestError('INVALID_ARGUMENT', message, 'model');
    }
    const question = typeof request.prompt === 'string' ? request.prompt : (request.prompt[0] ?? '');
    const alternatives = request.logprobs ?? undefined;
    const { grammar, warnings } = answerFormat(request);
    const answers = Array.from({ length: request.n ?? 1 }, (_, choice) => ({
      ...sharedFields(request, choice, alternatives, server.limits),
      passages,
      question,
      grammar,
    }));
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `cmpl-${c.get('requestId')}`, object: 'text_completion', created, model: request.model };
    const told = alternatives !== undefined;
    const offsets = new Map<number, number>();
    return respond(c, server, {
      request,
      answers,
      warnings: [...unheard(request, completionRequestSchema.shape, server.engine), ...warnings],
      whole: (choices, admitted) => {
        const results = choices.map(({ result }) => result);
        return {
          ...head,
          choices: choices.map(({ result, tokens }, index) => ({
            index,
            text: result.text,
            logprobs: told ? completionLogprobs(tokens) : null,
            finish_reason: finishReason(result),
          })),
          usage: usageOf(results),
          block_attention: accountOf(results, admitted),
        };
      },
      chunks: (event, end) => {
        const index = event.choice;
        const text = event.type === 'piece' ? event.text : '';
        const finish_reason = event.type === 'piece' ? null : finishReason(event.result);
        const offset = offsets.get(index) ?? 0;
        offsets.set(index, offset + text.length);
        const logprobs = told && event.tokens.length > 0 ? completionLogprobs(event.tokens, offset) : null;
        const chunk = { ...head, choices: [{ index, text, logprobs, finish_reason }] };
        return withAccount([chunk], end, request, () => ({ ...head, choices: [] }));
      },
    });
  });
}
