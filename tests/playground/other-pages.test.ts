/**
 * What pages of other origins can do to a server on this machine, in a real browser: nothing, unless it was started
 * with their origin. And that the server's own page works under any name that it was told of.
 */
import { createServer as createHttp, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, browserMissing } from './browser.ts';
import { Served } from './served.ts';

if (browserMissing) console.log(browserMissing);
const served = new Served();
const browser = new Browser();
const servers: Server[] = [];
const key = 'a-long-enough-key';
/** The browser's own note on what was refused. */
const expected = /^(Failed to load resource|Access to fetch|Refused to)/;
const question = { model: 'small', messages: [{ role: 'user', content: 'When?' }], max_tokens: 4 };

/** A server of somebody else. @returns its port */
async function start(listener: Parameters<typeof createHttp>[1]): Promise<number> {
  const server = createHttp(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Forwards everything. @param keepsHost whether the name that the browser asked for is passed on */
function proxyTo(target: () => string, keepsHost: boolean) {
  return start((incoming, outgoing) => {
    const { hostname, port, host } = new URL(target());
    const headers = { ...incoming.headers, host: keepsHost ? incoming.headers.host : host };
    const { method = 'GET', url: path = '/' } = incoming;
    const forwarded = httpRequest({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
}

/** Requests that the server counted, by route and status. */
async function counts(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}metrics`)).text();
  const rows = [...text.matchAll(/^block_attention_http_requests_total\{route="(.*)",status="(\d+)"\} (\d+)$/gm)];
  return Object.fromEntries(rows.map(([, route, status, count]) => [`${route} ${status}`, Number(count)]));
}

async function answers(url: string): Promise<number> {
  const text = await (await fetch(`${url}metrics`)).text();
  return [...text.matchAll(/ttft_seconds_count\{.*\} (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

interface Sent {
  readonly status: number;
  readonly text: string;
  readonly requestId: string | null;
}

/** What may go into the page. */
interface Init {
  readonly method?: string;
  readonly mode?: 'no-cors';
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Runs a script in the page. @param value what it finds as `given` */
function runIn(page: Page, value: unknown, script: string): Promise<unknown> {
  return page.evaluate(`(async () => { const given = ${JSON.stringify(value)}; ${script} })()`);
}

/** fetch() within the page. @returns what the page could read, or the error it met */
function fetchIn(page: Page, url: string, init: Init = {}): Promise<Sent | string> {
  return page.evaluate(
    async ([at, options]) => {
      try {
        const response = await fetch(at, options);
        const requestId = response.headers.get('x-request-id');
        return { status: response.status, text: await response.text(), requestId };
      } catch (error) {
        return String(error);
      }
    },
    [url, init] as const,
  );
}

const json = (body: object, headers: Record<string, string> = {}): Init => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

describe.skipIf(browserMissing)('pages of other origins', { timeout: 180_000 }, () => {
  let url = '';
  let page: Page;
  let origin = '';
  const at = (path: string) => new URL(path, url).href;

  beforeAll(async () => {
    url = await served.open(16_384);
    await browser.open(['evil.example', 'ba.example']);
    const port = await start((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>Somebody else</title><iframe name="frame"></iframe>');
    });
    origin = `http://evil.example:${port}`;
    page = await browser.page(`${origin}/`, { expected });
  });
  afterAll(async () => {
    await browser.close();
    for (const server of servers) server.closeAllConnections();
    for (const server of servers) server.close();
    await served.close();
  });

  it('run nothing by requests that need no leave', async () => {
    const body = JSON.stringify(question);
    const path = '/v1/chat/completions';
    await fetchIn(page, at(path), { method: 'POST', mode: 'no-cors', body });
    await fetchIn(page, at(path), {
      method: 'POST',
      mode: 'no-cors',
      body,
      headers: { 'content-type': 'text/plain;application/json' },
    });
    // As a form does it, whose one field spells JSON; and as browsers report at a page's end.
    await runIn(
      page,
      { action: at(path), name: `${body.slice(0, -1)},"x":"`, body },
      `const form = document.createElement('form');
      Object.assign(form, { method: 'post', enctype: 'text/plain', action: given.action, target: 'frame' });
      const field = document.createElement('input');
      Object.assign(field, { name: given.name, value: '"}' });
      form.append(field);
      document.body.append(form);
      form.submit();
      navigator.sendBeacon(given.action, new Blob([given.body]));`,
    );
    await expect.poll(async () => (await counts(url))[`${path} 403`] ?? 0).toBe(4);
    expect(await answers(url)).toBe(0);
    expect(Object.keys(await counts(url)).filter((row) => row.startsWith(`${path} `))).toEqual([`${path} 403`]);
  });

  it('read nothing, and are not let in when they ask', async () => {
    for (const path of ['/v1/models', '/metrics', '/', '/openapi.json']) {
      expect(await fetchIn(page, at(path))).toMatch(/TypeError/);
    }
    expect(await fetchIn(page, at('/v1/chat/completions'), json(question))).toMatch(/TypeError/);
    expect(
      await fetchIn(page, at('/v1/blocks'), { ...json({ documents: [{ text: 'x' }] }), method: 'DELETE' }),
    ).toMatch(/TypeError/);
    expect(await answers(url)).toBe(0);
  });

  it('load nothing as image, script or frame, but may link', async () => {
    const loaded = await runIn(
      page,
      at('/v1/models'),
      `return Promise.all(['img', 'script'].map((name) => new Promise((resolve) => {
        const element = document.createElement(name);
        element.addEventListener('load', () => resolve('loaded'));
        element.addEventListener('error', () => resolve('refused'));
        element.setAttribute('src', given);
        document.body.append(element);
      })));`,
    );
    expect(loaded).toEqual(['refused', 'refused']);
    const before = (await counts(url))['/ 403'] ?? 0;
    await runIn(page, url, `document.querySelector('iframe').setAttribute('src', given)`);
    await expect.poll(async () => (await counts(url))['/ 403'] ?? 0).toBe(before + 1);
    const linked = await browser.page(`${origin}/`, { expected });
    await runIn(linked, url, 'location.assign(given)');
    await linked.getByText('16,384 tokens of context').waitFor();
    await linked.close();
  });

  it('gain nothing by making their name mean this machine', async () => {
    const rebound = await browser.page(at('/').replace('127.0.0.1', 'evil.example'), { expected });
    for (const [path, init] of [
      ['/v1/models', {}],
      ['/v1/plan', json(question)],
      ['/v1/chat/completions', json(question)],
      ['/v1/blocks', { ...json({ documents: [{ text: 'x' }] }), method: 'DELETE' }],
      ['/metrics', {}],
    ] as const) {
      const sent = await fetchIn(rebound, path, init);
      expect(sent).toMatchObject({ status: 403, text: expect.stringContaining('--allowed-host') });
    }
    expect(await answers(url)).toBe(0);
    await rebound.close();
  });

  it('that the server was started for read answers, streams and errors, with a key and without', async () => {
    const open = await served.also({ corsOrigins: [origin] });
    const guarded = await served.also({ corsOrigins: [origin], apiKeys: [{ key }] });
    for (const [base, headers] of [
      [open, {}],
      [guarded, { authorization: `Bearer ${key}` }],
    ] as const) {
      const path = `${base}v1/chat/completions`;
      const whole = await fetchIn(page, path, json(question, headers));
      expect(whole).toMatchObject({ status: 200, text: expect.stringContaining('chat.completion') });
      expect(typeof whole === 'string' ? whole : whole.requestId).toMatch(/^[\w-]{36}$/);
      const stream = await fetchIn(page, path, json({ ...question, stream: true }, headers));
      expect(stream).toMatchObject({ status: 200, text: expect.stringMatching(/data: \[DONE\]\n\n$/) });
      const wrong = await fetchIn(page, path, json({ ...question, temperature: 9 }, headers));
      expect(wrong).toMatchObject({ status: 400, text: expect.stringContaining('temperature') });
      expect(await fetchIn(page, `${base}v1/models`, { headers })).toMatchObject({ status: 200 });
    }
    const stranger = await fetchIn(page, `${guarded}v1/models`, { headers: { authorization: 'Bearer not-the-key' } });
    expect(stranger).toMatchObject({ status: 401 });
    const other = await browser.page(`${origin.replace('evil', 'ba')}/`, { expected });
    expect(await fetchIn(other, `${open}v1/models`)).toMatch(/TypeError/);
    await other.close();
  });

  it.each([true, false])('leave the own page alone, behind a proxy that keeps its name: %s', async (keepsHost) => {
    const behind = await served.also({ allowedHosts: ['ba.example'] });
    const port = await proxyTo(() => behind, keepsHost);
    const own = await browser.page(`http://ba.example:${port}/`);
    await own.getByText('16,384 tokens of context').waitFor();
    // The plan is a POST that the page sends.
    await own.locator('.chip').first().waitFor();
    expect((await counts(behind))['/v1/plan 200']).toBeGreaterThan(0);
    await own.close();
  });
});
