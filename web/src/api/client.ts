/** The server's public API. Holds the key, knows no state of the page. */
import { readEvents } from './event-stream.ts';
import { Failure, failureOf } from './failure.ts';
import type { BlocksJob, ChatBody, Chunk, Document, ModelInfo, Plan } from './types.ts';

export class Client {
  readonly #key: string;

  /** @param key empty for none */
  constructor(key: string) {
    this.#key = key;
  }

  async model(signal?: AbortSignal): Promise<ModelInfo> {
    const { data } = (await this.#json('GET', 'v1/models', undefined, signal)) as { data: ModelInfo[] };
    const [first] = data;
    if (first === undefined) throw new Failure('other', 'The server names no model.');
    return first;
  }

  async plan(body: ChatBody, signal?: AbortSignal): Promise<Plan> {
    const { stream: _, stream_options: __, ...planned } = body;
    return (await this.#json('POST', 'v1/plan', planned, signal)) as Plan;
  }

  /** Encodes the documents, and returns when they are kept. @param policy as requests about them say; defaults to the server's */
  async encode(
    { documents, policy }: { readonly documents: readonly Document[]; readonly policy?: string | undefined },
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let job = (await this.#json('POST', 'v1/blocks', { documents, policy }, signal)) as BlocksJob;
    while (job.status === 'running') {
      onProgress(job.done, job.total);
      await pause(60, signal);
      job = (await this.#json('GET', `v1/blocks/${job.id}`, undefined, signal)) as BlocksJob;
    }
    onProgress(job.done, job.total);
    if (job.error) {
      const kind = job.error.code === 'context_overflow' ? 'overflow' : 'other';
      throw new Failure(kind, job.error.message);
    }
  }

  /** Removes the documents' states from every tier of the server. */
  async forget(documents: readonly Document[]): Promise<void> {
    await this.#json('DELETE', 'v1/blocks', { documents });
  }

  async *chat(body: ChatBody, signal: AbortSignal): AsyncGenerator<Chunk> {
    const response = await this.#send('POST', 'v1/chat/completions', body, signal);
    if (response.body) yield* readEvents(response.body);
  }

  async #json(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    return (await this.#send(method, path, body, signal)).json();
  }

  /** @throws Failure for an answer that is not OK; TypeError when there is none */
  async #send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(this.#key !== '' && { authorization: `Bearer ${this.#key}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      cache: 'no-store',
      credentials: 'omit',
    });
    if (response.ok) return response;
    throw failureOf(response.status, await response.text(), response.headers.get('retry-after'));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException('cancelled', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
