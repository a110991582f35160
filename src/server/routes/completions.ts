/** POST /v1/completions: prompts as they are, or, over documents, put into the model's template as a question is. */

import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../pages/openapi.ts';
import { accountOf, finishReason, usageOf, withAccount } from '../replies/accounting.ts';
import { completionLogprobs } from '../replies/logprobs.ts';
import { completionResponseSchema } from '../replies/response-schemas.ts';
import { respond } from '../replies/run-request.ts';
import { answerFormat } from '../requests/answer-format.ts';
import { checkDocuments, sharedFields } from '../requests/answer-request.ts';
import { unheard } from '../requests/foreign-fields.ts';
import { readJson } from '../requests/read-json.ts';
import { RequestError } from '../requests/request-error.ts';
import { type CompletionRequest, completionRequestSchema } from '../requests/request-schemas.ts';

/** Answers of one request: prompts times `n`. */
const mostChoices = 128;

export function addCompletions(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/completions',
    summary: 'Complete a prompt, with or without documents',
    description:
      'With `documents`, or with `raw: false`, the server puts the prompt into the model’s template as a question.',
    request: completionRequestSchema,
    response: completionResponseSchema,
  });
  app.post('/v1/completions', async (c) => {
    const request = await readJson(c, completionRequestSchema, server.limits);
    const { warnings: notes, answers } = completionAnswers(request, server);
    const warnings = [...unheard(request, completionRequestSchema.shape, server.engine), ...notes];
    if (request.model === server.library?.modelName) {
      const message = `model: ${JSON.stringify(request.model)} answers questions: use /v1/chat/completions, or another`;
      throw new RequestError('INVALID_ARGUMENT', message, 'model');
    }
    const choices = request.n ?? 1;
    const told = (request.logprobs ?? undefined) !== undefined;
    const created = Math.floor(Date.now() / 1000);
    const head = { id: `cmpl-${c.get('requestId')}`, object: 'text_completion', created, model: request.model };
    const offsets = new Map<number, number>();
    return respond(c, server, {
      request,
      answers,
      warnings,
      whole: (all, admitted) => {
        const results = all.map(({ result }) => result);
        return {
          ...head,
          choices: all.map(({ result, tokens }, index) => ({
            index,
            text: result.text,
            logprobs: told ? completionLogprobs(tokens) : null,
            finish_reason: finishReason(result),
          })),
          usage: usageOf(results, choices),
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
        return withAccount([chunk], end, request, () => ({ ...head, choices: [] }), {}, choices);
      },
    });
  });
}

/** What the engine is asked: every prompt's choices one after another. @throws INVALID_ARGUMENT naming the field */
function completionAnswers(request: CompletionRequest, { limits }: Pick<ServerContext, 'limits'>) {
  const passages = request.documents ?? [];
  checkDocuments(passages, limits.documents);
  const prompts = promptsOf(request.prompt);
  const choices = request.n ?? 1;
  if (prompts.length * choices > mostChoices) {
    const message = `${prompts.length} prompts of ${choices} answers each: ask for at most ${mostChoices} answers`;
    throw new RequestError('INVALID_ARGUMENT', message, 'prompt');
  }
  const raw = request.raw ?? passages.length === 0;
  if (raw && passages.length > 0) {
    throw new RequestError('INVALID_ARGUMENT', 'raw: a prompt over documents has a template: leave raw out', 'raw');
  }
  const { grammar, warnings } = answerFormat(request);
  const answers = prompts.flatMap((prompt, at) => {
    if (!raw && typeof prompt !== 'string') {
      const message = 'token ids are a prompt as it is: leave documents and raw: false out, or give a text';
      throw new RequestError('INVALID_ARGUMENT', `prompt: ${message}`, 'prompt');
    }
    if (raw && prompt === '')
      throw new RequestError('EMPTY_QUESTION', `prompt ${at} has no text: give it some`, 'prompt');
    const asked = raw ? { raw: prompt, question: '' } : { question: String(prompt) };
    return Array.from({ length: choices }, (_, choice) => ({
      ...sharedFields(request, choice, request.logprobs ?? undefined, limits),
      passages,
      ...asked,
      grammar,
    }));
  });
  return { answers, warnings };
}

/** One after another, whatever shape they came in. */
function promptsOf(prompt: CompletionRequest['prompt']): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  const numbers: number[] = [];
  const prompts: (string | readonly number[])[] = [];
  for (const item of prompt) {
    if (typeof item === 'number') numbers.push(item);
    else prompts.push(item);
  }
  return numbers.length > 0 ? [numbers] : prompts;
}
