/** The server's public API. Holds the key, knows no state of the page. */
import { readEvents } from './event-stream.ts';
import { Failure, failureOf } from './failure.ts';
import type {
  AskBody,
  BlocksJob,
  ChatBody,
  Chunk,
  Document,
  DocumentsState,
  FileInfo,
  ModelInfo,
  Plan,
} from './types.ts';

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

  async *chat(body: AskBody, signal: AbortSignal): AsyncGenerator<Chunk> {
    const response = await this.#send('POST', 'v1/chat/completions', body, signal);
    if (response.body) yield* readEvents(response.body);
  }

  /** What the server answers from. */
  async documents(signal?: AbortSignal): Promise<DocumentsState> {
    return (await this.#json('GET', 'v1/documents', undefined, signal)) as DocumentsState;
  }

  async files(signal?: AbortSignal): Promise<readonly FileInfo[]> {
    return ((await this.#json('GET', 'v1/files', undefined, signal)) as { data: FileInfo[] }).data;
  }

  /** Sends a file to be answered from. */
  async upload(file: File): Promise<FileInfo> {
    return (await this.#json('POST', 'v1/files', formOf(file))) as FileInfo;
  }

  async deleteFile(id: string): Promise<void> {
    await this.#json('DELETE', `v1/files/${id}`);
  }

  /** A file as the passages that an index would make of it; nothing is kept. */
  async cut(file: File): Promise<readonly Document[]> {
    const { data } = (await this.#json('POST', 'v1/cut', formOf(file))) as { data: Required<Document>[] };
    return data.map(({ title, text }) => ({ title, text }));
  }

  async #json(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    return (await this.#send(method, path, body, signal)).json();
  }

  /** @throws Failure for an answer that is not OK; TypeError when there is none */
  async #send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const form = body instanceof FormData;
    const response = await fetch(path, {
      method,
      headers: {
        ...(body !== undefined && !form && { 'content-type': 'application/json' }),
        ...(this.#key !== '' && { authorization: `Bearer ${this.#key}` }),
      },
      ...(body !== undefined && { body: form ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
      cache: 'no-store',
      credentials: 'omit',
    });
    if (response.ok) return response;
    throw failureOf(response.status, await response.text(), response.headers.get('retry-after'));
  }
}

function formOf(file: File): FormData {
  const form = new FormData();
  form.set('purpose', 'assistants');
  form.set('file', file);
  return form;
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
