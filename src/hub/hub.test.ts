import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listModels, type PullOptions, pullModel } from './index.ts';
import { type FileServer, fakeGguf, startFileServer } from './testing/file-server.ts';

const file = fakeGguf(150_000);
const oid = createHash('sha256').update(file).digest('hex');
const limits = { connectTimeoutMs: 1000, stallTimeoutMs: 1000, retries: 2, retryDelayMs: 5 };
let cacheDir: string;
let hub: FileServer;
let cdn: FileServer;
/** What the paths-info call answers; a number is a status. */
let answer: unknown;
/** How often it answers 503 first. */
let busy: number;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'cache-'));
  cdn = await startFileServer(file);
  hub = await startFileServer(file);
  answer = [
    {
      type: 'file',
      path: 'q/tiny.gguf',
      oid: 'a1',
      size: file.length,
      lfs: { oid, size: file.length, pointerSize: 130 },
    },
  ];
  busy = 0;
  hub.route = (request, response, body) => {
    if (request.method === 'POST' && request.url === '/api/models/owner/repo/paths-info/v1%2F2') {
      expect(JSON.parse(body)).toMatchObject({ paths: ['q/tiny.gguf'] });
      if (busy-- > 0) {
        response.writeHead(503).end();
        return true;
      }
      const status = typeof answer === 'number' ? answer : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(status === 200 ? answer : { error: 'no' }));
      return true;
    }
    if (request.method === 'GET' && request.url === '/owner/repo/resolve/v1%2F2/q/tiny.gguf') {
      response.writeHead(302, { location: `${cdn.url}/blob?signature=1` }).end();
      return true;
    }
    response.writeHead(418).end();
    return true;
  };
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await cdn[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

function pull(env: Record<string, string> = {}, pin = '') {
  const options: PullOptions = { cacheDir, limits, env: { HF_ENDPOINT: `${hub.url}/`, ...env } };
  return pullModel(`hf:owner/repo/q/tiny.gguf@v1/2${pin}`, options);
}

describe('a model on the hub', () => {
  it('is fetched through the redirect and checked against the hub’s own checksum', async () => {
    const model = await pull();
    expect(model).toMatchObject({ name: 'tiny', source: 'hub', sha256: oid });
    expect((await readFile(model.path)).equals(file)).toBe(true);
    expect(await listModels({ cacheDir })).toMatchObject([
      { verifiedBy: 'hub', reference: 'hf:owner/repo/q/tiny.gguf@v1/2' },
    ]);
  });

  it('sends any form of token to the hub, and to nobody else', async () => {
    await pull({ HF_TOKEN: ' not-of-the-usual-form\n' });
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual(
      Array.from({ length: 2 }, () => 'Bearer not-of-the-usual-form'),
    );
    expect(cdn.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('never repeats a malformed token', async () => {
    const error: unknown = await pull({ HF_TOKEN: 'hunter2\nx' }).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/HF_TOKEN holds characters/);
    expect(String(error)).not.toMatch(/hunter2/);
  });

  it('is refused when the bytes are not the announced ones', async () => {
    cdn.file = fakeGguf(file.length, 9);
    await expect(pull()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    cdn.file = fakeGguf(10_000);
    await expect(pull()).rejects.toThrow(/10000 bytes where 150000 were announced/);
    expect(await listModels({ cacheDir })).toEqual([]);
  });

  it('is refused before the download when the hub announces another checksum than the reference', async () => {
    await expect(pull({}, `#sha256=${'1'.repeat(64)}`)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(cdn.requests).toHaveLength(0);
    expect((await pull({}, `#sha256=${oid}`)).sha256).toBe(oid);
    expect(await listModels({ cacheDir })).toMatchObject([{ verifiedBy: 'reference' }]);
  });

  it('continues a download with the tag of the file behind the redirect', async () => {
    cdn.behave = (_, index) => (index === 0 ? { cutAfter: 60_000 } : undefined);
    await pull();
    expect(cdn.ranges).toEqual([undefined, 'bytes=60000-']);
  });

  it('is explained when it is not there, gated, or the hub is not a hub', async () => {
    answer = [];
    await expect(pull()).rejects.toThrow(/has no file 'q\/tiny.gguf' in owner\/repo at v1\/2/);
    answer = 401;
    await expect(pull()).rejects.toThrow(/401: it asks for an account, a token \(HF_TOKEN/);
    answer = 404;
    await expect(pull()).rejects.toThrow(/404/);
    hub.route = undefined;
    hub.behave = () => ({ body: '<html>' });
    await expect(pull()).rejects.toThrow(/does not answer as a model hub/);
    await expect(pull({ HF_ENDPOINT: 'nonsense' })).rejects.toThrow(/HF_ENDPOINT is not an http or https URL/);
  });

  it('is asked for again while the hub is busy', async () => {
    busy = 2;
    expect((await pull()).sha256).toBe(oid);
  });
});
