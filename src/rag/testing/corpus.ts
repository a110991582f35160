/** A folder of documents, a small random model, and places for an index and a store. For tests. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createEngine, type Engine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { writeRandomModel } from '../../../tests/support/models/random-model.ts';
import { type DocumentIndex, type IndexOptions, openIndex } from '../index.ts';

export class Corpus implements Disposable {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'block-attention-rag-')));
  readonly docs = join(this.folder, 'docs');
  readonly model = join(this.folder, 'model.gguf');
  readonly index = join(this.folder, 'index');
  readonly cache = join(this.folder, 'cache');
  #clock = Date.now() - 3_600_000;

  static async make(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<Corpus> {
    const corpus = new Corpus();
    mkdirSync(corpus.docs);
    await writeRandomModel(corpus.model, { family: 'llama', contextTokens: 2048 }, 5);
    for (const [name, content] of Object.entries(files)) corpus.put(name, content);
    return corpus;
  }

  /** Writes a file whose time of change is in the past, and later than that of every file before. */
  put(name: string, content: string | Uint8Array): void {
    const path = join(this.docs, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    this.#clock += 10_000;
    utimesSync(path, this.#clock / 1000, this.#clock / 1000);
  }

  remove(name: string): void {
    rmSync(join(this.docs, name), { recursive: true });
  }

  openEngine(options: Partial<EngineOptions> = {}): Promise<Engine> {
    const own = { modelPath: this.model, device: 'cpu', threads: 1, cacheDir: this.cache, mode: 'block' } as const;
    return createEngine({ ...own, ...options });
  }

  openIndex(options: IndexOptions = {}): Promise<DocumentIndex> {
    return openIndex({ directory: this.index, ...options });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const keysPage = `# Keys

Keys open the store. They are kept in a file.

## Rotation

Keys are rotated every ninety days by the bridge operator.

## Loss

A lost key is reported to the harbour office at once.
`;

export const bridgePage = `<title>The bridge</title><h1>History</h1><p>The bridge was opened in 1911 by the mayor.</p>`;
