import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineRounding } from '../../tests/support/answers.ts';
import { expectSameChoices, randomLogits, tieBound } from '../../tests/support/continuations.ts';
import { chat, documents, eventsOf, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open({ prefixBytes: 2 ** 26 }));
afterAll(() => workplace.close());

const path = '/v1/chat/completions';

/** Tokens of a body with `top_logprobs`, and by how much each one's logit exceeds the next. */
function choicesOf(body: {
  choices: [{ logprobs: { content: { token: string; top_logprobs: { logprob: number }[] }[] } }];
}) {
  return body.choices[0].logprobs.content.map(({ token, top_logprobs: [best, next] }) => ({
    token,
    lead: (best?.logprob ?? Number.NaN) - (next?.logprob ?? Number.NaN),
  }));
}
const app = () => workplace.server().app;
const ask = async (body: object) => jsonOf(await app().request(path, post(body)));

describe('probabilities of tokens', () => {
  const told = { logprobs: true, top_logprobs: 3, max_tokens: 6, temperature: 0 };

  it('come with every token of the answer, the drawn one first when it is the likeliest', async () => {
    const { choices } = await ask(chat(told));
    const { content } = choices[0].logprobs;
    expect(content.map(({ token }: { token: string }) => token).join('')).toBe(choices[0].message.content);
    for (const { token, logprob, bytes, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(3);
      expect(top_logprobs[0]).toEqual({ token, logprob, bytes });
      expect(logprob).toBeLessThanOrEqual(0);
      const shares = top_logprobs.map((one: { logprob: number }) => Math.exp(one.logprob));
      expect(shares).toEqual(shares.toSorted((a: number, b: number) => b - a));
      expect(shares.reduce((sum: number, share: number) => sum + share, 0)).toBeLessThanOrEqual(1.000001);
    }
  });

  it('stream as they come, and end where a stop string begins', async () => {
    const whole = await ask(chat({ ...told, max_tokens: 12 }));
    const text = await (await app().request(path, post(chat({ ...told, max_tokens: 12, stream: true })))).text();
    const streamed = (eventsOf(text) as { choices: { logprobs: { content: unknown[] } | null }[] }[]).flatMap(
      ({ choices }) => choices[0]?.logprobs?.content ?? [],
    );
    expect(streamed).toEqual(whole.choices[0].logprobs.content);
    const tokens: string[] = whole.choices[0].logprobs.content.map(({ token }: { token: string }) => token);
    const stop = tokens.slice(4, 6).join('');
    const { choices } = await ask(chat({ ...told, max_tokens: 12, stop }));
    const kept = choices[0].logprobs.content.map(({ token }: { token: string }) => token).join('');
    expect(choices[0].message.content.startsWith(kept)).toBe(true);
    expect(kept).not.toContain(stop);
  });

  it('have the older shape in completions', async () => {
    const body = { model: 'small', prompt: 'once', max_tokens: 5, logprobs: 2 };
    const { choices } = await jsonOf(await app().request('/v1/completions', post(body)));
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs;
    expect(tokens.join('')).toBe(choices[0].text);
    expect([token_logprobs.length, top_logprobs.length, text_offset[0]]).toEqual([tokens.length, tokens.length, 0]);
    expect(text_offset.at(-1)).toBe(choices[0].text.length - tokens.at(-1).length);
  });
});

describe('segmentation', () => {
  const kinds = async (body: object) => {
    const plan = await jsonOf(await app().request('/v1/plan', post(body)));
    return plan.blocks.map(({ id }: { id: string }) => id);
  };
  const paragraph = 'The bridge is long. '.repeat(30).trim();
  const history = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi' },
    { role: 'user', content: 'And now?' },
  ];

  it('follows turns, the paper’s delimiters in long free text, and what the request asks for', async () => {
    const body = { model: 'small', messages: history };
    expect(await kinds(body)).toEqual(['system', 'turn-0', 'final']);
    expect(await kinds({ ...body, block_attention: { history: 'final' } })).toEqual(['system', 'final']);
    const long = [{ role: 'user', content: `${paragraph}\n\n${paragraph}\n\nWhy?` }];
    expect(await kinds({ ...body, messages: long })).toEqual(['text-0', 'text-1', 'final']);
    expect(await kinds({ ...body, messages: long, block_attention: { segment: 'turns' } })).toEqual(['final']);
    expect(await kinds({ ...body, messages: long, documents })).toEqual(['system', 'bridge', 'town', 'final']);
  });

  it('is shown by /v1/plan with what is there, and nothing is computed', async () => {
    const server = app();
    const question = 'Is it shown beforehand?';
    const texts = [{ id: 'new', text: 'Nobody has read this yet.' }];
    const body = chat({ documents: texts, messages: [{ role: 'user', content: question }] });
    const before = await jsonOf(await server.request('/v1/plan', post(body)));
    expect(before).toMatchObject({ object: 'block_attention.plan', mode: 'block' });
    expect(before.blocks.map(({ cached }: { cached: string | null }) => cached)).toEqual(['memory', null, null]);
    const { usage, block_attention } = await jsonOf(await server.request(path, post(body)));
    expect(usage.prompt_tokens).toBe(before.context_tokens + before.question_tokens);
    expect(block_attention.tokens).toMatchObject({ context: before.context_tokens, question: before.question_tokens });
    const after = await jsonOf(await server.request('/v1/plan', post(body)));
    expect(after.blocks[1]).toMatchObject({ id: 'new', kind: 'passage', cached: 'memory' });
  });
});

it('says why auto became full attention, without a path of this machine', async () => {
  const request = chat({ block_attention: { mode: 'auto' } });
  const { block_attention } = await ask(request);
  expect(block_attention).toMatchObject({ mode: 'full', requested: 'auto' });
  expect(block_attention.reason).toContain('verify');
  const { reason } = await jsonOf(await app().request('/v1/plan', post(request)));
  expect(reason).toBe(block_attention.reason);
  expect(reason).not.toContain(workplace.engine.model.path);
});

it('follows a context policy, and accounts for it', async () => {
  const silent = await ask(chat({ block_attention: { mode: 'block' } }));
  expect(silent.block_attention).toMatchObject({ policy: 'anchor:200', recomputed_tokens: 0 });
  const plain = await ask(chat({ block_attention: { mode: 'block', policy: 'plain' } }));
  expect(plain.block_attention).toMatchObject({ policy: 'plain', recomputed_tokens: 0 });
  for (const name of ['policy', 'repair']) {
    const { block_attention } = await ask(chat({ block_attention: { mode: 'block', [name]: 'head:2' } }));
    expect(block_attention).toMatchObject({ mode: 'block', policy: 'head:2' });
    expect(block_attention.recomputed_tokens).toBeGreaterThan(0);
    for (const wrong of ['tail:3', 'head', 'head:1.5', 'head:1+head:2', '', 'anchor:file=/etc/hostname']) {
      const refused = await app().request(path, post(chat({ block_attention: { [name]: wrong } })));
      expect(refused.status).toBe(400);
      expect((await jsonOf(refused)).error.param).toBe(`block_attention.${name}`);
    }
  }
});

describe('what an earlier answer left', () => {
  it('is counted as cached, and can be done without', async () => {
    const messages = [{ role: 'user', content: 'How long is the bridge that was opened in that year?' }];
    const texts = [{ text: 'Of all the bridges on the river this one is the longest.' }];
    const told = { logprobs: true, top_logprobs: 2 };
    const request = chat({ messages, documents: texts, ...told, block_attention: { mode: 'full' } });
    const first = await ask(request);
    const again = await ask(request);
    // What is read of the prompt differs, and with it the order of sums: alike up to a token that rounding decides.
    const tie = tieBound(randomLogits, await engineRounding(workplace.engine.model.path));
    const tokens = choicesOf(again).map(({ token }) => token);
    expect(expectSameChoices(tokens, choicesOf(first), tie)).toBeGreaterThan(0);
    expect(first.usage.prompt_tokens_details.cached_tokens).toBeLessThan(first.usage.prompt_tokens - 60);
    expect(again.usage.prompt_tokens_details.cached_tokens).toBe(again.usage.prompt_tokens - 1);
    expect(again.block_attention.reused_tokens).toBe(again.usage.prompt_tokens - 1);
    const fresh = await ask({ ...request, block_attention: { mode: 'full', prefix_reuse: false } });
    expect(fresh.usage.prompt_tokens_details.cached_tokens).toBe(0);
  });

  it('serves the other choices of a request: the prompt is read once', async () => {
    const before = workplace.engine.usage().prefixes.hits;
    const messages = [{ role: 'user', content: 'Which of these towns has a clock on its bridge?' }];
    const request = chat({ n: 4, temperature: 1, seed: 5, messages, max_tokens: 12 });
    const { choices, usage } = await ask(request);
    expect(choices).toHaveLength(4);
    expect(workplace.engine.usage().prefixes.hits - before).toBeGreaterThanOrEqual(3);
    expect(usage.completion_tokens).toBeGreaterThan(4);
    const texts = choices.map((one: { message: { content: string } }) => one.message.content);
    expect(new Set(texts).size).toBeGreaterThan(1);
  });

  it('is not used where the same draws are wanted of the same seed', async () => {
    const request = chat({ temperature: 1, seed: 5, max_tokens: 12, block_attention: { prefix_reuse: false } });
    const [first, again] = [await ask(request), await ask(request)];
    expect(again.choices).toEqual(first.choices);
  });
});

describe('forgetting', () => {
  const texts = [{ id: 'secret', text: 'The key is under the third stone.' }];
  const statusOf = async () => {
    const { block_attention } = await ask(chat({ documents: texts }));
    return block_attention.blocks.find(({ id }: { id: string }) => id === 'secret').status;
  };

  it('removes a job’s blocks, or any document’s, from every tier', async () => {
    const server = app();
    const { id } = await jsonOf(await server.request('/v1/blocks', post({ documents: texts })));
    await expect.poll(async () => (await jsonOf(await server.request(`/v1/blocks/${id}`))).status).toBe('done');
    const removed = await server.request(`/v1/blocks/${id}`, { method: 'DELETE' });
    expect(await jsonOf(removed)).toEqual({ object: 'block_attention.blocks.deleted', id, deleted: 1 });
    expect((await server.request(`/v1/blocks/${id}`)).status).toBe(404);
    expect((await server.request(`/v1/blocks/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect([await statusOf(), await statusOf()]).toEqual(['miss', 'hit']);
    const byText = await server.request('/v1/blocks', { ...post({ documents: texts }), method: 'DELETE' });
    expect(await jsonOf(byText)).toMatchObject({ deleted: 1 });
    expect(await statusOf()).toBe('miss');
  });

  it('encodes as the questions to come will ask for it', async () => {
    const server = app();
    const encode = async (policy?: string) => {
      const { id } = await jsonOf(await server.request('/v1/blocks', post({ documents: texts, policy })));
      const status = async () => (await jsonOf(await server.request(`/v1/blocks/${id}`))).status;
      await expect.poll(status, { timeout: 60_000 }).toBe('done');
      return { id, ...(await jsonOf(await server.request(`/v1/blocks/${id}`))) };
    };
    const statusUnder = async (policy: string) => {
      const { block_attention } = await ask(chat({ documents: texts, block_attention: { mode: 'block', policy } }));
      return block_attention.blocks.find(({ id }: { id: string }) => id === 'secret').status;
    };
    const anchored = await encode('anchor:7');
    expect(anchored.summary.encoded).toBeGreaterThan(0);
    // What is read otherwise is encoded alike: the same job, and the same blocks.
    expect(await encode('anchor:7+head:2+hide:1')).toMatchObject({ id: anchored.id, summary: { encoded: 0 } });
    expect((await encode('anchor:8')).id).not.toBe(anchored.id);
    expect((await encode()).id).not.toBe(anchored.id);
    expect(await statusUnder('anchor:7+hide:2')).toBe('hit');
    expect(await statusUnder('anchor:9')).toBe('miss');
    for (const policy of ['tail:3', 'anchor:file=/etc/passwd', 7]) {
      for (const method of ['POST', 'DELETE']) {
        const refused = await server.request('/v1/blocks', { ...post({ documents: texts, policy }), method });
        expect(refused.status).toBe(400);
        expect((await jsonOf(refused)).error.message).toContain('policy');
      }
    }
    const forget = { ...post({ documents: texts, policy: 'anchor:7' }), method: 'DELETE' };
    expect((await jsonOf(await server.request('/v1/blocks', forget))).deleted).toBeGreaterThanOrEqual(4);
    expect(await statusUnder('anchor:7')).toBe('miss');
  });

  it('are told what stands before each in its document', async () => {
    const server = app();
    const policy = 'anchor:header+neighbour:8';
    const behind = (text: string) => [{ id: 'rules', text: 'No dogs.', previous: { title: 'Beach', text } }];
    const documents = behind('The beach opens at nine.');
    const start = async (list: object[]) =>
      jsonOf(await server.request('/v1/blocks', post({ documents: list, policy })));
    const { id } = await start(documents);
    const status = async () => (await jsonOf(await server.request(`/v1/blocks/${id}`))).status;
    await expect.poll(status, { timeout: 60_000 }).toBe('done');
    const cachedOf = async (list: object[]) => {
      const body = chat({ documents: list, block_attention: { mode: 'block', policy } });
      const { blocks } = await jsonOf(await server.request('/v1/plan', post(body)));
      return blocks.find((one: { id: string }) => one.id === 'rules').cached;
    };
    expect(await cachedOf(documents)).toBe('memory');
    expect(await cachedOf(behind('The beach opens at ten.'))).toBe(null);
    expect((await start(behind('The beach opens at ten.'))).id).not.toBe(id);
    const wrong = await server.request('/v1/blocks', post({ documents: [{ text: 'x', previous: 'y' }], policy }));
    expect(wrong.status).toBe(400);
    expect((await jsonOf(wrong)).error.message).toContain('documents.0.previous');
  });
});

describe('the description of the API', () => {
  it('names every route, its fields and answers, and makes a page of itself that fetches nothing', async () => {
    const server = app();
    const described = await jsonOf(await server.request('/openapi.json'));
    expect(described.openapi).toBe('3.1.0');
    expect(Object.keys(described.paths)).toEqual([
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/responses',
      '/v1/embeddings',
      '/v1/search',
      '/v1/files',
      '/v1/files/{id}',
      '/v1/files/{id}/content',
      '/v1/cut',
      '/v1/documents',
      '/v1/plan',
      '/v1/blocks',
      '/v1/blocks/{id}',
      '/v1/models',
      '/v1/models/{id}',
      '/health',
      '/ready',
      '/metrics',
      ...['chat', 'generate', 'embed', 'embeddings', 'show', 'tags', 'ps', 'version'].map((name) => `/api/${name}`),
    ]);
    const request = described.components.schemas.ChatCompletionRequest;
    expect(request.required).toEqual(['model', 'messages']);
    expect(Object.keys(described.components.schemas.BlockAttentionOptions.properties)).toContain('policy');
    const page = await server.request('/docs');
    const html = await page.text();
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(html).toContain('prefix_reuse');
    // No place but this server's own, in examples.
    expect(html.replaceAll('http://localhost/', '')).not.toMatch(/<script|https?:\/\/|src=/);
    expect(html).toContain('href="./"');
  });

  it('covers the routes that exist', async () => {
    const server = app();
    const described = await jsonOf(await server.request('/openapi.json'));
    const known = Object.entries<Record<string, unknown>>(described.paths).flatMap(([route, methods]) =>
      Object.keys(methods).map((method) => `${method} ${route.replaceAll('{', ':').replaceAll('}', '')}`),
    );
    const real = server.routes
      .filter(({ method, path: route }) => method !== 'ALL' && /^\/(v1|health|ready|metrics)/.test(route))
      .map(({ method, path: route }) => `${method.toLowerCase()} ${route}`);
    expect([...new Set(real)].filter((route) => !known.includes(route))).toEqual([]);
  });
});
