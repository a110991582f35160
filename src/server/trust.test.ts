import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chat, documents, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open({ prefixBytes: 2 ** 24 }));
afterAll(() => workplace.close());

const path = '/v1/chat/completions';

/** A logger that keeps its lines. */
function keepLog() {
  const lines: string[] = [];
  return { lines, logger: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }) };
}

describe('tenants', () => {
  const apiKeys = [
    { key: 'key-of-a', tenant: 'a' },
    { key: 'key-of-b', tenant: 'b' },
  ];
  const as = (name: string) => ({ authorization: `Bearer key-of-${name}` });

  it('neither hit, time, read nor delete what another has', async () => {
    const { app } = workplace.server({ apiKeys, secret: 's' });
    const ask = async (name: string, more: object = {}) => {
      const body = await jsonOf(await app.request(path, post(chat(more), as(name))));
      return { account: body.block_attention, cached: body.usage.prompt_tokens_details.cached_tokens };
    };
    const isHit = ({ account }: { account: { blocks: { status: string }[] } }) =>
      account.blocks.map(({ status }) => status === 'hit');
    await ask('a');
    expect(isHit(await ask('a'))).toEqual([true, true, true]);
    // Whatever can be timed is the same for b as for texts nobody has: nothing is there.
    const plan = await jsonOf(await app.request('/v1/plan', post(chat(), as('b'))));
    expect(plan.blocks.map(({ cached }: { cached: unknown }) => cached)).toEqual([null, null, null, null]);
    const stranger = await ask('b');
    expect(isHit(stranger)).toEqual([false, false, false]);
    expect(stranger.cached).toBe(0);
    const full = { block_attention: { mode: 'full' } };
    await ask('a', full);
    expect((await ask('b', full)).cached).toBe(0);
    expect((await ask('a', full)).cached).toBeGreaterThan(20);
    const job = await jsonOf(await app.request('/v1/blocks', post({ documents }, as('a'))));
    const at = `/v1/blocks/${job.id}`;
    await expect.poll(async () => (await jsonOf(await app.request(at, { headers: as('a') }))).status).toBe('done');
    expect((await app.request(at, { headers: as('b') })).status).toBe(404);
    expect((await app.request(at, { method: 'DELETE', headers: as('b') })).status).toBe(404);
    // b's own blocks of the same text go, a's stay.
    const removed = await app.request('/v1/blocks', { ...post({ documents }, as('b')), method: 'DELETE' });
    expect(await jsonOf(removed)).toMatchObject({ deleted: 2 });
    expect(isHit(await ask('a'))).toEqual([true, true, true]);
  });

  it('have parts that share nothing, and reach no other tenant by any name', async () => {
    const { app } = workplace.server({ apiKeys, secret: 's2' });
    const statuses = async (name: string, tenant?: string) => {
      const body = chat(tenant === undefined ? {} : { block_attention: { tenant } });
      const { block_attention } = await jsonOf(await app.request(path, post(body, as(name))));
      return block_attention.blocks.map(({ status }: { status: string }) => status);
    };
    expect(await statuses('a', 'x')).toEqual(['miss', 'miss', 'miss']);
    expect(await statuses('a', 'x')).toEqual(['hit', 'hit', 'hit']);
    for (const [name, part] of [
      ['a', 'y'],
      ['a', undefined],
      ['b', 'x'],
      ['b', 'a'],
    ] as const) {
      expect(await statuses(name, part)).toEqual(['miss', 'miss', 'miss']);
    }
    const refused = await app.request(path, post(chat({ block_attention: { tenant: '../a' } }), as('b')));
    expect(refused.status).toBe(400);
  });
});

it('logs requests, their ids and errors, and never a key, a prompt, a document or an answer', async () => {
  const { lines, logger } = keepLog();
  const { app } = workplace.server({
    apiKeys: [{ key: 'very-secret-key', tenant: 't' }],
    secret: 's',
    logger,
    shadow: { rate: 1 },
  });
  const words = ['Zanzibar', 'quokka', 'marzipan'];
  const headers = { authorization: 'Bearer very-secret-key', 'x-request-id': 'request-17' };
  const body = chat({
    messages: [{ role: 'user', content: `Zanzibar?` }],
    documents: [{ id: 'quokka-id', title: 'quokka', text: 'quokka and quokka' }],
    stop: ['marzipan'],
  });
  const answer = await jsonOf(await app.request(path, post(body, headers)));
  await app.request(path, post({ ...body, model: 'marzipan' }, headers));
  await app.request(path, post({ ...body, temperature: 'Zanzibar' }, headers));
  await app.request(path, post(`{"Zanzibar": ${'x'.repeat(9)}`, headers));
  await app.request('/Zanzibar?quokka=marzipan', { headers });
  await app.request(path, post(body, { authorization: 'Bearer wrong-secret-key' }));
  await app.request('/v1/blocks/marzipan', { headers });
  await expect.poll(() => lines.some((line) => line.includes('shadow check'))).toBe(true);
  const log = lines.join('');
  expect(log).toContain('"requestId":"request-17"');
  expect(log).toContain('"tenant":"t"');
  expect(log).toContain('"status":401');
  for (const word of [...words, 'secret-key', 'quokka-id']) expect(log).not.toContain(word);
  const text: string = answer.choices[0].message.content;
  expect(text.length).toBeGreaterThan(0);
  if (text.trim().length > 3) expect(log).not.toContain(text);
});

it('logs which field was wrong and how, a level by its severity, and what is asked again and again only when debugging', async () => {
  for (const level of ['debug', 'info']) {
    const { lines, logger } = keepLog();
    logger.level = level;
    const { app } = workplace.server({ logger });
    await app.request(path, post(chat({ temperature: 'marzipan' })));
    await app.request(
      path,
      post(
        chat({
          messages: [
            { role: 'user', content: 'x' },
            { role: 'quokka', content: 'x' },
          ],
        }),
      ),
    );
    const schema = { type: 'object', properties: { marzipan: { type: 'quokka' } } };
    await app.request(path, post(chat({ response_format: { type: 'json_schema', json_schema: { schema } } })));
    await app.request(path, post(chat(), { 'content-type': 'text/marzipan' }));
    await app.request('/v1/plan', post(chat()));
    await app.request('/v1/models');
    await app.request(path, post(chat({ max_tokens: 2 })));
    const log = lines.join('');
    expect(log).toContain('"code":"invalid_argument","field":"temperature","kind":"invalid_type"');
    expect(log).toContain('"field":"messages.1"');
    expect(log).toContain('"field":"response_format"');
    expect(log).toContain('"code":"unsupported_media_type"');
    expect(log).not.toMatch(/marzipan|quokka/);
    expect(log.includes('"route":"/v1/plan"')).toBe(level === 'debug');
    expect(log.includes('"route":"/v1/models"')).toBe(level === 'debug');
    expect(log).toContain('"route":"/v1/chat/completions","status":200');
  }
});

it('writes metrics as the format has them, also those that are no number yet', async () => {
  const text = await (await workplace.server().app.request('/metrics')).text();
  expect(text).toMatch(/^block_attention_shadow_agreement NaN$/m);
  expect(text).not.toMatch(/Nan$/m);
});

describe('shadow checks', () => {
  it('compare a sample with full attention while idle, and tell what they found', async () => {
    const { app } = workplace.server({ shadow: { rate: 1, minAgreement: 0, maxKl: 100 } });
    for (let i = 0; i < 3; i++)
      await app.request(path, post(chat({ messages: [{ role: 'user', content: `Number ${i}?` }] })));
    const metric = async (name: string) => {
      const text = await (await app.request('/metrics')).text();
      return Number(new RegExp(`^block_attention_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    await expect.poll(async () => metric('shadow_checks_total')).toBe(3);
    expect(await metric('shadow_kl')).toBeGreaterThan(0);
    expect(await metric('shadow_agreement')).toBeLessThanOrEqual(1);
    expect(await metric('shadow_fallback')).toBe(0);
  });

  it('give block mode up when it disagrees too much, and say so in answers, plans, models, metrics and the log', async () => {
    const { lines, logger } = keepLog();
    const { app } = workplace.server({ logger, shadow: { rate: 1, maxKl: 1e-9, minAgreement: 0, minChecks: 2 } });
    const ask = async (i: number) =>
      jsonOf(await app.request(path, post(chat({ messages: [{ role: 'user', content: `No. ${i}?` }] }))));
    expect((await ask(0)).block_attention).toMatchObject({ mode: 'block', reason: null });
    await ask(1);
    await expect.poll(() => lines.some((line) => line.includes('full attention from now on'))).toBe(true);
    const { block_attention } = await ask(2);
    expect(block_attention).toMatchObject({ mode: 'full', requested: 'block', blocks: [] });
    expect(block_attention.reason).toContain('shadow checks: agreement');
    const plan = await jsonOf(await app.request('/v1/plan', post(chat())));
    expect(plan).toMatchObject({ mode: 'full', reason: block_attention.reason });
    const { data } = await jsonOf(await app.request('/v1/models'));
    expect(data[0].block_attention.fallback).toBe(block_attention.reason);
    expect(await (await app.request('/metrics')).text()).toContain('block_attention_shadow_fallback 1');
    // Full answers are not checked.
    expect(await (await app.request('/metrics')).text()).toContain('block_attention_shadow_checks_total 2');
  });

  it('give way to requests, and are tried again', async () => {
    const server = workplace.server({ shadow: { rate: 1, maxKl: 100, minAgreement: 0 } });
    const long = chat({ max_tokens: 300, messages: [{ role: 'user', content: 'Tell all.' }] });
    const first = await jsonOf(await server.app.request(path, post(long)));
    // The check of the first answer has begun; this request ends it.
    const second = await server.app.request(path, post(chat({ block_attention: { mode: 'full' } })));
    expect(second.status).toBe(200);
    const checks = async () =>
      (await (await server.app.request('/metrics')).text()).match(/shadow_checks_total (\d+)/)?.[1];
    await expect.poll(checks).toBe('1');
    expect(first.usage.completion_tokens).toBeGreaterThan(0);
    server.drain();
    expect(workplace.engine.store.stats().pinnedBlocks).toBe(0);
  });
});
