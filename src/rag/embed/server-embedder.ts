/**
 * Embeddings by a server with OpenAI's route: `POST {input, model}` → `{data: [{index, embedding}]}`.
 *
 * Busy and failing servers are tried again, with growing pauses; what does not answer in time fails. The key is sent to
 * that address only and never appears in messages.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockAttentionError, throwIfAborted } from '@block-attention/engine/internal/base';
import { z } from 'zod';
import type { Embedder } from './embedder.ts';
import { prefixesOf } from './prefixes.ts';

export interface ServerEmbedderOptions {
  /** Sent as a bearer token. Defaults to none. */
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest time of one request, in ms. Defaults to 60 s. */
  readonly timeoutMs?: number | undefined;
  /** Attempts at one request. Defaults to 4. */
  readonly attempts?: number | undefined;
  /** Pause before the second attempt, in ms; doubled each time. Defaults to 500. */
  readonly pauseMs?: number | undefined;
}

const reply = z.object({
  data: z.array(z.object({ index: z.number().int().min(0), embedding: z.array(z.number()) })),
});
const textsAtOnce = 32;
const mostReplyBytes = 64 * 2 ** 20;

/** @throws INVALID_ARGUMENT for an address that is none; EMBEDDING_FAILED when a first text cannot be embedded */
export async function openServerEmbedder(reference: string, options: ServerEmbedderOptions = {}): Promise<Embedder> {
  const url = addressOf(reference);
  const model = url.searchParams.get('model') ?? '';
  const ask = (texts: readonly string[], signal?: AbortSignal) => request(url, model, texts, { ...options, signal });
  const prefixes = prefixesOf(model);
  // Its answer tells the length of vectors, and that it answers at all.
  const [probe] = await ask(['dimensions'], options.signal);
  const dimensions = probe?.length ?? 0;
  return {
    reference,
    identity: `server-${url.origin}${url.pathname}-${model}-${dimensions}`,
    dimensions,
    async embed(texts, kind, signal) {
      const vectors: Float32Array[] = [];
      for (let i = 0; i < texts.length; i += textsAtOnce) {
        const part = texts.slice(i, i + textsAtOnce).map((text) => prefixes[kind] + text);
        for (const vector of await ask(part, signal)) {
          if (vector.length !== dimensions) {
            throw failed(url, `it gave a vector of ${vector.length} numbers after one of ${dimensions}`);
          }
          vectors.push(vector);
        }
      }
      return vectors;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function addressOf(reference: string): URL {
  const url = URL.canParse(reference) ? new URL(reference) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      'the address of the embeddings server cannot be used: give https://host/v1/embeddings?model=NAME, the key in BLOCK_ATTENTION_EMBED_KEY',
    );
  }
  return url;
}

async function request(
  url: URL,
  model: string,
  texts: readonly string[],
  options: ServerEmbedderOptions,
): Promise<Float32Array[]> {
  const { signal, attempts = 4, pauseMs = 500 } = options;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await requestOnce(url, model, texts, options);
    } catch (error) {
      const final = error instanceof Refused || attempt >= attempts;
      throwIfAborted(signal);
      if (final) throw failed(url, error instanceof Error ? error.message : String(error), error);
      await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** An answer that will be the same next time. */
class Refused extends Error {}

async function requestOnce(
  url: URL,
  model: string,
  texts: readonly string[],
  { key, signal, timeoutMs = 60_000 }: ServerEmbedderOptions,
): Promise<Float32Array[]> {
  const target = new URL(url);
  target.search = '';
  const limit = AbortSignal.timeout(timeoutMs);
  const response = await fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ input: texts, ...(model !== '' && { model }), encoding_format: 'float' }),
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    redirect: 'error',
  });
  if (!response.ok) {
    await response.body?.cancel();
    const message = `it answers ${response.status}`;
    throw response.status === 429 || response.status >= 500 ? new Error(message) : new Refused(message);
  }
  const parsed = reply.safeParse(JSON.parse(await boundedText(response)));
  if (!parsed.success) throw new Refused('its answer has not the form of OpenAI embeddings');
  const vectors = parsed.data.data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => normalised(embedding));
  if (vectors.length !== texts.length) throw new Refused(`it gave ${vectors.length} vectors for ${texts.length} texts`);
  return vectors;
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > mostReplyBytes) throw new Refused(`its answer is longer than ${mostReplyBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function normalised(values: readonly number[]): Float32Array {
  const length = Math.hypot(...values);
  if (!(length > 0) || !Number.isFinite(length)) throw new Refused(`a vector has length ${length}`);
  return Float32Array.from(values, (value) => value / length);
}

function failed(url: URL, reason: string, cause?: unknown): BlockAttentionError {
  const message = `the embeddings server ${url.origin} failed: ${reason}; search by text works without it (--by text)`;
  return new BlockAttentionError('EMBEDDING_FAILED', message, { cause });
}
