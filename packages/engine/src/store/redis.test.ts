import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import type { BlockStore } from './block-store.ts';
import { type BlockStoreOptions, createBlockStore } from './create-store.ts';
import { Allocations, block, collector, encoder, never, release, use, withFolder } from './testing/blocks.ts';

const installed = spawnSync('redis-server', ['--version']).status === 0;
if (!installed) console.log('skipped: redis-server is not installed (apt-get install redis-server)');

const timeoutMs = 250;
const folder = mkdtempSync(join(tmpdir(), 'block-attention-redis-'));
let port = 0;
let server: ChildProcess | undefined;
let stores: BlockStore[] = [];

beforeAll(async () => {
  await loadLibrary();
  port = await freePort();
});
beforeEach(async () => {
  if (installed) server = await start(port);
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
  await stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const probe: Server = createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function start(at: number, extra: readonly string[] = []): Promise<ChildProcess> {
  const fixed = ['--port', `${at}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('redis-server', [...fixed, ...extra], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of child.stdout ?? []) if (`${line}`.includes('Ready to accept connections')) break;
  return child;
}

async function stop(): Promise<void> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGKILL');
  await gone;
}

async function createStore(options: BlockStoreOptions = {}): Promise<BlockStore> {
  const shared = options.shared ?? [`redis://127.0.0.1:${port}`];
  const limits = { memoryBytes: 64 << 20, sharedTimeoutMs: timeoutMs, retryMs: 50 };
  const store = await createBlockStore({ ...limits, onWarning: () => {}, ...options, shared });
  stores.push(store);
  return store;
}

/** Fills the server through one store, so that another can load. */
async function share(ids: readonly number[], bytes = 500): Promise<void> {
  const store = await createStore({ sharedTimeoutMs: 5000 });
  const requests = ids.map((id) => block(id, bytes));
  await use(store, requests, slowEncoder());
  await store.flush();
}

/** Says that encoding takes long, so that loading is always the faster way. */
function slowEncoder(batches: number[][] = []) {
  return encoder(new Allocations(), batches, 10_000);
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const from = performance.now();
  const result = await work();
  return { ms: performance.now() - from, result };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error('did not come to pass in 3 s');
}

async function withClient<T>(work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(port, '127.0.0.1');
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

describe.skipIf(!installed)('a server that works', () => {
  test('what one machine encodes, another loads, in chunks; everything on the server expires', async () => {
    await share([1, 2], 9_000_000);
    const other = await createStore({ sharedTimeoutMs: 5000 });
    const handles = await other.acquire([block(1, 9_000_000), block(2, 9_000_000)], never);
    expect(handles.map(({ tier, decision }) => `${tier} ${decision}`)).toEqual(['redis loaded', 'redis loaded']);
    release(handles);
    await withClient(async (client) => {
      const keys = await client.keys('*');
      expect(keys.length).toBe(2 * (1 + 3));
      for (const key of keys) {
        expect(await client.pttl(key)).toBeGreaterThan(0);
        expect(await client.strlen(key)).toBeLessThanOrEqual(4 << 20);
      }
      expect(await other.has(block(1, 9_000_000).key)).toBe('memory');
      expect(await other.remove([block(1).key, block(2).key])).toBe(2);
      expect(await client.dbsize()).toBe(0);
    });
  });

  test('a block that came from the server is kept in the folder as well', async () => {
    await share([1]);
    await withFolder(async (directory) => {
      const store = await createStore({ directory });
      expect(await use(store, [block(1, 500)], never)).toEqual(['redis']);
      await store.close();
      const again = await createStore({ directory });
      expect(await use(again, [block(1, 500)], never)).toEqual(['disk']);
      expect(await again.remove([block(1).key])).toBe(1);
      expect(await withClient((client) => client.dbsize())).toBe(0);
      await again.close();
    });
  });

  test('a server that is slower than encoding is not used, and the handles say so', async () => {
    await share([1, 2, 3, 4]);
    const store = await createStore();
    const quick = encoder(new Allocations(), [], 0.0001);
    // Nothing is known at first: loading is tried, encoding is measured.
    await use(store, [block(1, 500), block(10, 500)], quick);
    const handles = await store.acquire([block(2, 500), block(3, 500)], quick);
    expect(handles.map(({ status, decision }) => `${status} ${decision}`)).toEqual(['miss slower', 'miss slower']);
    release(handles);
    expect(store.stats().tiers[0]?.loadMsPerMiB).toBeGreaterThan(0);
  });

  test('a cluster, with passwords, by its URL', async () => {
    const clusterPort = await freePort();
    const address = ['--cluster-announce-ip', '127.0.0.1', '--cluster-config-file', 'nodes.conf'];
    const extra = ['--cluster-enabled', 'yes', '--requirepass', 'p@ss', ...address];
    const node = await start(clusterPort, extra);
    try {
      const admin = new Redis(clusterPort, '127.0.0.1', { password: 'p@ss' });
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until(async () => (await admin.cluster('INFO')).includes('cluster_state:ok'));
      admin.disconnect();
      const shared = [`redis://:p%40ss@127.0.0.1:${clusterPort}?cluster`];
      const first = await createStore({ shared, sharedTimeoutMs: 2000 });
      await use(first, [block(1, 9_000_000), block(2, 500)], slowEncoder());
      await first.flush();
      const other = await createStore({ shared, sharedTimeoutMs: 2000 });
      expect(await use(other, [block(1, 9_000_000), block(2, 500)], never)).toEqual(['redis', 'redis']);
    } finally {
      node.kill('SIGKILL');
    }
  });

  test('TLS', async ({ skip }) => {
    const key = join(folder, 'key.pem');
    const certificate = join(folder, 'cert.pem');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const made = spawnSync('openssl', [...kind, '-keyout', key, '-out', certificate, ...subject]);
    if (made.status !== 0) {
      console.log('skipped: openssl is not installed');
      skip();
    }
    const tlsPort = await freePort();
    const tls = [
      '--tls-port',
      `${tlsPort}`,
      '--tls-cert-file',
      certificate,
      '--tls-key-file',
      key,
      '--tls-auth-clients',
      'no',
    ];
    const node = await start(0, tls);
    try {
      const ca = readFileSync(certificate);
      const shared = [{ redis: { urls: [`rediss://localhost:${tlsPort}`], tls: { ca } } }];
      const first = await createStore({ shared, sharedTimeoutMs: 2000 });
      await use(first, [block(1, 5_000_000)], slowEncoder());
      await first.flush();
      const other = await createStore({ shared, sharedTimeoutMs: 2000 });
      expect(await use(other, [block(1, 5_000_000)], never)).toEqual(['redis']);
      // A certificate that nobody vouches for is not accepted.
      const strict = await createStore({ shared: [`rediss://localhost:${tlsPort}`] });
      expect(await use(strict, [block(1, 5_000_000)], slowEncoder())).toEqual(['none']);
    } finally {
      node.kill('SIGKILL');
    }
  });
});

describe.skipIf(!installed)('a server that lies', () => {
  test('truncated, foreign, swapped and senseless values are misses with a reason, and are replaced', async () => {
    const ids = [1, 2, 3, 4, 5, 6, 7];
    await share(ids);
    await withClient(async (client) => {
      const listKey = (id: number) => `block-attention:{${block(id).key}}`;
      const chunkOf = async (id: number) => (await client.keys(`block-attention:{${block(id).key}}:*`))[0] ?? '';
      const chunk = async (id: number) => (await client.getBuffer(await chunkOf(id))) ?? Buffer.alloc(0);
      const other = await chunk(2);
      await client.set(await chunkOf(1), (await chunk(1)).subarray(0, 1000));
      await client.set(await chunkOf(2), await chunk(7));
      await client.set(await chunkOf(3), Buffer.concat([await chunk(3), Buffer.alloc(1)]));
      const flipped = await chunk(4);
      flipped[4200] = (flipped[4200] ?? 0) ^ 1;
      await client.set(await chunkOf(4), flipped);
      await client.set(listKey(5), `999999999999 3 ${'0'.repeat(16)}`);
      await client.set(listKey(6), other);
      await client.del(await chunkOf(7));
    });
    const { warnings, onWarning } = collector();
    const store = await createStore({ onWarning });
    const requests = ids.map((id) => block(id, 500));
    const batches: number[][] = [];
    const handles = await store.acquire(requests, slowEncoder(batches));
    expect(batches).toEqual([ids]);
    expect(handles.map(({ decision }) => decision)).toEqual([...Array(6).fill('unreadable'), 'absent']);
    release(handles);
    await store.flush();
    expect(store.stats().tiers[0]?.misses).toEqual({ truncated: 4, foreign: 1, checksum: 1, absent: 1 });
    expect(warnings.map(({ cause }) => cause).sort()).toEqual(['checksum', 'foreign', 'truncated']);
    await until(async () => {
      const again = await createStore();
      const found = await use(again, requests, slowEncoder());
      await again.flush();
      return found.every((tier) => tier === 'redis');
    });
  });

  test('a value of the wrong type is a miss', async () => {
    await withClient((client) => client.lpush(`block-attention:{${block(1).key}}`, 'list'));
    const store = await createStore();
    expect(await use(store, [block(1, 500)], slowEncoder())).toEqual(['none']);
  });
});

describe.skipIf(!installed)('a server that fails: no failed request, bounded delay', () => {
  const bytes = 500;
  const some = (from: number) => [0, 1, 2, 3].map((at) => block(from + at, bytes));

  test('absent from the start', async () => {
    await stop();
    const { warnings, onWarning } = collector();
    const store = await createStore({ onWarning });
    for (const from of [10, 20, 30]) {
      const { ms, result } = await timed(() => use(store, some(from), slowEncoder()));
      expect(result).toEqual(Array(4).fill('none'));
      expect(ms).toBeLessThan(3 * timeoutMs);
    }
    await store.flush();
    expect(warnings.length).toBeLessThanOrEqual(2);
    expect((await timed(() => store.close())).ms).toBeLessThan(3 * timeoutMs);
  });

  test('stopped, restarted', async () => {
    await share([1, 2, 3, 4]);
    const store = await createStore();
    expect(await use(store, some(1).slice(0, 2), never)).toEqual(['redis', 'redis']);
    await stop();
    for (const from of [10, 20, 30, 40]) {
      const { ms } = await timed(() => use(store, some(from), slowEncoder()));
      expect(ms).toBeLessThan(3 * timeoutMs);
    }
    server = await start(port);
    await share([1, 2, 3, 4]);
    let id = 100;
    await until(async () => {
      id += 1;
      await share([id], bytes);
      return (await use(store, [block(id, bytes)], slowEncoder()))[0] === 'redis';
    });
  });

  test('paused in the middle of a run, and resumed', async () => {
    await share([1, 2, 3, 4, 5, 6, 7, 8]);
    const store = await createStore();
    expect(await use(store, some(1), never)).toEqual(Array(4).fill('redis'));
    server?.kill('SIGSTOP');
    const first = await timed(() => use(store, some(5), slowEncoder()));
    expect(first.result).toEqual(Array(4).fill('none'));
    expect(first.ms).toBeLessThan(4 * timeoutMs);
    // By now the breaker is open: the outage costs nothing any more.
    for (const from of [20, 30, 40]) {
      const { ms, result } = await timed(() => use(store, some(from), slowEncoder()));
      expect(result).toEqual(Array(4).fill('none'));
      expect(ms).toBeLessThan(timeoutMs / 2);
    }
    server?.kill('SIGCONT');
    let id = 200;
    await until(async () => {
      id += 1;
      await share([id], bytes);
      return (await use(store, [block(id, bytes)], slowEncoder()))[0] === 'redis';
    });
  });

  test('failing at random while requests run: every answer is right', async () => {
    await share([...Array(40).keys()].map((id) => id + 1));
    let running = true;
    const troubles = (async () => {
      while (running) {
        const pause = () => new Promise((resolve) => setTimeout(resolve, 40 + Math.random() * 120));
        server?.kill('SIGSTOP');
        await pause();
        server?.kill('SIGCONT');
        await pause();
        await stop();
        await pause();
        server = await start(port);
        await pause();
      }
    })();
    const store = await createStore({ memoryBytes: 3000 });
    const end = performance.now() + 4000;
    const tiers: Record<string, number> = {};
    try {
      for (let at = 0; performance.now() < end; at += 1) {
        const requests = [0, 7, 13].map((step) => block(1 + ((at * 5 + step) % 40), bytes));
        const { ms, result } = await timed(() => use(store, requests, slowEncoder()));
        expect(ms).toBeLessThan(6 * timeoutMs);
        for (const tier of result) tiers[tier] = (tiers[tier] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } finally {
      running = false;
      await troubles;
    }
    store.checkIntegrity();
    console.log(`blocks by origin while the server failed: ${JSON.stringify(tiers)}`);
    expect(Math.min(tiers.redis ?? 0, tiers.none ?? 0)).toBeGreaterThan(0);
  });

  test('a server that accepts connections and never answers', async () => {
    const mute = createServer(() => {});
    await once(mute.listen(0, '127.0.0.1'), 'listening');
    const address = mute.address();
    const mutePort = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const store = await createStore({ shared: [`redis://127.0.0.1:${mutePort}`] });
      const { ms, result } = await timed(() => use(store, some(1), slowEncoder()));
      expect(result).toEqual(Array(4).fill('none'));
      expect(ms).toBeLessThan(3 * timeoutMs);
      await store.close();
    } finally {
      mute.close();
    }
  });
});
