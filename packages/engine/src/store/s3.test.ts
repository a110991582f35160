import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import type { BlockStore } from './block-store.ts';
import { createBlockStore } from './create-store.ts';
import { blockPath } from './disk/disk-files.ts';
import { parseSharedUrl } from './remote/shared-options.ts';
import { Allocations, block, collector, encoder, never, use } from './testing/blocks.ts';

const credentials = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret/key+1' };
const timeoutMs = 250;

/** The part of S3's protocol that the store needs, with signatures checked from its published rules. */
class ObjectServer {
  readonly objects = new Map<string, Buffer>();
  readonly refused: string[] = [];
  /** Replaces the usual answer. */
  fault: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => this.#answer(request, response, Buffer.concat(parts)));
    });
  }

  async start(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    if (!isSigned(request, body)) {
      this.refused.push(`${request.method} ${request.url}`);
      response.writeHead(403).end();
      return;
    }
    if (this.fault !== undefined) {
      this.fault(request, response);
      return;
    }
    const name = request.url ?? '';
    const object = this.objects.get(name);
    if (request.method === 'PUT') this.objects.set(name, body);
    if (request.method === 'DELETE') this.objects.delete(name);
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (reads && object === undefined) response.writeHead(404).end();
    else response.writeHead(request.method === 'DELETE' ? 204 : 200).end(request.method === 'GET' ? object : undefined);
  }
}

/** AWS Signature Version 4. */
function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(.+)$/;
  const [, id, day = '', region = '', names = '', signature] = form.exec(request.headers.authorization ?? '') ?? [];
  const header = (name: string) => [request.headers[name] ?? ''].flat().join(',');
  const time = header('x-amz-date');
  const stated = header('x-amz-content-sha256');
  if (stated !== 'UNSIGNED-PAYLOAD' && stated !== createHash('sha256').update(body).digest('hex')) return false;
  const headers = names.split(';').map((name) => `${name}:${header(name)}\n`);
  const [path, query = ''] = (request.url ?? '').split('?');
  const canonical = [request.method, path, query, headers.join(''), names, stated].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', time, `${day}/${region}/s3/aws4_request`, digest].join('\n');
  const sign = (key: string | Buffer, value: string) => createHmac('sha256', key).update(value).digest();
  const key = [day, region, 's3', 'aws4_request'].reduce(sign, Buffer.from(`AWS4${credentials.AWS_SECRET_ACCESS_KEY}`));
  return id === credentials.AWS_ACCESS_KEY_ID && sign(key, text).toString('hex') === signature;
}

let server: ObjectServer;
let host = '';
let stores: BlockStore[] = [];

beforeAll(async () => {
  await loadLibrary();
});
beforeEach(async () => {
  server = new ObjectServer();
  host = await server.start();
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
  await server.stop();
});

async function createStore(environment: NodeJS.ProcessEnv = credentials, onWarning = () => {}): Promise<BlockStore> {
  const shared = [parseSharedUrl(`s3+http://${host}/blocks/team%20a?region=eu-west-3`, environment)];
  const store = await createBlockStore({
    memoryBytes: 64 << 20,
    shared,
    sharedTimeoutMs: timeoutMs,
    retryMs: 30,
    onWarning,
  });
  stores.push(store);
  return store;
}

const encode = (batches: number[][] = []) => encoder(new Allocations(), batches, 10_000);
const nameOf = (id: number) => `/blocks/team%20a${blockPath('/', block(id).key)}`;

async function share(ids: readonly number[], bytes = 500): Promise<void> {
  const store = await createStore();
  const requests = ids.map((id) => block(id, bytes));
  await use(store, requests, encode());
  await store.flush();
}

test('what one machine encodes, another loads; a forgotten block is gone', async () => {
  await share([1, 2], 300_000);
  expect([...server.objects.keys()].sort()).toEqual([nameOf(1), nameOf(2)].sort());
  const other = await createStore();
  expect(await use(other, [block(1, 300_000), block(2, 300_000)], never)).toEqual(['s3', 's3']);
  const third = await createStore();
  expect(await third.has(block(1).key)).toBe('s3');
  expect(await third.remove([block(1).key, block(99).key])).toBe(1);
  expect([...server.objects.keys()]).toEqual([nameOf(2)]);
  expect(server.refused).toEqual([]);
});

test('wrong credentials: a warning, and blocks are encoded', async () => {
  await share([1]);
  const { warnings, onWarning } = collector();
  const store = await createStore({ ...credentials, AWS_SECRET_ACCESS_KEY: 'other' }, onWarning as () => void);
  expect(await use(store, [block(1, 500)], encode())).toEqual(['none']);
  await store.flush();
  expect(warnings.map(({ cause }) => cause)).toEqual(['HTTP403']);
});

test('truncated, overlong, foreign and flipped objects are misses, and are replaced', async () => {
  const ids = [1, 2, 3, 4, 5];
  await share(ids);
  const object = (id: number) => Buffer.from(server.objects.get(nameOf(id)) ?? Buffer.alloc(0));
  const flipped = object(4);
  flipped[4300] = (flipped[4300] ?? 0) ^ 4;
  const third = object(3);
  server.objects.set(nameOf(1), object(1).subarray(0, 700));
  server.objects.set(nameOf(2), Buffer.concat([object(2), Buffer.alloc(3)]));
  server.objects.set(nameOf(3), object(5));
  server.objects.set(nameOf(4), flipped);
  server.objects.set(nameOf(5), Buffer.alloc(0));
  const store = await createStore();
  const batches: number[][] = [];
  await use(
    store,
    ids.map((id) => block(id, 500)),
    encode(batches),
  );
  expect(batches).toEqual([ids]);
  await store.flush();
  expect(store.stats().tiers[0]?.misses).toEqual({ truncated: 3, foreign: 1, checksum: 1 });
  expect(server.objects.get(nameOf(3))?.subarray(4096)).toEqual(third.subarray(4096));
  const again = await createStore();
  expect(
    await use(
      again,
      ids.map((id) => block(id, 500)),
      never,
    ),
  ).toEqual(Array(5).fill('s3'));
});

test('errors, silence, half answers and a closed door cost a bounded delay, and it recovers', async () => {
  const ids = [...Array(30).keys()].map((id) => id + 1);
  await share(ids);
  const faults: ((request: IncomingMessage, response: ServerResponse) => void)[] = [
    (_, response) => response.writeHead(500).end(),
    () => {},
    (_, response) => {
      response.writeHead(200, { 'content-length': '4596' });
      response.write(Buffer.alloc(2000));
    },
    (request) => request.socket.destroy(),
  ];
  const store = await createStore();
  let id = 100;
  for (const fault of faults) {
    server.fault = fault;
    for (let turn = 0; turn < 3; turn += 1) {
      const requests = [0, 1, 2, 3].map((at) => block(id + at, 500));
      id += 4;
      const from = performance.now();
      expect(await use(store, requests, encode())).toEqual(Array(4).fill('none'));
      expect(performance.now() - from).toBeLessThan(3 * timeoutMs);
    }
    server.fault = undefined;
    let tier: string | undefined;
    for (let turn = 0; turn < 100 && tier !== 's3'; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      [tier] = await use(store, [block(ids.shift() ?? 0, 500)], encode());
      if (ids.length === 0) break;
    }
    expect(tier).toBe('s3');
  }
});

test('URLs are understood, or refused with a reason that keeps passwords', () => {
  expect(parseSharedUrl('redis://localhost')).toEqual({ redis: { urls: ['redis://localhost'], cluster: false } });
  expect(parseSharedUrl('rediss://u:p@a:1, rediss://b:2')).toEqual({
    redis: { urls: ['rediss://u:p@a:1', 'rediss://b:2'], cluster: true },
  });
  expect(parseSharedUrl('s3+https://s3.example/bucket', { ...credentials, AWS_REGION: 'eu-west-1' })).toMatchObject({
    s3: { endpoint: 'https://s3.example', bucket: 'bucket', prefix: '', region: 'eu-west-1' },
  });
  const wrong = [
    'localhost:6379',
    'http://a',
    'redis://a,rediss://b',
    's3+https://host',
    's3+https://h/b',
    '',
    'redis://x:secret@:bad',
  ];
  for (const url of wrong) {
    expect(() => parseSharedUrl(url, {})).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => parseSharedUrl(url, {})).not.toThrow(/secret/);
  }
});
