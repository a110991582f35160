import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadFile } from './http-download.ts';
import { PartialFile } from './partial-file.ts';
import type { NetworkLimits } from './retry.ts';
import { type FileServer, fakeGguf, startFileServer } from './testing/file-server.ts';

const limits: NetworkLimits = { connectTimeoutMs: 1000, stallTimeoutMs: 400, retries: 2, retryDelayMs: 5 };
const file = fakeGguf(300_000);
const sha256 = createHash('sha256').update(file).digest('hex');
let folder: string;
let server: FileServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'models-'));
  server = await startFileServer(file);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Downloads as one process would: opens the partial file, closes it whatever happens. */
async function download(options: { sha256?: string; signal?: AbortSignal; url?: string; bytes?: number } = {}) {
  const seen: (number | undefined)[][] = [];
  const partial = await PartialFile.open(join(folder, 'part'));
  try {
    await downloadFile(
      { url: options.url ?? `${server.url}/m.gguf`, headers: {}, sha256: options.sha256, bytes: options.bytes },
      partial,
      { limits, signal: options.signal, onBytes: (done, total) => seen.push([done, total]) },
    );
  } finally {
    await partial[Symbol.asyncDispose]();
  }
  return seen;
}
const onDisk = () => readFile(join(folder, 'part'));

/** `toEqual` takes a second to compare buffers of this size. */
async function expectOnDisk(wanted: Buffer): Promise<void> {
  expect((await onDisk()).equals(wanted)).toBe(true);
}

describe('downloadFile', () => {
  it('fetches a file in one request and reports its progress', async () => {
    const seen = await download();
    await expectOnDisk(file);
    expect(server.ranges).toEqual([undefined]);
    expect(seen[0]).toEqual([0, file.length]);
    expect(seen.at(-1)).toEqual([file.length, file.length]);
  });

  it('continues after cut connections, as often as they make progress', async () => {
    server.behave = (_, index) => (index < 5 ? { cutAfter: 40_000 } : undefined);
    await download();
    await expectOnDisk(file);
    expect(server.ranges).toEqual([undefined, ...[1, 2, 3, 4, 5].map((n) => `bytes=${n * 40_000}-`)]);
  });

  it('continues what an earlier process left', async () => {
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : { status: 404 });
    await expect(download()).rejects.toThrow(/404/);
    server.behave = undefined;
    await download();
    await expectOnDisk(file);
    expect(server.ranges.at(-1)).toBe('bytes=100000-');
    expect(server.requests.at(-1)?.headers['if-range']).toBe('"v1"');
  });

  it('begins again when the file has changed meanwhile', async () => {
    const changed = fakeGguf(250_000, 2);
    server.behave = (_, index) => {
      if (index === 0) return { cutAfter: 100_000 };
      server.file = changed;
      server.etag = '"v2"';
      return undefined;
    };
    await download();
    await expectOnDisk(changed);
  });

  it('does not append a part of another version from a server that ignores If-Range', async () => {
    const changed = fakeGguf(300_000, 2);
    server.behave = (request, index) => {
      if (index === 0) return { cutAfter: 100_000 };
      server.file = changed;
      server.etag = '"v2"';
      delete request.headers['if-range'];
      return undefined;
    };
    await download();
    await expectOnDisk(changed);
    expect(server.ranges).toEqual([undefined, 'bytes=100000-', undefined]);
  });

  it('begins again when the server ignores ranges', async () => {
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : { ignoreRange: true });
    await download();
    await expectOnDisk(file);
  });

  it('trusts a part without an entity tag only when a checksum will tell', async () => {
    server.etag = undefined;
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : { status: 404 });
    await expect(download()).rejects.toThrow();
    server.behave = undefined;
    await download();
    expect(server.ranges.at(-1)).toBeUndefined();
    await rm(join(folder, 'part'));
    server.behave = (_, index) => (index === 3 ? { cutAfter: 100_000 } : { status: 404 });
    await expect(download({ sha256 })).rejects.toThrow();
    server.behave = undefined;
    await download({ sha256 });
    expect(server.ranges.at(-1)).toBe('bytes=100000-');
    await expectOnDisk(file);
  });

  it('begins again when another checksum is wanted than the part belongs to', async () => {
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : { status: 404 });
    await expect(download({ sha256: 'a'.repeat(64) })).rejects.toThrow();
    server.behave = undefined;
    await download({ sha256 });
    expect(server.ranges.at(-1)).toBeUndefined();
  });

  it('begins again when the file has become shorter than the part', async () => {
    server.etag = undefined;
    server.behave = (_, index) => (index === 0 ? { cutAfter: 100_000 } : { status: 404 });
    await expect(download({ sha256 })).rejects.toThrow();
    server.behave = undefined;
    server.file = file.subarray(0, 50_000);
    await download({ sha256 });
    await expectOnDisk(file.subarray(0, 50_000));
  });

  it('asks again after a failing server, and not after a missing file', async () => {
    server.behave = (_, index) => (index < 2 ? { status: index === 0 ? 500 : 429 } : undefined);
    await download();
    await expectOnDisk(file);
    server.behave = () => ({ status: 404 });
    await rm(join(folder, 'part'));
    await expect(download()).rejects.toMatchObject({ message: expect.stringMatching(/404.*no such file/) });
    expect(server.ranges).toHaveLength(4);
  });

  it('gives up after the allowed failures in a row and keeps what it has', async () => {
    server.behave = (_, index) => (index === 0 ? { cutAfter: 70_000 } : { status: 503 });
    await expect(download()).rejects.toThrow(/503.*given up after 3 attempts/);
    expect((await onDisk()).length).toBe(70_000);
  });

  it('waits as long as Retry-After says', async () => {
    server.behave = (_, index) => (index === 0 ? { status: 503, headers: { 'retry-after': '1' } } : undefined);
    const start = performance.now();
    await download();
    expect(performance.now() - start).toBeGreaterThan(950);
  });

  it('cuts a transfer that stalls and continues it', async () => {
    server.behave = (_, index) => (index === 0 ? { stallAfter: 60_000 } : undefined);
    await download();
    await expectOnDisk(file);
    expect(server.ranges).toEqual([undefined, 'bytes=60000-']);
  });

  it('names a server that never answers', async () => {
    server.route = () => true;
    await expect(download()).rejects.toThrow(/sent nothing for 0.4 s/);
  });

  it('stops a web page at its first bytes', async () => {
    server.behave = () => ({ body: `<!DOCTYPE html><title>Sign in</title>${' '.repeat(50_000)}` });
    await expect(download()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/web page/),
    });
  });

  it('refuses another size than was announced', async () => {
    await expect(download({ bytes: 299_999 })).rejects.toThrow(/300000 bytes where 299999/);
  });

  it('cancels at once, and what has arrived is continued', async () => {
    const controller = new AbortController();
    server.behave = (_, index) => (index === 0 ? { stallAfter: 80_000 } : undefined);
    setTimeout(() => controller.abort(), 150);
    await expect(download({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await onDisk()).length).toBe(80_000);
    await download();
    expect(server.ranges).toEqual([undefined, 'bytes=80000-']);
    await expectOnDisk(file);
  });

  it('follows redirects, without authorization to another origin', async () => {
    await using target = await startFileServer(file);
    server.route = (_, response) => {
      response.writeHead(302, { location: `${target.url}/cdn` }).end();
      return true;
    };
    const partial = await PartialFile.open(join(folder, 'part'));
    const headers = { authorization: 'Bearer secret' };
    await downloadFile({ url: `${server.url}/m`, headers, sha256: undefined, bytes: undefined }, partial, {
      limits,
      signal: undefined,
      onBytes: () => undefined,
    });
    await partial[Symbol.asyncDispose]();
    await expectOnDisk(file);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer secret');
    expect(target.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('gives up on endless redirects and on closed ports', async () => {
    server.route = (request, response) => {
      response.writeHead(302, { location: request.url }).end();
      return true;
    };
    await expect(download()).rejects.toThrow(/redirect/);
    await expect(download({ url: 'http://127.0.0.1:2/x.gguf' })).rejects.toThrow(/ECONNREFUSED/);
  });
});
