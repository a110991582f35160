/**
 * What the adapters share: a conversation with documents in, pieces of text and the account out, from an engine in this
 * process or from a server. Both speak the server's API, so both mean the same by every option and fail alike.
 */

import { BlockAttentionError, type ErrorCode, errorCodes } from '@block-attention/engine/internal/base';
import type { Engine, Passage } from '@block-attention/engine/internal/engine';
import { z } from 'zod';
import { distinctDocuments, liftDocuments } from './documents.ts';

/** An engine, or the address of a server. */
export interface SourceOptions {
  /** Answers in this process. Stays the caller's to close. */
  readonly engine?: Engine | undefined;
  /** `http://host:port` of `block-attention serve`, or whatever stands before `/v1` of it; `/v1` may follow. */
  readonly url?: string | undefined;
  readonly apiKey?: string | undefined;
  /** Name of the model. Defaults to the one that the server has. */
  readonly model?: string | undefined;
  /** Defaults to the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Fields that are undefined are left to the server. */
export interface ChatCall {
  /** Marked documents in them (see documents.ts) become blocks. */
  readonly messages: readonly ChatMessage[];
  readonly documents?: readonly Passage[] | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  /** `json_object`, or a JSON schema that the answer follows. */
  readonly responseFormat?: object | undefined;
  /** Field `block_attention` of the request: `mode`, `policy` and so on. */
  readonly blockAttention?: object | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an answer cost, per block. Further fields are the server's. */
export const accountSchema = z.looseObject({
  mode: z.string(),
  ttft_ms: z.number(),
  blocks: z.array(
    z.looseObject({ id: z.string(), status: z.string(), tier: z.string(), tokens: z.number(), ms: z.number() }),
  ),
});
export type Account = z.infer<typeof accountSchema>;

export interface ChatEnd {
  readonly finishReason: 'stop' | 'length';
  readonly id: string;
  readonly model: string;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number; readonly cachedTokens: number };
  readonly account: Account | undefined;
}

export type ChatEvent = { readonly type: 'text'; readonly text: string } | ({ readonly type: 'end' } & ChatEnd);

const chunkSchema = z.looseObject({
  id: z.string().optional(),
  model: z.string().optional(),
  choices: z
    .array(
      z.looseObject({ delta: z.looseObject({ content: z.string().nullish() }), finish_reason: z.string().nullish() }),
    )
    .optional(),
  usage: z
    .looseObject({
      prompt_tokens: z.number(),
      completion_tokens: z.number(),
      prompt_tokens_details: z.looseObject({ cached_tokens: z.number() }).nullish(),
    })
    .nullish(),
  block_attention: accountSchema.nullish(),
  error: z.looseObject({ message: z.string(), code: z.string().nullish() }).optional(),
});

const errorSchema = z.looseObject({
  message: z.string(),
  code: z.string(),
  block_attention_code: z.string().optional(),
});

type Fetch = (url: string, init: RequestInit) => Response | Promise<Response>;

export class ChatClient {
  /** Where requests go, for messages. */
  readonly address: string;
  readonly #options: SourceOptions;
  #model: Promise<string> | undefined;

  /** @throws INVALID_ARGUMENT unless exactly one of engine and url is given */
  constructor(options: SourceOptions) {
    if ((options.engine === undefined) === (options.url === undefined)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', 'give either an engine or the url of a server');
    }
    this.#options = options;
    this.address = addressOf(options.url ?? 'http://engine.invalid');
  }

  /**
   * Answers. Leaving the loop early cancels the request.
   * @throws BlockAttentionError with the server's code; SERVER_UNREACHABLE; the signal's reason when it fires
   */
  async *stream(call: ChatCall): AsyncGenerator<ChatEvent, void> {
    const { signal } = call;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const cancel = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const body = { ...bodyOf(call), model: await this.#modelName(), stream: true };
      const response = await this.#post('/chat/completions', body, controller.signal);
      yield* readEvents(response);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      controller.abort();
    }
  }

  /** Has the documents' blocks encoded ahead of a question, without waiting for it. */
  async warm(documents: readonly Passage[]): Promise<void> {
    await this.#post('/blocks', { documents }, undefined);
  }

  async #modelName(): Promise<string> {
    const { model, engine } = this.#options;
    if (model !== undefined) return model;
    if (engine !== undefined) return inProcessModel;
    this.#model ??= this.#onlyModel();
    return this.#model.catch((error: unknown) => {
      this.#model = undefined;
      throw error;
    });
  }

  async #onlyModel(): Promise<string> {
    const response = await this.#request('/models', { headers: this.#headers() });
    const list = z.object({ data: z.array(z.object({ id: z.string() })).min(1) }).parse(await response.json());
    return list.data[0]?.id ?? '';
  }

  #post(path: string, body: object, signal: AbortSignal | undefined): Promise<Response> {
    const headers = { ...this.#headers(), 'content-type': 'application/json' };
    const init: RequestInit = { method: 'POST', headers, body: JSON.stringify(body) };
    return this.#request(path, signal === undefined ? init : { ...init, signal });
  }

  #headers(): Record<string, string> {
    const { apiKey } = this.#options;
    return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  async #request(path: string, init: RequestInit): Promise<Response> {
    const send = await this.#fetch();
    let response: Response;
    try {
      response = await send(`${this.address}${path}`, init);
    } catch (error) {
      init.signal?.throwIfAborted();
      const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause : error).message : '';
      const message = `the server at ${this.address} does not answer (${reason}): start it, or correct the url`;
      throw new BlockAttentionError('SERVER_UNREACHABLE', message, { cause: error });
    }
    if (response.ok) return response;
    const body = await response.text();
    throw errorOf(safeJson(body), `the server answered ${response.status}: ${body.slice(0, 200)}`);
  }

  async #fetch(): Promise<Fetch> {
    const { engine, fetch } = this.#options;
    return engine === undefined ? (fetch ?? globalThis.fetch) : inProcess(engine);
  }
}

/** The routes lie below `/v1`, whether the address says so or not. */
function addressOf(url: string): string {
  const bare = url.replace(/\/+$/, '');
  return bare.endsWith('/v1') ? bare : `${bare}/v1`;
}

const inProcessModel = 'engine';
const apps = new WeakMap<Engine, Promise<Fetch>>();

/** The server's API over an engine, without a socket. */
function inProcess(engine: Engine): Promise<Fetch> {
  const known = apps.get(engine) ?? openApp(engine);
  apps.set(engine, known);
  return known;
}

async function openApp(engine: Engine): Promise<Fetch> {
  const { createServer } = await import('../server/index.ts');
  // Nothing to protect from its own process.
  const limits = {
    bodyBytes: 2 ** 30,
    bodyValues: 2 ** 24,
    documents: 2 ** 20,
    answerTokens: 2 ** 20,
    queue: 2 ** 20,
    deadlineMs: 2 ** 31 - 1,
  };
  const { app } = createServer({ engine, modelName: inProcessModel, limits });
  return (url, init) => app.fetch(new Request(url, init));
}

function bodyOf(call: ChatCall): object {
  const documents: Passage[] = [...(call.documents ?? [])];
  const messages: ChatMessage[] = [];
  for (const { role, content } of call.messages) {
    const lifted = liftDocuments(content);
    documents.push(...lifted.documents);
    if (lifted.text !== '' || role !== 'system') messages.push({ role, content: lifted.text });
  }
  return {
    messages,
    documents: distinctDocuments(documents),
    temperature: call.temperature,
    top_p: call.topP,
    max_tokens: call.maxTokens,
    stop: call.stop?.length === 0 ? undefined : call.stop,
    seed: call.seed,
    frequency_penalty: call.frequencyPenalty,
    presence_penalty: call.presencePenalty,
    response_format: call.responseFormat,
    block_attention: call.blockAttention,
    stream_options: { include_usage: true },
  };
}

async function* readEvents(response: Response): AsyncGenerator<ChatEvent, void> {
  let finishReason: ChatEnd['finishReason'] = 'stop';
  for await (const data of dataLines(response)) {
    if (data === '[DONE]') return;
    const chunk = chunkSchema.parse(safeJson(data));
    if (chunk.error) throw errorOf(chunk, chunk.error.message);
    for (const { delta, finish_reason } of chunk.choices ?? []) {
      if (delta.content) yield { type: 'text', text: delta.content };
      if (finish_reason === 'length') finishReason = 'length';
    }
    if (!chunk.usage) continue;
    const { prompt_tokens, completion_tokens, prompt_tokens_details } = chunk.usage;
    const cachedTokens = prompt_tokens_details?.cached_tokens ?? 0;
    yield {
      type: 'end',
      finishReason,
      id: chunk.id ?? '',
      model: chunk.model ?? '',
      usage: { promptTokens: prompt_tokens, completionTokens: completion_tokens, cachedTokens },
      account: chunk.block_attention ?? undefined,
    };
  }
  throw new BlockAttentionError('SERVER_UNREACHABLE', 'the server ended the answer in its middle: ask again');
}

/** The data of a response's server-sent events. */
async function* dataLines(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const bytes of response.body ?? []) {
    const events = (pending + decoder.decode(bytes, { stream: true })).split('\n\n');
    pending = events.pop() ?? '';
    for (const event of events) if (event.startsWith('data: ')) yield event.slice('data: '.length);
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorOf(body: unknown, otherwise: string): BlockAttentionError {
  const parsed = z.looseObject({ error: errorSchema }).safeParse(body);
  if (!parsed.success) return new BlockAttentionError('SERVER_UNREACHABLE', otherwise);
  const { message, code, block_attention_code: own = code } = parsed.data.error;
  const known = (Object.keys(errorCodes) as ErrorCode[]).find((name) => name === own.toUpperCase());
  return new BlockAttentionError(known ?? 'INTERNAL', message);
}
