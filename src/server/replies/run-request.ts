/** From checked requests to an HTTP response, streamed or whole: what chat and completions have in common. */

import type { AnswerRequest, AnswerResult } from '@block-attention/engine/internal/engine';
import type { Context } from 'hono';
import type { DocumentAnswer } from '../../rag/index.ts';
import type { ServerContext, ServerEnv } from '../context.ts';
import type { Answering as Retrieving } from '../documents/collection.ts';
import { withoutModel } from '../documents/without-model.ts';
import { Cancellation } from '../operate/cancellation.ts';
import { overrideOf } from '../operate/mode-override.ts';
import { type ErrorBody, errorBody, RequestError } from '../requests/request-error.ts';
import type { SamplingRequest } from '../requests/request-schemas.ts';
import { type Calling, callingEngine } from '../tools/calling.ts';
import type { Admitted, Warning } from './accounting.ts';
import { events as openAiEvents, type StreamFormat, valueStream } from './event-stream.ts';
import { type ChoiceResult, Generation, type GenerationEvent } from './generation.ts';

export interface Answering {
  readonly request: SamplingRequest;
  /** One per choice. */
  readonly answers: readonly AnswerRequest[];
  readonly warnings: readonly Warning[];
  /** Finds the passages of the one answer, once the request has its turn. Defaults to those that it brings. */
  readonly retrieve?: ((answer: AnswerRequest) => Promise<Retrieving>) | undefined;
  /** What of an answer's text its reader is told: what must stand in the documents. Defaults to all of it. */
  readonly contentOf?: ((text: string) => string) | undefined;
  /** What the answers may call. Defaults to nothing. */
  readonly calling?: Calling | undefined;
  /** The body of a response that is not streamed. */
  readonly whole: (results: readonly ChoiceResult[], admitted: Admitted, documents?: DocumentAnswer) => object;
  /** How a stream is written. Defaults to events as OpenAI's chat has them. */
  readonly format?: StreamFormat | undefined;
  /** What an error in a stream is told as. Defaults to what other errors are. */
  readonly failure?: ((body: ErrorBody) => object) | undefined;
  /** The chunks of one event. `end` comes with the last one. */
  readonly chunks: (event: GenerationEvent, end: AnswerEnd | undefined) => readonly object[];
}

/** What is known once all choices are complete. */
export interface AnswerEnd {
  readonly results: readonly AnswerResult[];
  readonly admitted: Admitted;
  /** The answer of a request with `retrieve`. */
  readonly documents: DocumentAnswer | undefined;
}

/** @throws MODEL_NOT_FOUND, OVERLOADED, and what the engine refuses, before anything is sent */
export async function respond(
  c: Context<ServerEnv>,
  server: ServerContext,
  {
    request,
    answers,
    warnings,
    retrieve,
    contentOf,
    calling,
    whole,
    chunks,
    format = openAiEvents,
    failure,
  }: Answering,
): Promise<Response> {
  const { engine, limits, admission, metrics, shadow, learning } = server;
  checkLimits(server, request);
  const arrived = performance.now();
  const cancellation = new Cancellation(limits.deadlineMs, c.req.raw.signal, server.halt);
  const tenant = server.tenants.within(c.get('tenant'), request.block_attention?.tenant);
  let generation: Generation;
  let admitted: Admitted;
  let retrieved: Retrieving | undefined;
  let leave: (() => void) | undefined;
  try {
    leave = await admission.enter(tenant.name, cancellation.signal);
    const override = overrideOf(server, answers[0]);
    admitted = { queueMs: performance.now() - arrived, override, tell: server.tell, warnings };
    const [planned, ...others] = answers.map((answer) => ({
      ...answer,
      ...(override && { mode: override.mode, policy: override.policy }),
      tenant: tenant.salt,
    }));
    retrieved = planned && (await retrieve?.({ ...planned, signal: cancellation.signal }));
    const first = retrieved ? retrieved.answer?.request : planned;
    const shadowed = first && shadow.sample(first);
    // What is asked for by name teaches nothing about `auto`.
    const auto = answers[0] !== undefined && engine.chooseMode(answers[0]).requested === 'auto';
    const watched = shadowed && auto ? learning.sample(shadowed.request) : undefined;
    const onEnd = (results: readonly AnswerResult[]) => {
      cancellation[Symbol.dispose]();
      for (const result of results) metrics.answer(result);
      if (results[0]) {
        shadowed?.done(results[0]);
        watched?.done(results[0]);
      }
      retrieved?.release();
      leave?.();
    };
    const chosen = watched?.request ?? shadowed?.request;
    const requests = chosen ? [chosen, ...others] : others;
    const how = { cancellation, othersRun: () => admission.running > 1, onEnd };
    generation =
      planned && retrieved && first === undefined
        ? new Generation({ ...how, engine: withoutModel(retrieved.unasked), requests: [planned] })
        : new Generation({ ...how, engine: calling ? callingEngine(engine, calling) : engine, requests });
  } catch (error) {
    cancellation[Symbol.dispose]();
    leave?.();
    throw cancellation.explain(error);
  }
  const finish = (result: AnswerResult | undefined) =>
    result &&
    retrieved && {
      ...retrieved.finish({ ...result, text: contentOf?.(result.text) ?? result.text }),
      text: result.text,
    };
  if (request.stream !== true) {
    const choices = await generation.results();
    const documents = finish(choices[0]?.result);
    return c.json(
      whole(
        choices.map((one) => ({ ...one, result: documents ?? one.result })),
        admitted,
        documents,
      ),
    );
  }
  const events = generation.events();
  // What the engine refuses shows before its first piece: then the status still can say so.
  const first = await events.next();
  async function* all(): AsyncGenerator<object, void> {
    const results: AnswerResult[] = [];
    for (let next = first; !next.done; next = await events.next()) {
      const { value } = next;
      if (value.type === 'result') results[value.choice] = value.result;
      const complete = Object.keys(results).length === answers.length;
      const documents = complete ? finish(results[0]) : undefined;
      const end = { results: documents ? [documents] : results, admitted, documents };
      yield* chunks(value, complete ? end : undefined);
    }
  }
  return valueStream(all(), format, {
    onError: (error) => failure?.(errorBody(error).body) ?? errorBody(error).body,
    onCancel: () => cancellation.cancel(),
  });
}

function checkLimits({ modelNames, limits }: ServerContext, request: SamplingRequest): void {
  if (!modelNames.includes(request.model)) {
    const names = modelNames.map((name) => JSON.stringify(name)).join(' or ');
    const message = `the model ${JSON.stringify(request.model)} is not served: use ${names}`;
    throw new RequestError('MODEL_NOT_FOUND', message, 'model');
  }
  const wanted = request.max_tokens ?? request.n_predict ?? 0;
  if (wanted > limits.answerTokens) {
    const message = `max_tokens is ${wanted}: ask for at most ${limits.answerTokens}`;
    throw new RequestError('INVALID_ARGUMENT', message, 'max_tokens');
  }
}
