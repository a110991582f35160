import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer, redisInstalled } from '../../../../../tests/support/redis-server.ts';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import type { BlockStore } from '../block-store.ts';
import { type ClaimOptions, createBlockStore } from '../create-store.ts';
import { Allocations, block, encoder, release } from '../testing/blocks.ts';

let server: RedisServer;
let client: Redis;
let stores: BlockStore[] = [];

beforeAll(async () => {
  if (!redisInstalled) return;
  await loadLibrary();
  server = await RedisServer.start();
  client = new Redis(server.url);
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
  if (redisInstalled) await client.flushall();
});
afterAll(async () => {
  client?.disconnect();
  await server?.stop();
});

async function machine(claims: ClaimOptions, shared = server.url): Promise<BlockStore> {
  const store = await createBlockStore({
    memoryBytes: 64 << 20,
    shared: [shared],
    sharedTimeoutMs: 20_000,
    claims,
    onWarning: () => {},
  });
  stores.push(store);
  return store;
}

/** Encodes like `encoder`, after a while. */
function slowly(batches: number[][], ms: number): ReturnType<typeof encoder> {
  const encode = encoder(new Allocations(), batches, 10_000);
  return async (...call) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await encode(...call);
  };
}

const claimOf = (id: number) => `block-attention:{${block(id).key}}:claim`;

describe.skipIf(!redisInstalled)('claims', () => {
  it('make machines encode each block once, also when they want them in opposite order', async () => {
    const strict: ClaimOptions = { wait: 'strict' };
    const machines = await Promise.all([machine(strict), machine(strict), machine(strict)]);
    const ids = Array.from({ length: 24 }, (_, i) => i + 1);
    const batches: number[][] = [];
    const handles = await Promise.all(
      machines.map((store, i) => {
        const order = i % 2 === 0 ? ids : [...ids].reverse();
        return Promise.all(
          [0, 8, 16].map((at) =>
            store.acquire(
              order.slice(at, at + 8).map((id) => block(id)),
              slowly(batches, 60),
            ),
          ),
        );
      }),
    );
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(ids);
    for (const list of handles.flat()) release(list);
    for (const store of machines) {
      await store.flush();
      store.checkIntegrity();
    }
    await expect.poll(async () => (await client.keys('*:claim')).length, { timeout: 20_000 }).toBe(0);
  });

  it('of a machine that died end by themselves', async () => {
    await client.set(claimOf(1), 'a dead machine', 'PX', 700);
    const store = await machine({ wait: 'strict' });
    const batches: number[][] = [];
    const started = performance.now();
    const handles = await store.acquire([block(1), block(2)], slowly(batches, 0));
    expect(performance.now() - started).toBeGreaterThan(500);
    // What nobody had claimed did not wait.
    expect(batches).toEqual([[2], [1]]);
    expect(handles.map(({ status }) => status)).toEqual(['miss', 'miss']);
    release(handles);
  });

  it('are waited for no longer than encoding takes by whoever is in a hurry', async () => {
    await client.set(claimOf(3), 'a slow machine', 'PX', 60_000);
    const store = await machine({ wait: 'patient' });
    const handles = await store.acquire([block(3)], slowly([], 0));
    expect(handles[0]?.status).toBe('miss');
    expect(await client.get(claimOf(3))).toBe('a slow machine');
    release(handles);
  });

  it('are given back when encoding fails or is cancelled', async () => {
    const store = await machine({ wait: 'strict', leaseMs: 60_000 });
    const failing = store.acquire([block(4)], async () => Promise.reject(new Error('out of order')));
    await expect(failing).rejects.toThrow('out of order');
    const controller = new AbortController();
    const cancelled = store.acquire([block(5)], slowly([], 200), { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(cancelled).rejects.toMatchObject({ code: 'ABORTED' });
    await expect.poll(async () => (await client.keys('*:claim')).length, { timeout: 20_000 }).toBe(0);
  });

  it('stop nobody when their server is away', async () => {
    const store = await machine({ wait: 'strict' }, 'redis://127.0.0.1:1');
    const handles = await store.acquire([block(6)], slowly([], 0));
    expect(handles[0]?.status).toBe('miss');
    release(handles);
  });

  it('need a Redis', async () => {
    const options = { shared: ['s3+http://127.0.0.1:1/bucket'], claims: { wait: 'strict' } } as const;
    process.env.AWS_ACCESS_KEY_ID ??= 'none';
    process.env.AWS_SECRET_ACCESS_KEY ??= 'none';
    await expect(createBlockStore(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
