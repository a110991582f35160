import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chat, jsonOf, post, Workplace } from '../testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const json = JSON.stringify(chat({ max_tokens: 2 }));
const routes = [
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/completions'],
  ['POST', '/v1/plan'],
  ['POST', '/v1/blocks'],
  ['DELETE', '/v1/blocks'],
] as const;

function send(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>, limits = {}) {
  return workplace.server({ limits }).app.request('/v1/plan', { ...post(''), body, headers });
}

async function refusal(response: Response): Promise<[number, string, string]> {
  const { error } = await jsonOf(response);
  return [response.status, error.code, error.message];
}

const typed = { 'content-type': 'application/json' };

describe('the type of a body', () => {
  it.each(routes)('%s %s takes nothing that a page may send without asking', async (method, at) => {
    const { app } = workplace.server();
    for (const type of [
      'text/plain',
      'text/plain;application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=application/json',
      'application/jsonp',
      'xapplication/json',
      '',
    ]) {
      // Bytes have no type of their own that would be sent in place of none.
      const init = {
        method,
        body: new TextEncoder().encode(json),
        headers: type === '' ? {} : { 'content-type': type },
      };
      expect((await refusal(await app.request(at, init))).slice(0, 2), type).toEqual([415, 'unsupported_media_type']);
    }
  });

  it('is JSON, however it is written', async () => {
    for (const type of [
      'application/json',
      'Application/JSON; charset=utf-8',
      'application/json ;x',
      'application/a+json',
    ]) {
      expect((await send(json, { 'content-type': type })).status).toBe(200);
    }
  });
});

describe('compressed bodies', () => {
  const gzip = new Uint8Array(gzipSync(json));

  it('are read', async () => {
    for (const [coding, body] of [
      ['gzip', gzip],
      ['GZIP', gzip],
      ['deflate', new Uint8Array(deflateSync(json))],
      ['identity', new TextEncoder().encode(json)],
    ] as const) {
      const response = await send(body, { ...typed, 'content-encoding': coding });
      expect(response.status, coding).toBe(200);
    }
  });

  it('are refused when damaged, of another kind, or larger than they look', async () => {
    const coded = (coding: string) => ({ ...typed, 'content-encoding': coding });
    const flipped = gzip.map((byte, at) => (at === gzip.length - 6 ? byte ^ 1 : byte));
    for (const bad of [gzip.slice(0, -9), flipped, new TextEncoder().encode(json), new Uint8Array([...gzip, 7, 7])]) {
      expect(await refusal(await send(bad, coded('gzip')))).toEqual([
        400,
        'invalid_argument',
        'the body is not whole gzip data: compress it again',
      ]);
    }
    const other = await send(gzip, coded('br'));
    expect(other.headers.get('accept-encoding')).toBe('gzip, deflate');
    expect((await refusal(other)).slice(0, 2)).toEqual([415, 'unsupported_media_type']);
    const bomb = new Uint8Array(gzipSync(`{"x":"${' '.repeat(2 ** 24)}"}`));
    expect(bomb.length).toBeLessThan(2 ** 16);
    expect((await refusal(await send(bomb, coded('gzip'), { bodyBytes: 2 ** 16 })))[1]).toBe('request_too_large');
  });
});

it('counts values before it parses them', async () => {
  for (const [many, code] of [
    [`{"messages":[${'{},'.repeat(99_990)}{}]}`, 'request_too_large'],
    ['['.repeat(2 ** 20), 'request_too_large'],
    [`{"messages":${JSON.stringify('[,{'.repeat(2 ** 18))}}`, 'invalid_argument'],
  ] as const) {
    expect((await refusal(await send(many, typed)))[1]).toBe(code);
  }
});

it('finds routes with a slash at the end', async () => {
  const { app } = workplace.server();
  expect((await app.request('/v1/models/')).status).toBe(200);
  expect((await app.request('/health/')).status).toBe(200);
  expect((await app.request('/v1/chat/completions/', post(chat({ max_tokens: 2 })))).status).toBe(200);
});
