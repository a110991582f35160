/** POST /v1/responses: OpenAI's newer door to the same answers. Nothing is kept between requests. */
import { z } from '@hono/zod-openapi';
import type { App, ServerContext } from '../context.ts';
import { retrievalFor, toldOf } from '../documents/retrieved-chat.ts';
import { describeRoute } from '../pages/openapi.ts';
import { accountOf, accountSchema, usageOf } from '../replies/accounting.ts';
import { namedEvents } from '../replies/event-stream.ts';
import { readWhole } from '../replies/reply.ts';
import { type AnswerEnd, respond } from '../replies/run-request.ts';
import { readJson } from '../requests/read-json.ts';
import { type ResponseEvent, ResponseOutput } from '../responses/output.ts';
import { chatOfResponses, type ResponsesRequest, responsesRequestSchema } from '../responses/request.ts';
import { chatAnswers } from './chat.ts';

const responsesResponseSchema = z
  .looseObject({
    id: z.string(),
    object: z.literal('response'),
    status: z.enum(['completed', 'incomplete']),
    output: z.array(z.looseObject({ id: z.string(), type: z.string() })),
    block_attention: accountSchema,
  })
  .openapi('Response');

export function addResponses(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/responses',
    summary: 'Answer in the form of OpenAI’s responses',
    description:
      'The server keeps nothing: give the whole conversation as `input`. `block_attention` is a field of the response.',
    request: responsesRequestSchema,
    response: responsesResponseSchema,
  });
  app.post('/v1/responses', async (c) => {
    const body = await readJson(c, responsesRequestSchema, server.limits);
    const request = chatOfResponses(body);
    const { answers, warnings, reader, contentOf, calling } = chatAnswers(request, server);
    const documents = await retrievalFor(c, server, request);
    const id = c.get('requestId').replaceAll('-', '');
    const created_at = Math.floor(Date.now() / 1000);
    const output = new ResponseOutput(id);
    const response = (end?: AnswerEnd) => ({
      ...describe(body, { id: `resp_${id}`, created_at }),
      ...(end ? { ...ended(end), ...toldOf(end.documents, documents) } : { status: 'in_progress' }),
      output: output.items,
    });
    const reading = reader();
    let sequence = 0;
    const numbered = (event: ResponseEvent) => ({ ...event, sequence_number: sequence++ });
    return respond(c, server, {
      request,
      answers,
      warnings,
      retrieve: documents?.retrieve,
      contentOf,
      calling,
      format: namedEvents,
      failure: ({ error: { message, code, param } }) => numbered({ type: 'error', message, code, param }),
      whole: ([choice], admitted, found) => {
        for (const part of readWhole(reading, choice?.result.text ?? '')) output.push(part);
        const results = choice ? [choice.result] : [];
        finish(output, results[0]?.stopReason === 'length');
        return response({ results, admitted, documents: found });
      },
      chunks: (event, end) => {
        const events: ResponseEvent[] = [];
        if (sequence === 0) {
          events.push({ type: 'response.created', response: response() });
          events.push({ type: 'response.in_progress', response: response() });
        }
        const parts = event.type === 'piece' ? reading.push(event.text) : reading.end();
        for (const part of parts) events.push(...output.push(part));
        if (event.type === 'result' && end) {
          events.push(...finish(output, event.result.stopReason === 'length'));
          const whole = response(end);
          events.push({ type: `response.${whole.status}`, response: whole });
        }
        return events.map(numbered);
      },
    });
  });
}

/** An answer without a word is an empty message. */
function finish(output: ResponseOutput, cut: boolean): ResponseEvent[] {
  const status = cut ? 'incomplete' : 'completed';
  const events = output.close(status);
  if (output.items.length > 0) return events;
  return [...output.push({ type: 'content', text: '' }), ...output.close(status)];
}

function ended({ results, admitted }: AnswerEnd) {
  const [first] = results;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details } = usageOf(results);
  const cut = first?.stopReason === 'length';
  return {
    status: cut ? 'incomplete' : 'completed',
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    completed_at: Math.floor(Date.now() / 1000),
    usage: {
      input_tokens: prompt_tokens,
      input_tokens_details: prompt_tokens_details,
      output_tokens: completion_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens,
    },
    block_attention: accountOf(results, admitted),
  };
}

/** What was asked for, repeated as the shape has it. */
function describe(body: ResponsesRequest, { id, created_at }: { readonly id: string; readonly created_at: number }) {
  return {
    id,
    object: 'response',
    created_at,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: body.model,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: false,
    temperature: body.temperature ?? 0,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
    usage: null,
  };
}
