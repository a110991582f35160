import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { OpenAPIHono } from '@hono/zod-openapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../context.ts';
import { Workplace } from '../testing/workplace.ts';
import { addPlayground } from './playground.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

async function builtPage(): Promise<{ readonly html: string; readonly assets: readonly string[] }> {
  const response = await workplace.server().app.request('/');
  expect(response.status).toBe(200);
  const html = await response.text();
  return { html, assets: [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1] ?? '') };
}

describe('playground', () => {
  it('serves the built page, without a key, under a policy that allows nothing foreign and nothing inline', async () => {
    const { app } = workplace.server({ apiKeys: [{ key: 'secret-key', tenant: 'a' }] });
    const response = await app.request('/');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
    const html = await response.text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|style="|https?:\/\//);
  });

  it('serves every file of the page: hashed ones for good, the page itself to be asked for again', async () => {
    const { assets } = await builtPage();
    expect(new Set(assets.map((path) => path.split('.').at(-1)))).toEqual(new Set(['css', 'js', 'svg']));
    const { app } = workplace.server();
    for (const path of assets) {
      const response = await app.request(`/${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toContain('immutable');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect((await app.request('/')).headers.get('cache-control')).toBe('no-cache');
  });

  it('answers 304 to who has it', async () => {
    const { app } = workplace.server();
    const etag = (await app.request('/')).headers.get('etag') ?? '';
    const ask = (tag: string) => app.request('/', { headers: { 'if-none-match': tag } });
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) expect((await ask(tag)).status).toBe(304);
    expect((await ask('"other"')).status).toBe(200);
  });

  it('weighs at most 60 KB of script and 12 KB of style, compressed', async () => {
    const { assets } = await builtPage();
    const { app } = workplace.server();
    const weigh = async (ending: string) => {
      const path = assets.find((name) => name.endsWith(ending)) ?? '';
      return gzipSync(Buffer.from(await (await app.request(`/${path}`)).arrayBuffer())).length;
    };
    expect(await weigh('.js')).toBeLessThan(60_000);
    expect(await weigh('.css')).toBeLessThan(12_000);
  });

  it.each(['/assets/none.js', '/assets/..%2findex.html', '/assets/%2e%2e%2f%2e%2e%2fpackage.json', '/index.html.map'])(
    'has no %s',
    async (path) => {
      const response = await workplace.server().app.request(path);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 'not_found' } });
    },
  );

  it('serves a folder as it was at the start, and says so when nothing is built', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'block-attention-page-'));
    mkdirSync(join(folder, 'assets'));
    writeFileSync(join(folder, 'index.html'), 'page');
    writeFileSync(join(folder, 'assets', 'a.css'), 'x{}');
    const app: App = new OpenAPIHono();
    addPlayground(app, folder);
    rmSync(folder, { recursive: true });
    expect(await (await app.request('/')).text()).toBe('page');
    expect((await app.request('/assets/a.css')).headers.get('content-type')).toContain('text/css');
  });
});
