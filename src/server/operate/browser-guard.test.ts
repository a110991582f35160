import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerOptions } from '../options.ts';
import { chat, eventsOf, jsonOf, post, Workplace } from '../testing/workplace.ts';
import { parseHost, parseOrigin } from './web-names.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const path = '/v1/chat/completions';
const key = 'long-enough-key';
const keyed = { apiKeys: [{ key }], secret: 's' };

/** The status of a small request with these headers, and of a GET with them. */
async function statuses(options: Partial<ServerOptions>, headers: Record<string, string>): Promise<[number, number]> {
  const { app } = workplace.server(options);
  const sent = options.apiKeys ? { authorization: `Bearer ${key}`, ...headers } : headers;
  const posted = await app.request('/v1/plan', post(chat(), sent));
  const got = await app.request('/v1/models', { headers: sent });
  return [posted.status, got.status];
}

const served: [number, number] = [200, 200];
const refused: [number, number] = [403, 403];

describe('Host', () => {
  it.each([
    'localhost:8787',
    'LOCALHOST',
    'localhost.',
    'app.localhost:1',
    '127.0.0.1:8787',
    '127.8.9.1',
    '[::1]:8787',
    '192.168.1.20:80',
  ])('%s cannot be rebound: served', async (host) => {
    expect(await statuses({}, { host })).toEqual(served);
  });

  it.each(['evil.example:8787', 'localhost.evil.example', '127.0.0.1.nip.example', 'evil@localhost', 'a b', '', 'x/y'])(
    '%j is refused without keys, and served to whoever has one',
    async (host) => {
      expect(await statuses({}, { host })).toEqual(refused);
      expect(await statuses(keyed, { host })).toEqual(served);
    },
  );

  it('is the name that was allowed, for that port or any, also where there are keys', async () => {
    const allowedHosts = ['BA.example', 'other.example:8443'];
    for (const host of ['ba.example', 'ba.example:9', 'other.example:8443', 'localhost']) {
      expect(await statuses({ allowedHosts }, { host })).toEqual(served);
      expect(await statuses({ ...keyed, allowedHosts }, { host })).toEqual(served);
    }
    for (const host of ['other.example', 'evil.example', 'sub.ba.example']) {
      expect(await statuses({ allowedHosts }, { host })).toEqual(refused);
      expect(await statuses({ ...keyed, allowedHosts }, { host })).toEqual(refused);
    }
    expect(await statuses({ allowedHosts: ['*'] }, { host: 'evil.example' })).toEqual(served);
  });

  it('is named in the refusal, with the remedy', async () => {
    const response = await workplace.server().app.request('/', { headers: { host: 'evil.example' } });
    expect(await jsonOf(response)).toEqual({
      error: {
        message: expect.stringMatching(/"evil\.example".*--allowed-host/),
        type: 'invalid_request_error',
        code: 'forbidden',
        param: null,
      },
    });
  });
});

describe('Origin and Sec-Fetch-Site', () => {
  const host = 'localhost:8787';

  it.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:3000' },
    { origin: 'http://127.0.0.1:8787' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://localhost:8787', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://localhost:8787', 'sec-fetch-site': 'same-site' },
    { origin: 'file://', 'sec-fetch-site': 'cross-site' },
    { origin: 'no origin at all' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ])('of a foreign page are refused: %o', async (headers) => {
    expect(await statuses({}, { host, ...headers })).toEqual(refused);
    expect(await statuses(keyed, { host, ...headers })).toEqual(refused);
  });

  it('of the own page, of a typed address and of a program are served', async () => {
    for (const headers of [
      { origin: 'http://localhost:8787' },
      { origin: 'http://localhost:8787', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      {},
    ]) {
      expect(await statuses({}, { host, ...headers } as Record<string, string>)).toEqual(served);
    }
  });

  it('let a link lead to the page, and no form', async () => {
    const link = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect(await statuses({}, link)).toEqual([403, 200]);
  });

  it('let the own page in behind a proxy: one that passes the name on, and one that writes another', async () => {
    const page = { origin: 'https://ba.example', 'sec-fetch-site': 'same-origin' };
    expect(await statuses({ allowedHosts: ['ba.example'] }, { host: 'ba.example', ...page })).toEqual(served);
    expect(await statuses({ allowedHosts: ['ba.example'] }, { host: '127.0.0.1:8787', ...page })).toEqual(served);
    expect(await statuses({}, { host: '127.0.0.1:8787', ...page })).toEqual(refused);
    expect(await statuses(keyed, { host: 'ba.example', ...page })).toEqual(served);
    expect(await statuses(keyed, { host: '127.0.0.1:8787', ...page })).toEqual(served);
    const older = { origin: 'https://ba.example' };
    expect(await statuses(keyed, { host: 'ba.example', ...older })).toEqual(served);
  });
});

describe('--cors', () => {
  const origin = 'https://app.example';
  const corsOrigins = [origin, 'app://notes'];
  const asks = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-os',
  };

  it('answers a browser that asks first, before a key is asked for', async () => {
    for (const options of [{ corsOrigins }, { corsOrigins, ...keyed }]) {
      const { app } = workplace.server(options);
      for (const at of [path, '/v1/blocks/x', '/v1/nothing']) {
        const response = await app.request(at, { method: 'OPTIONS', headers: asks });
        expect(response.status).toBe(204);
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'access-control-allow-origin': origin,
          'access-control-allow-methods': 'GET,HEAD,POST,DELETE',
          'access-control-allow-headers': 'authorization,content-type,x-stainless-os',
          'access-control-max-age': '600',
          vary: expect.stringContaining('Origin'),
        });
        expect(response.headers.has('access-control-allow-credentials')).toBe(false);
      }
    }
  });

  it('lets the pages of these origins read answers, streams and errors', async () => {
    const { app } = workplace.server({ corsOrigins, ...keyed });
    const headers = { origin, 'sec-fetch-site': 'cross-site', authorization: `Bearer ${key}` };
    const whole = await app.request(path, post(chat(), headers));
    const stream = await app.request(path, post(chat({ stream: true }), headers));
    const bad = await app.request(path, post('{', headers));
    const stranger = await app.request(path, post(chat(), { ...headers, authorization: 'Bearer wrong-key-is-this' }));
    expect([whole, stream, bad, stranger].map(({ status }) => status)).toEqual([200, 200, 400, 401]);
    for (const response of [whole, stream, bad, stranger]) {
      expect(response.headers.get('access-control-allow-origin')).toBe(origin);
      expect(response.headers.get('access-control-expose-headers')).toBe('x-request-id,retry-after');
      expect(response.headers.get('vary')).toContain('Origin');
      expect(response.headers.get('x-request-id')).not.toBeNull();
    }
    expect(eventsOf(await stream.text()).length).toBeGreaterThan(1);
  });

  it('opens nothing to others, nor for other names of this server', async () => {
    const { app } = workplace.server({ corsOrigins });
    for (const other of ['https://app.example.evil', 'http://app.example', 'https://app.example:8443', 'null']) {
      const asked = await app.request(path, { method: 'OPTIONS', headers: { ...asks, origin: other } });
      expect(asked.status).toBe(403);
      expect(asked.headers.has('access-control-allow-origin')).toBe(false);
      expect(await statuses({ corsOrigins }, { origin: other })).toEqual(refused);
    }
    expect(await statuses({ corsOrigins }, { origin, host: 'evil.example' })).toEqual(refused);
    expect(await statuses({ corsOrigins }, { origin: 'app://notes' })).toEqual(served);
    expect(await statuses({ corsOrigins: ['*'] }, { origin: 'https://any.example' })).toEqual(served);
    const open = await workplace.server({ corsOrigins: ['*'] }).app.request('/health', { headers: { origin } });
    expect(open.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('is not needed by a program that asks what there is', async () => {
    const response = await workplace.server(keyed).app.request(path, { method: 'OPTIONS' });
    expect([response.status, response.headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, DELETE, OPTIONS']);
    expect((await workplace.server().app.request(path, { method: 'OPTIONS', headers: asks })).status).toBe(403);
  });
});

it('reads origins and host names, and refuses what is none', () => {
  const good = ['https://App.example', 'http://localhost:3000/', 'https://a.example:443', 'app://notes', 'null', '*'];
  expect(good.map(parseOrigin)).toEqual([
    'https://app.example',
    'http://localhost:3000',
    'https://a.example',
    'app://notes',
    'null',
    '*',
  ]);
  for (const bad of [
    '',
    'app.example',
    'https://',
    'https://a.example/app',
    'https://a@b.example',
    'https://a?x',
    '**',
  ]) {
    expect(() => parseOrigin(bad)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => workplace.server({ corsOrigins: [bad] })).toThrow(/origin/);
  }
  expect(['BA.example', 'ba.example:8443', '*'].map(parseHost)).toEqual(['ba.example', 'ba.example:8443', '*']);
  for (const bad of ['', 'https://a.example', 'a/b', 'a b', 'a@b', 'a:x']) {
    expect(() => parseHost(bad)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});
