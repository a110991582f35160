import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFolderLock } from '@block-attention/engine/internal/platform';
import { Ollama } from 'ollama';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, type Server, type ServerOptions } from '../index.ts';
import { eventsOf, jsonOf, post, Workplace } from '../testing/workplace.ts';

const workplace = new Workplace();
const servers: Server[] = [];
const folders: string[] = [];
beforeAll(() => workplace.open());
afterAll(async () => {
  for (const server of servers) await server.close();
  await workplace.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const pages = {
  'bridge.md': '# The bridge\n\n## History\n\nThe bridge over the Arve was opened in 1934.\n\nIt is painted green.\n',
  'keys.md': '# Keys\n\n## Rotation\n\nKeys are rotated every ninety days by the operator.\n',
};

/** A folder of documents, and a server over it. */
async function open(files: Readonly<Record<string, string>> = pages, options: Partial<ServerOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-documents-'));
  folders.push(folder);
  const docs = join(folder, 'docs');
  mkdirSync(docs);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(docs, name), text);
  const documents = { directory: join(folder, 'index'), folders: [{ path: docs }], ...options.documents };
  const server = workplace.server({ ...options, documents });
  servers.push(server);
  const get = (path: string, headers = {}) => server.app.request(path, { headers });
  const ready = async (headers = {}) => {
    for (;;) {
      const state = await jsonOf(await get('/v1/documents', headers));
      if (state.phase === 'ready' && state.folders.every((one: { updated_at: unknown }) => one.updated_at))
        return state;
      await sleep(10);
    }
  };
  return { server, app: server.app, docs, get, ready };
}

/** Opened once: what reads it may share it. */
let common: ReturnType<typeof open> | undefined;
async function shared() {
  common ??= open();
  const opened = await common;
  await opened.ready();
  return opened;
}

const question = (more: object = {}) => ({
  model: 'docs',
  messages: [{ role: 'user', content: 'When was the bridge over the Arve opened?' }],
  max_tokens: 6,
  ...more,
});
const path = '/v1/chat/completions';

function upload(name: string, content: string | Uint8Array<ArrayBuffer>, headers = {}): RequestInit {
  const body = new FormData();
  body.set('purpose', 'assistants');
  body.set('file', new File([content], name));
  return { method: 'POST', body, headers };
}

describe('answers from the documents of the server', () => {
  it('by the name of the model or by retrieval, with the passages that were read, whole and streamed', async () => {
    const { app, ready } = await shared();
    expect(await ready()).toMatchObject({ files: 2, encoding: { wanted: true, done: 2, total: 2, error: null } });
    const body = await jsonOf(await app.request(path, post(question())));
    expect(body.retrieval).toMatchObject({ asked: true, left_out: { passages: 0, turns: 0 } });
    const [first] = body.retrieval.passages;
    const place = { source: 'bridge.md:5-7', folder: 'docs', path: 'bridge.md', title: 'The bridge › History' };
    expect(first).toMatchObject({ rank: 1, id: 'bridge.md:5-7', ...place, coverage: 1 });
    expect(first.text).toContain('opened in 1934');
    // What was encoded ahead is what is read.
    const { blocks } = body.block_attention;
    expect(blocks.map(({ id }: { id: string }) => id)).toContain('bridge.md:5-7');
    expect(blocks.every(({ status }: { status: string }) => status === 'hit')).toBe(true);
    expect(body.block_attention.ttft_ms).toBeGreaterThanOrEqual(body.retrieval.search_ms);
    const named = question({ model: 'small', retrieval: { top: 1, types: ['markdown'] } });
    expect((await jsonOf(await app.request(path, post(named)))).retrieval.passages).toHaveLength(1);
    for (const include_usage of [true, false]) {
      const streamed = question({ stream: true, stream_options: { include_usage } });
      const events = eventsOf(await (await app.request(path, post(streamed))).text());
      expect(events.slice(0, -1).every((event) => !('retrieval' in event))).toBe(true);
      expect(events.at(-1)).toMatchObject({ retrieval: { passages: [{ id: 'bridge.md:5-7' }] } });
      expect(events.at(-1)).toHaveProperty('block_attention');
    }
    // The same model without them answers as it did.
    expect(await jsonOf(await app.request(path, post(question({ model: 'small' }))))).not.toHaveProperty('retrieval');
  });

  it('cite file, lines and the words of the passage that bear the answer out', async () => {
    const { app } = await shared();
    // A grammar makes the random model say what stands there.
    const grammar = 'root ::= "It was opened in 1934."';
    const body = await jsonOf(await app.request(path, post(question({ grammar, max_tokens: 40 }))));
    expect(body.choices[0].message.content).toBe('It was opened in 1934.');
    const { in_documents, citations } = body.retrieval;
    expect(in_documents).toBe(true);
    expect(citations).toHaveLength(1);
    const [citation] = citations;
    expect(citation).toMatchObject({ index: 1, source: 'bridge.md:5', folder: 'docs', passage: 'bridge.md:5-7' });
    expect(citation.quotes.map(([from, to]: [number, number]) => citation.text.slice(from, to))).toEqual([
      'The bridge over the Arve was opened in 1934.',
    ]);
    expect(citation.ranges).toEqual([[0, 22]]);
  });

  it('without asking the model when nothing speaks of the question, whole and streamed', async () => {
    const { app } = await shared();
    const messages = [{ role: 'user', content: 'What is the capital of France?' }];
    const body = await jsonOf(await app.request(path, post(question({ messages }))));
    expect(body.choices[0]).toMatchObject({ message: { content: 'The documents do not answer this.' } });
    expect(body.usage.completion_tokens).toBe(0);
    expect(body.retrieval).toMatchObject({ asked: false, in_documents: false, citations: [], passages: [] });
    const events = eventsOf(await (await app.request(path, post(question({ messages, stream: true })))).text());
    const text = (events as { choices: { delta?: { content?: string } }[] }[]).map(
      ({ choices }) => choices[0]?.delta?.content ?? '',
    );
    expect(text.join('')).toBe('The documents do not answer this.');
    const always = question({ messages, retrieval: { min_coverage: 0 } });
    expect((await jsonOf(await app.request(path, post(always)))).retrieval.asked).toBe(false);
    // A question that leans on the one before it is understood by both.
    const history = [
      { role: 'user', content: 'When was the bridge over the Arve opened?' },
      { role: 'assistant', content: '1934' },
      { role: 'user', content: 'And how is it painted?' },
    ];
    const next = await jsonOf(await app.request(path, post(question({ messages: history }))));
    expect(next.retrieval).toMatchObject({ asked: true, passages: [{ path: 'bridge.md' }] });
  });

  it('while they are being read say so, and how far that is, at every door', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'block-attention-reading-'));
    folders.push(folder);
    mkdirSync(join(folder, 'docs'));
    for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, 'docs', name), text);
    const documents = { directory: join(folder, 'index'), folders: [{ path: join(folder, 'docs') }] };
    // Reading waits for another writer, as beside a run of `index`.
    let done = () => {};
    const writing = withFolderLock(join(folder, 'index', 'writer'), () => new Promise<void>((end) => (done = end)));
    const listening = await listen(workplace.server({ documents }), 0, '127.0.0.1');
    try {
      const text = 'The documents are still being read. Ask again in a moment.';
      const state = { state: 'reading', files_done: 0, files_total: 0 };
      const get = async (at: string, init?: RequestInit) => jsonOf(await fetch(`${listening.url}${at}`, init));
      const body = await get(path, post(question()));
      expect(body.choices[0].message.content).toBe(text);
      expect(body.retrieval).toMatchObject({ asked: false, in_documents: false, documents: state });
      const events = eventsOf(await (await fetch(`${listening.url}${path}`, post(question({ stream: true })))).text());
      expect(events.at(-1)).toMatchObject({ retrieval: { asked: false, documents: state } });
      expect(await get('/v1/search?q=bridge')).toMatchObject({ data: [], documents: state });
      const { model, messages } = question();
      const ollama = await new Ollama({ host: listening.url }).chat({ model, messages });
      expect(ollama).toMatchObject({ message: { content: text }, retrieval: { documents: state } });
      const response = await get('/v1/responses', post({ model, input: messages[0]?.content }));
      expect(response).toMatchObject({ output: [{ content: [{ text }] }], retrieval: { documents: state } });
      done();
      await writing;
      while ((await get('/v1/search?q=bridge')).documents.state !== 'ready') await sleep(10);
      const ready = await get(path, post(question()));
      expect(ready.retrieval).toMatchObject({
        asked: true,
        documents: { state: 'ready', files_done: 2, files_total: 2 },
      });
    } finally {
      done();
      await listening.close(100);
    }
  });

  it.each([
    [{ n: 2 }, 'n'],
    [{ documents: [{ text: 'x' }] }, 'documents'],
    [{ retrieval: { top: 0 } }, 'retrieval.top'],
    [{ retrieval: { tops: 3 } }, 'retrieval'],
    [{ retrieval: { since: 'soon' } }, 'retrieval'],
    [{ retrieval: 'yes' }, 'retrieval'],
    [{ retrieval: { by: 'vector' } }, null],
  ])('refuse %j, naming the field', async (more, param) => {
    const { app } = await shared();
    const response = await app.request(path, post(question(more)));
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject({ code: 'invalid_argument', param });
  });

  it('are not to be had on a server without', async () => {
    const server = workplace.server();
    servers.push(server);
    const ask = await server.app.request(path, post(question({ model: 'small', retrieval: true })));
    expect([ask.status, (await jsonOf(ask)).error.message]).toEqual([400, expect.stringContaining('up FOLDER')]);
    for (const at of ['/v1/search?q=x', '/v1/files', '/v1/documents']) {
      const response = await server.app.request(at);
      expect([response.status, (await jsonOf(response)).error.code]).toEqual([404, 'not_found']);
    }
    expect((await jsonOf(await server.app.request('/v1/models'))).data).toHaveLength(1);
  });
});

describe('search', () => {
  it('gives passages, best first, as it is told', async () => {
    const { get } = await shared();
    const found = await jsonOf(await get('/v1/search?q=key+rotation&top=5&path=k*&path=*.txt&type=markdown'));
    expect(found).toMatchObject({ object: 'list', data: [{ rank: 1, path: 'keys.md', source: 'keys.md:5' }] });
    expect((await jsonOf(await get('/v1/search?q=bridge&until=2001-01-01'))).data).toEqual([]);
    expect((await jsonOf(await get('/v1/search?q=bridge&since=1000'))).data).toHaveLength(1);
  });

  it.each([
    ['', 'q'],
    ['q=+', null],
    ['q=x&top=0', 'top'],
    ['q=x&top=1e3', 'top'],
    ['q=x&top=1&top=2', 'top'],
    ['q=x&by=magic', 'by'],
    ['q=x&since=soon', 'since'],
    ['q=x&type=film', 'type.0'],
    ['q=x&where=here', null],
  ])('refuses ?%s', async (query, param) => {
    const { get } = await shared();
    const response = await get(`/v1/search?${query}`);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error.param).toBe(param);
  });
});

describe('files that are sent', () => {
  it('are answered from, listed, given back, and forgotten in every tier', async () => {
    const { app, get, ready } = await shared();
    const sent = await jsonOf(
      await app.request('/v1/files', upload('harbour.md', 'The harbour of Tessen closes at nine.')),
    );
    expect(sent).toMatchObject({ object: 'file', filename: 'harbour.md', status: 'processed', passages: 1, bytes: 37 });
    const again = await jsonOf(
      await app.request('/v1/files', upload('harbour.md', 'The harbour of Tessen closes at nine.')),
    );
    expect(again.id).toBe(sent.id);
    const other = await jsonOf(
      await app.request('/v1/files', upload('harbour.md', 'The harbour of Varn closes at ten.')),
    );
    expect(other.filename).toBe('harbour-2.md');
    expect((await jsonOf(await get('/v1/files'))).data.map(({ id }: { id: string }) => id)).toEqual([
      sent.id,
      other.id,
    ]);
    expect(await (await get(`/v1/files/${sent.id}/content`)).text()).toContain('Tessen');
    const messages = [{ role: 'user', content: 'When does the harbour of Tessen close?' }];
    await ready();
    const { retrieval } = await jsonOf(await app.request(path, post(question({ messages }))));
    expect(retrieval.passages[0]).toMatchObject({ folder: 'uploads', path: 'harbour.md' });
    const { store } = workplace.engine;
    const [key] = workplace.engine.blockKeys([{ title: 'harbour', text: 'The harbour of Tessen closes at nine.' }]);
    expect(key && (await store.has(key))).toBeDefined();
    const gone = await app.request(`/v1/files/${sent.id}`, { method: 'DELETE' });
    expect(await jsonOf(gone)).toEqual({ id: sent.id, object: 'file', deleted: true });
    expect(key && (await store.has(key))).toBeUndefined();
    expect((await jsonOf(await get('/v1/search?q=Tessen'))).data).toEqual([]);
    expect((await get(`/v1/files/${sent.id}`)).status).toBe(404);
    expect((await app.request(`/v1/files/${sent.id}`, { method: 'DELETE' })).status).toBe(404);
  });

  it('of odd kinds are named, bounded, and left out with the reason', async () => {
    const documents = { directory: '', folders: [], uploads: { fileBytes: 2000, files: 4, totalBytes: 5000 } };
    const folder = mkdtempSync(join(tmpdir(), 'block-attention-uploads-'));
    folders.push(folder);
    const server = workplace.server({ documents: { ...documents, directory: join(folder, 'index') } });
    servers.push(server);
    const send = async (name: string, content: string | Uint8Array<ArrayBuffer>) => {
      const response = await server.app.request('/v1/files', upload(name, content));
      const body = await jsonOf(response);
      return response.ok
        ? `${body.filename} ${body.status} ${body.status_details ?? ''}`.trim()
        : `${response.status} ${body.error.code}`;
    };
    expect(await send('../../etc/passwd.md', 'x is in y')).toBe('passwd.md processed');
    expect(await send('C:\\my\\.hidden.txt', 'hidden text')).toBe('hidden.txt processed');
    expect(await send('photo.txt', new Uint8Array([0xff, 0xd8, 0, 1]))).toBe(
      'photo.txt error it is binary data, not text',
    );
    expect(await send('empty.md', '')).toBe('empty.md error it is empty');
    expect(await send('more.md', 'one more')).toBe('413 request_too_large');
    expect(await send('film.mp4', 'x')).toBe('415 unsupported_media_type');
    expect(await send('noending', 'x')).toBe('415 unsupported_media_type');
    expect(await send('...', 'x')).toBe('400 invalid_argument');
    expect(await send('large.md', 'x'.repeat(2001))).toBe('413 request_too_large');
    expect(await send('huge.md', 'x'.repeat(200_000))).toBe('413 request_too_large');
    const form = (body: string | FormData, headers = {}) =>
      server.app.request('/v1/files', { method: 'POST', body, headers });
    expect((await form('x', { 'content-type': 'application/json' })).status).toBe(415);
    expect((await form('x', { 'content-type': 'multipart/form-data; boundary=y' })).status).toBe(400);
    const empty = new FormData();
    empty.set('file', 'a text, no file');
    expect((await form(empty)).status).toBe(400);
  });

  it('while a question streams are found by the next, and the stream goes on', async () => {
    const { app } = await shared();
    const streaming = await app.request(
      path,
      post(question({ stream: true, max_tokens: 300, temperature: 1, seed: 1 })),
    );
    const reader = streaming.body?.getReader();
    await reader?.read();
    expect((await app.request('/v1/files', upload('ferry.txt', 'The ferry to Varn leaves at noon.'))).status).toBe(200);
    const messages = [{ role: 'user', content: 'When does the ferry to Varn leave?' }];
    const next = await jsonOf(await app.request(path, post(question({ messages }))));
    expect(next.retrieval.passages[0].path).toBe('ferry.txt');
    let text = '';
    for (let part = await reader?.read(); part?.value; part = await reader?.read())
      text += Buffer.from(part.value).toString();
    expect(text).toMatch(/"finish_reason":"(stop|length)"/);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('that go while an answer reads them leave no block behind', async () => {
    const { app, ready } = await shared();
    const text = 'The lamp of Tessen burns green.';
    const { id } = await jsonOf(await app.request('/v1/files', upload('lamp.md', text)));
    await ready();
    const messages = [{ role: 'user', content: 'How does the lamp of Tessen burn?' }];
    const body = question({
      messages,
      stream: true,
      max_tokens: 200,
      temperature: 1,
      seed: 1,
      block_attention: { tenant: 'part' },
    });
    const streaming = await app.request(path, post(body));
    const reader = streaming.body?.getReader();
    await reader?.read();
    expect((await app.request(`/v1/files/${id}`, { method: 'DELETE' })).status).toBe(200);
    for (let part = await reader?.read(); part?.value; part = await reader?.read());
    const planned = {
      model: 'small',
      messages,
      documents: [{ title: 'lamp', text }],
      block_attention: { tenant: 'part' },
    };
    const cached = async () => (await jsonOf(await app.request('/v1/plan', post(planned)))).blocks.at(-2).cached;
    while ((await cached()) !== null) await sleep(10);
  });
});

describe('tenants', () => {
  const keys = { a: 'a-long-enough-key-a', b: 'a-long-enough-key-b' };
  const as = (tenant: 'a' | 'b') => ({ authorization: `Bearer ${keys[tenant]}` });

  it('have indexes of their own: files, folders, answers and blocks', async () => {
    const apiKeys = [
      { key: keys.a, tenant: '..' },
      { key: keys.b, tenant: 'b' },
    ];
    const folder = mkdtempSync(join(tmpdir(), 'block-attention-tenants-'));
    folders.push(folder);
    const only = join(folder, 'only-b');
    mkdirSync(only);
    writeFileSync(join(only, 'secret.md'), 'The vault of Varn opens at seven.');
    const documents = { directory: join(folder, 'index'), folders: [{ path: only, tenant: 'b' }] };
    const server = workplace.server({ apiKeys, documents });
    servers.push(server);
    const ask = (at: string, tenant: 'a' | 'b') => server.app.request(at, { headers: as(tenant) });
    expect((await server.app.request('/v1/documents')).status).toBe(401);
    await server.app.request('/v1/files', upload('mine.md', 'The canal of Tessen is frozen.', as('a')));
    const settled = async () => (await jsonOf(await ask('/v1/documents', 'b'))).phase === 'ready';
    while (!(await settled()) || (await jsonOf(await ask('/v1/search?q=vault', 'b'))).data.length === 0)
      await sleep(10);
    const found = async (word: string, tenant: 'a' | 'b') =>
      (await jsonOf(await ask(`/v1/search?q=${word}`, tenant))).data.length;
    expect([await found('canal', 'a'), await found('canal', 'b')]).toEqual([1, 0]);
    expect([await found('vault', 'a'), await found('vault', 'b')]).toEqual([0, 1]);
    const { data } = await jsonOf(await ask('/v1/files', 'a'));
    expect(data).toHaveLength(1);
    expect((await jsonOf(await ask('/v1/files', 'b'))).data).toEqual([]);
    for (const method of ['GET', 'DELETE']) {
      const at = `/v1/files/${data[0].id}`;
      expect((await server.app.request(at, { method, headers: as('b') })).status).toBe(404);
    }
    // What one tenant encoded, the other does not hit.
    const body = (tenant: 'a' | 'b') =>
      post(
        { ...question(), model: 'small', documents: [{ title: 'mine', text: 'The canal of Tessen is frozen.' }] },
        as(tenant),
      );
    const tier = async (tenant: 'a' | 'b') =>
      (await jsonOf(await server.app.request('/v1/plan', body(tenant)))).blocks.at(-2).cached;
    while ((await tier('a')) === null) await sleep(10);
    expect(await tier('b')).toBe(null);
  });
});
