/** From checked requests to an HTTP response, streamed or whole: what chat and completions have in common. */
import type { Context } from 'hono';
import type { AnswerRequest, AnswerResult } from '../engine/index.ts';
import { Cancellation } from './cancellation.ts';
import type { ServerContext, ServerEnv } from './context.ts';
import { eventStream } from './event-stream.ts';
import { Generation, type GenerationEvent } from './generation.ts';
import { errorBody, RequestError } from './request-error.ts';
import type { SamplingRequest } from './request-schemas.ts';

export interface Answering {
  readonly request: SamplingRequest;
  /** One per choice. */
  readonly answers: readonly AnswerRequest[];
  /** The body of a response that is not streamed. */
  readonly whole: (results: readonly AnswerResult[]) => object;
  /** The chunks of one event. */
  readonly chunks: (event: GenerationEvent) => readonly object[];
  /** The chunks after the last event. */
  readonly lastChunks: (results: readonly AnswerResult[]) => readonly object[];
}

/** @throws MODEL_NOT_FOUND, OVERLOADED, and what the engine refuses, before anything is sent */
export async function respond(
  c: Context<ServerEnv>,
  server: ServerContext,
  { request, answers, whole, chunks, lastChunks }: Answering,
): Promise<Response> {
  checkLimits(server, request);
  const cancellation = new Cancellation(server.limits.deadlineMs, c.req.raw.signal, server.halt);
  const tenant = c.get('tenant');
  let generation: Generation;
  try {
    const leave = await server.admission.enter(tenant.name, cancellation.signal);
    const salted = answers.map((answer) => ({ ...answer, tenant: tenant.salt }));
    const onEnd = (results: readonly AnswerResult[]) => {
      leave();
      cancellation[Symbol.dispose]();
      for (const result of results) server.metrics.answer(result);
    };
    generation = new Generation({ engine: server.engine, requests: salted, cancellation, onEnd });
  } catch (error) {
    cancellation[Symbol.dispose]();
    throw cancellation.explain(error);
  }
  if (request.stream !== true) return c.json(whole(await generation.results()));
  const events = generation.events();
  // What the engine refuses shows before its first piece: then the status still can say so.
  const first = await events.next();
  async function* all(): AsyncGenerator<object, void> {
    const results: AnswerResult[] = [];
    for (let next = first; !next.done; next = await events.next()) {
      if (next.value.type === 'result') results[next.value.choice] = next.value.result;
      yield* chunks(next.value);
    }
    yield* lastChunks(results);
  }
  return eventStream(all(), {
    onError: (error) => errorBody(error).body,
    onCancel: () => cancellation.cancel(),
  });
}

function checkLimits({ modelName, limits }: ServerContext, request: SamplingRequest): void {
  if (request.model !== modelName) {
    const message = `the model ${JSON.stringify(request.model)} is not served: use ${JSON.stringify(modelName)}`;
    throw new RequestError('MODEL_NOT_FOUND', message, 'model');
  }
  const wanted = request.max_tokens ?? 0;
  if (wanted > limits.answerTokens) {
    const message = `max_tokens is ${wanted}: ask for at most ${limits.answerTokens}`;
    throw new RequestError('INVALID_ARGUMENT', message, 'max_tokens');
  }
}
