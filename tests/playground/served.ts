/** A real server on a small random model, listening. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '@block-attention/engine/internal/engine';
import { createServer, type Listening, listen, type ServerOptions } from '../../src/server/index.ts';
import { writeRandomModel } from '../support/models/random-model.ts';

const chatTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

export class Served {
  readonly #folder = mkdtempSync(join(tmpdir(), 'block-attention-playground-'));
  #close: (() => Promise<void>) | undefined;
  #engine: Engine | undefined;
  readonly #more: Listening[] = [];

  /** @returns the address of the page */
  async open(contextTokens: number, options: Partial<ServerOptions> = {}, port = 0): Promise<string> {
    const modelPath = join(this.#folder, 'model.gguf');
    await writeRandomModel(modelPath, { family: 'llama', contextTokens, chatTemplate }, 3);
    const engine = await createEngine({ modelPath, threads: 1, device: 'cpu', cacheDir: join(this.#folder, 'cache') });
    this.#engine = engine;
    const url = await this.also(options, port);
    this.#close = async () => {
      for (const listening of this.#more.splice(0)) await listening.close(0);
      await engine.close();
    };
    return url;
  }

  /** One more server over the same model. @returns its address */
  async also(options: Partial<ServerOptions> = {}, port = 0): Promise<string> {
    if (this.#engine === undefined) throw new Error('open() comes first');
    const server = createServer({ engine: this.#engine, modelName: 'small', ...options });
    const listening = await listen(server, port, '127.0.0.1');
    this.#more.push(listening);
    return `${listening.url}/`;
  }

  /** The server goes; the folder stays until close(). */
  async stop(): Promise<void> {
    await this.#close?.();
    this.#close = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
