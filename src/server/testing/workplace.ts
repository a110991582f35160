/** A server over a small random model. For tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { writeRandomModel } from '../../../tests/support/models/random-model.ts';
import { createServer, type ServerOptions } from '../index.ts';

export const chatTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

export const documents = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', text: 'Tessen is a town of clock makers.' },
];

export class Workplace {
  /** Gone with the workplace. */
  readonly folder = mkdtempSync(join(tmpdir(), 'block-attention-server-'));
  readonly #chatTemplate: string;
  readonly #contextTokens: number;
  #engine: Engine | undefined;

  constructor(options: { readonly chatTemplate?: string; readonly contextTokens?: number } = {}) {
    this.#chatTemplate = options.chatTemplate ?? chatTemplate;
    this.#contextTokens = options.contextTokens ?? 1024;
  }

  /** @param options of the engine. Defaults to one thread in block mode */
  async open(options: Partial<EngineOptions> = {}): Promise<Engine> {
    const modelPath = join(this.folder, 'model.gguf');
    const shape = { contextTokens: this.#contextTokens, chatTemplate: this.#chatTemplate };
    await writeRandomModel(modelPath, { family: 'llama', ...shape }, 3);
    const cacheDir = join(this.folder, 'cache');
    this.#engine = await createEngine({ modelPath, threads: 1, device: 'cpu', cacheDir, mode: 'block', ...options });
    return this.#engine;
  }

  get engine(): Engine {
    if (this.#engine) return this.#engine;
    throw new Error('open() comes first');
  }

  server(options: Partial<ServerOptions> = {}) {
    return createServer({ engine: this.engine, modelName: 'small', ...options });
  }

  async close(): Promise<void> {
    await this.#engine?.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** A POST of JSON. */
export function post(body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): RequestInit {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'application/json', ...headers },
    ...(signal && { signal }),
  };
}

/** A chat request about the documents. */
export function chat(more: object = {}) {
  const messages = [{ role: 'user', content: 'When was the bridge opened?' }];
  return { model: 'small', messages, documents, max_tokens: 8, ...more };
}

/** The JSON values of a stream of events; the last, [DONE], as a string. */
export function eventsOf(text: string): Record<string, unknown>[] {
  const events = text.split('\n\n').filter((event) => event !== '');
  if (events.at(-1) === 'data: [DONE]') events.pop();
  return events.map((event) => JSON.parse(event.slice('data: '.length)));
}

/** The JSON of a response, to be looked at by expectations. */
export async function jsonOf(response: Response): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await response.text());
}
