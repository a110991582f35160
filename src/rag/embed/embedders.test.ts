import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeRandomEncoder } from '../../../tests/support/models/random-encoder.ts';
import { bridgePage, Corpus, keysPage } from '../testing/corpus.ts';
import { openEmbedder } from './open-embedder.ts';
import { prefixesOf } from './prefixes.ts';
import { openServerEmbedder } from './server-embedder.ts';

const subjects = ['harbour', 'bridge', 'key', 'rotat'];
/** A vector that says which subjects a text names; `often` and `regularly` mean the same to it. */
const vectorOf = (text: string) => [
  ...subjects.map((word) => (text.toLowerCase().includes(word) ? 1 : 0.01)),
  /often|regular|ninety/.test(text) ? 2 : 0.01,
];

interface Seen {
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly body: { readonly input: readonly string[]; readonly model?: string };
}

let server: Server;
let address: string;
let seen: Seen[];
/** Replaces the answer to a request, once each. */
let faults: ((response: ServerResponse, body: Seen['body']) => void)[];

async function readBody(request: IncomingMessage): Promise<Seen['body']> {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
}

beforeAll(async () => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    seen.push({ url: request.url, key: request.headers.authorization, body });
    const fault = faults.shift();
    if (fault !== undefined) return fault(response, body);
    const data = body.input.map((text, index) => ({ index, embedding: vectorOf(text) })).reverse();
    response.end(JSON.stringify({ object: 'list', data }));
  };
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  address = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}/v1/embeddings?model=tiny`;
});
afterAll(() => server.close());
beforeEach(() => {
  seen = [];
  faults = [];
});

describe('an embeddings server', () => {
  it('is asked in OpenAI’s form, in batches, with the key', async () => {
    await using embedder = await openEmbedder(address, { env: { BLOCK_ATTENTION_EMBED_KEY: 'secret' } });
    expect(embedder).toMatchObject({ dimensions: 5, reference: address });
    const vectors = await embedder.embed(
      Array.from({ length: 70 }, (_, i) => (i === 69 ? 'bridge' : 'key')),
      'document',
    );
    expect(vectors).toHaveLength(70);
    expect(vectors[69]?.[1]).toBeGreaterThan(0.99);
    expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
    expect(seen.map(({ body }) => body.input.length)).toEqual([1, 32, 32, 6]);
    expect(
      seen.every(({ url, key, body }) => url === '/v1/embeddings' && key === 'Bearer secret' && body.model === 'tiny'),
    ).toBe(true);
  });

  it('is tried again when busy or broken for a moment', async () => {
    faults = [
      (response) => response.writeHead(503).end(),
      (response) => response.destroy(),
      (response) => response.writeHead(429).end(),
    ];
    await using embedder = await openServerEmbedder(address, { pauseMs: 1 });
    expect(embedder.dimensions).toBe(5);
    expect(seen).toHaveLength(4);
  });

  it.each([
    ['refuses', (response: ServerResponse) => response.writeHead(401).end('{}'), /answers 401/],
    [
      'redirects',
      (response: ServerResponse) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      /failed/,
    ],
    ['lies about the form', (response: ServerResponse) => response.end('{"data":[{"index":0}]}'), /form of OpenAI/],
    ['gives no vectors', (response: ServerResponse) => response.end('{"data":[]}'), /0 vectors for 1/],
    [
      'gives a vector of zeros',
      (response: ServerResponse) => response.end('{"data":[{"index":0,"embedding":[0,0]}]}'),
      /length 0/,
    ],
  ])('that %s is named, without the key', async (_, fault, message) => {
    faults = Array.from({ length: 4 }, () => fault);
    const error = await openServerEmbedder(address, { key: 'secret', pauseMs: 1 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'EMBEDDING_FAILED', message: expect.stringMatching(message) });
    expect(String(error)).not.toContain('secret');
  });

  it('that does not answer is given up, and can be cancelled', async () => {
    faults = [() => {}, () => {}];
    await expect(openServerEmbedder(address, { timeoutMs: 50, attempts: 2, pauseMs: 1 })).rejects.toMatchObject({
      code: 'EMBEDDING_FAILED',
    });
    faults = [() => {}];
    const signal = AbortSignal.timeout(50);
    await expect(openServerEmbedder(address, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it.each(['http://user:pw@host/v1', 'http://[', 'https://'])('refuses the address %s', async (reference) => {
    await expect(openServerEmbedder(reference)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('an index with embeddings', () => {
  it('finds by meaning what shares no word, fuses both rankings, and keeps to its embedder', async () => {
    using corpus = await Corpus.make({ 'keys.md': keysPage, 'bridge.html': bridgePage });
    using tokenizer = await openTokenCounter(corpus.model);
    await using embedder = await openEmbedder(address);
    await using index = await corpus.openIndex({ embedder });
    await index.update(corpus.docs, { tokenizer });
    const [nearest] = await index.search('regularly?', { by: 'vector' });
    expect(nearest?.chunk.title).toBe('Keys › Rotation');
    expect(await index.search('regularly?', { by: 'text' })).toEqual([]);
    const [both] = await index.search('rotated regularly?');
    expect(both).toMatchObject({ chunk: { title: 'Keys › Rotation' }, ranks: { text: 1, vector: 1 } });
    expect(both?.score).toBeCloseTo(2 / 61, 10);
    const filtered = await index.search('regularly?', { by: 'vector', paths: ['*.html'] });
    expect(filtered.map(({ chunk }) => chunk.path)).toEqual(['bridge.html']);
    await index.close();

    const path = join(corpus.folder, 'bert.gguf');
    await writeRandomEncoder(path, 1);
    await using other = await openEmbedder(path, { threads: 1, env: { BLOCK_ATTENTION_CACHE: corpus.cache } });
    await expect(corpus.openIndex({ embedder: other })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await using reader = await corpus.openIndex();
    expect((await reader.search('keys')).length).toBeGreaterThan(0);
    await expect(reader.update(corpus.docs, { tokenizer })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('works with a GGUF model in this process', async () => {
    using corpus = await Corpus.make({ 'keys.md': keysPage, 'bridge.html': bridgePage });
    const path = join(corpus.folder, 'bert.gguf');
    await writeRandomEncoder(path, 1);
    using tokenizer = await openTokenCounter(corpus.model);
    await using embedder = await openEmbedder(path, { threads: 1, env: { BLOCK_ATTENTION_CACHE: corpus.cache } });
    await using index = await corpus.openIndex({ embedder });
    await index.update(corpus.docs, { tokenizer });
    const [own] = await embedder.embed(
      ['Keys › Loss\nA lost key is reported to the harbour office at once.'],
      'document',
    );
    expect(own).toHaveLength(32);
    // A chunk's own words lie nearest to it.
    const question = 'Keys › Loss\nA lost key is reported to the harbour office at once.';
    expect((await index.search(question, { by: 'vector' }))[0]?.chunk.title).toBe('Keys › Loss');
  });
});

describe('prefixes', () => {
  it('are those the models were trained with', () => {
    expect(prefixesOf('intfloat/e5-small-v2.gguf').document).toBe('passage: ');
    expect(prefixesOf('nomic-embed-text-v1.5.Q8_0.gguf').query).toBe('search_query: ');
    expect(prefixesOf('all-minilm-l6-v2')).toEqual({ query: '', document: '', plain: '' });
  });
});
