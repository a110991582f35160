import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chat, documents, eventsOf, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const path = '/v1/chat/completions';

async function settled(): Promise<void> {
  await expect.poll(() => workplace.engine.store.stats().pinnedBlocks, { timeout: 10_000 }).toBe(0);
  workplace.engine.store.checkIntegrity();
}

describe('chat completions', () => {
  it('answers, accounts per block, and counts cached tokens', async () => {
    const { app } = workplace.server();
    await app.request(path, post(chat()));
    const response = await app.request(path, post(chat({ n: 2, messages: [{ role: 'user', content: 'Who?' }] })));
    expect(response.status).toBe(200);
    const body = await jsonOf(response);
    expect(body).toMatchObject({ object: 'chat.completion', model: 'small', choices: [{ index: 0 }, { index: 1 }] });
    expect(body.choices[0].message.content).toBe(body.choices[1].message.content);
    expect(body.block_attention.blocks).toMatchObject(
      ['system', 'bridge', 'town'].map((id) => ({ id, status: 'hit', tier: 'memory' })),
    );
    const { usage } = body;
    const read = body.block_attention.blocks.reduce((sum: number, { tokens }: { tokens: number }) => sum + tokens, 0);
    expect(usage.prompt_tokens_details.cached_tokens).toBe(read);
    expect(usage.prompt_tokens).toBeGreaterThan(read);
  });

  it('streams what it answers whole, usage and account at the end', async () => {
    const { app } = workplace.server();
    const whole = await jsonOf(await app.request(path, post(chat())));
    const request = chat({ stream: true, stream_options: { include_usage: true } });
    const response = await app.request(path, post(request));
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const events = eventsOf(text) as { choices: { delta: { content?: string } }[]; usage?: object }[];
    expect(events.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0].message.content,
    );
    expect(events.at(-1)).toMatchObject({ choices: [], usage: whole.usage, block_attention: { mode: 'block' } });
  });

  it('takes history, instructions and documents as content parts', async () => {
    const { app } = workplace.server();
    const parts = [
      { type: 'document', document: documents[0] },
      { type: 'text', text: 'When?' },
    ];
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi' },
      { role: 'user', content: parts },
    ];
    const response = await app.request(path, post(chat({ documents: undefined, messages })));
    const { block_attention } = await jsonOf(response);
    expect(block_attention.blocks.map(({ id }: { id: string }) => id)).toEqual(['system', 'bridge', 'turn-0']);
  });

  it('obeys a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: { open: { type: 'boolean' }, why: { enum: ['a', 'b'] } },
      required: ['open', 'why'],
    };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    const body = await jsonOf(await app().request(path, post(chat({ response_format, max_tokens: 60 }))));
    const value = JSON.parse(body.choices[0].message.content);
    expect(value).toEqual({ open: expect.any(Boolean), why: expect.stringMatching(/^[ab]$/) });
  });

  it.each([
    ['/v1/nothing', post({}), 404, 'not_found', null],
    [path, post('{'), 400, 'invalid_argument', null],
    [path, post(chat({ model: 'other' })), 404, 'model_not_found', 'model'],
    [path, post(chat({ messages: [] })), 400, 'invalid_argument', 'messages'],
    [path, post(chat({ temperature: 'hot' })), 400, 'invalid_argument', 'temperature'],
    [path, post(chat({ top_logprobs: 3 })), 400, 'invalid_argument', 'top_logprobs'],
    [path, post(chat({ tools: [{ type: 'function' }] })), 400, 'invalid_argument', 'tools'],
    [path, post(chat({ documents: [{ text: 'x'.repeat(9 << 20) }] })), 413, 'request_too_large', null],
  ])('%s refuses', async (at, init, status, code, param) => {
    const response = await app().request(at, init);
    const { error } = await jsonOf(response);
    expect(response.status).toBe(status);
    expect(error).toEqual({ message: expect.any(String), type: 'invalid_request_error', code, param });
  });

  it('says by OpenAI’s code that the context is too short, and by its own', async () => {
    const response = await app().request(path, post(chat({ stream: true, max_tokens: 4000 })));
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject({
      code: 'context_length_exceeded',
      block_attention_code: 'context_overflow',
    });
  });
});

const app = () => workplace.server().app;

describe('completions, blocks, models and operations', () => {
  it('completes a prompt', async () => {
    const response = await app().request('/v1/completions', post({ model: 'small', prompt: 'once', max_tokens: 4 }));
    expect(await jsonOf(response)).toMatchObject({ object: 'text_completion', choices: [{ index: 0 }] });
  });

  it('encodes documents ahead, as one job, found by its tenant alone', async () => {
    const keys = [
      { key: 'key-of-a', tenant: 'a' },
      { key: 'key-of-b', tenant: 'b' },
    ];
    const server = workplace.server({ apiKeys: keys, secret: 's' }).app;
    const as = (name: string) => ({ authorization: `Bearer key-of-${name}` });
    const started = await server.request('/v1/blocks', post({ documents }, as('a')));
    expect(started.status).toBe(202);
    const { id } = await jsonOf(started);
    expect(await jsonOf(await server.request('/v1/blocks', post({ documents }, as('a'))))).toMatchObject({ id });
    const job = async (name: string) => server.request(`/v1/blocks/${id}`, { headers: as(name) });
    await expect.poll(async () => (await jsonOf(await job('a'))).status).toBe('done');
    expect((await job('b')).status).toBe(404);
    const statuses = async (name: string) => {
      const { block_attention } = await jsonOf(await server.request(path, post(chat(), as(name))));
      return block_attention.blocks.map(({ status }: { status: string }) => status);
    };
    expect(await statuses('b')).toEqual(['miss', 'miss', 'miss']);
    expect(await statuses('a')).toEqual(['hit', 'hit', 'hit']);
    expect((await server.request('/v1/models')).status).toBe(401);
    expect((await server.request('/v1/models', { headers: { authorization: 'Bearer key-of-c' } })).status).toBe(401);
    expect((await server.request('/metrics')).status).toBe(404);
  });

  it('tells of itself, and stops taking requests when drained', async () => {
    const server = workplace.server();
    await server.app.request(path, post(chat()));
    expect(await jsonOf(await server.app.request('/v1/models'))).toMatchObject({ data: [{ id: 'small' }] });
    const metrics = await (await server.app.request('/metrics')).text();
    expect(metrics).toMatch(/block_attention_ttft_seconds_count\{mode="block"\} 1/);
    expect(metrics).toMatch(/block_attention_store_hits_total\{tier="memory"\} [1-9]/);
    const described = await jsonOf(await server.app.request('/openapi.json'));
    expect(Object.keys(described.paths)).toContain('/v1/chat/completions');
    expect((await server.app.request('/ready')).status).toBe(200);
    server.drain();
    expect((await server.app.request('/ready')).status).toBe(503);
    expect((await server.app.request(path, post(chat()))).status).toBe(503);
  });
});

describe('under load', () => {
  it('answers 64 streams, some left early, as it answers each alone; nothing stays pinned', async () => {
    const server = workplace.server({ limits: { running: 16 } }).app;
    const ask = (i: number, signal?: AbortSignal) => {
      const messages = [{ role: 'user', content: `Question ${i % 4}?` }];
      return server.request(path, post(chat({ stream: true, messages, max_tokens: 24 }), {}, signal));
    };
    const contentOf = (text: string) =>
      (eventsOf(text) as { choices: { delta: { content?: string } }[] }[])
        .map(({ choices }) => choices[0]?.delta.content ?? '')
        .join('');
    const alone: string[] = [];
    for (let i = 0; i < 4; i++) alone.push(contentOf(await (await ask(i)).text()));
    await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        if (i % 3 === 0) {
          const reader = (await ask(i)).body?.getReader();
          await reader?.read();
          await reader?.cancel();
        } else if (i % 3 === 1) {
          const controller = new AbortController();
          setTimeout(() => controller.abort(), i);
          await (await ask(i, controller.signal)).text();
        } else expect(contentOf(await (await ask(i)).text())).toBe(alone[i % 4]);
      }),
    );
    await settled();
  });

  it('refuses what exceeds the queue, with Retry-After, and ends what exceeds the deadline', async () => {
    const busy = workplace.server({ limits: { running: 1, queue: 0 } }).app;
    const responses = await Promise.all([0, 1].map(async () => busy.request(path, post(chat({ max_tokens: 64 })))));
    expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 429]);
    expect(responses.find(({ status }) => status === 429)?.headers.get('retry-after')).toBe('1');
    const late = workplace.server({ limits: { deadlineMs: 1 } }).app;
    expect((await late.request(path, post(chat({ max_tokens: 400 })))).status).toBe(504);
    await settled();
  });
});
