import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '@block-attention/engine/internal/engine';
import { type BlockStore, createBlockStore } from '@block-attention/engine/internal/store';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../tests/support/models/random-model.ts';
import { RedisServer, redisInstalled } from '../../tests/support/redis-server.ts';
import { connectQueue } from './connection.ts';
import { enqueuePassages, type JobReport, runWorker } from './index.ts';

const passages = Array.from({ length: 10 }, (_, i) => ({ id: `p${i}`, text: `Passage number ${i} is about bridges.` }));

describe.skipIf(!redisInstalled)('the queue', () => {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-queue-'));
  let redis: RedisServer;
  let engine: Engine;
  let store: BlockStore;
  let client: Redis;
  let controller: AbortController;

  async function open(seed: number): Promise<{ engine: Engine; store: BlockStore }> {
    const modelPath = join(folder, `model-${seed}.gguf`);
    await writeRandomModel(modelPath, { family: 'llama', contextTokens: 128 }, seed);
    const opened = await createBlockStore({ memoryBytes: 1, shared: [redis.url], claims: { wait: 'strict' } });
    const cacheDir = join(folder, 'cache');
    return {
      store: opened,
      engine: await createEngine({ modelPath, threads: 1, device: 'cpu', store: opened, cacheDir }),
    };
  }

  beforeAll(async () => {
    redis = await RedisServer.start();
    client = new Redis(redis.url);
    ({ engine, store } = await open(1));
  });
  beforeEach(() => {
    controller = new AbortController();
  });
  afterEach(async () => {
    controller.abort();
    await client.flushall();
  });
  afterAll(async () => {
    await engine?.close();
    await store?.close();
    client?.disconnect();
    await redis?.stop();
    rmSync(folder, { recursive: true });
  });

  const queue = () => ({ url: redis.url });
  const work = (more: Partial<Parameters<typeof runWorker>[0]> = {}) =>
    runWorker({ engine, queue: queue(), name: 'w', signal: controller.signal, untilEmpty: true, ...more });

  it('encodes exactly what is missing, and does not keep it', async () => {
    await engine.encode(passages.slice(0, 3));
    const queued = await enqueuePassages(passages, { queue: queue(), batch: 4, wait: false });
    expect(queued).toMatchObject({ passages: 10, jobs: 3 });
    expect(await work()).toMatchObject({ jobs: 3, failed: 0, encoded: 7, present: 3 });
    expect(store.stats().blocks).toBe(0);
    // Handed in again, joined by who follows.
    const [summary] = await Promise.all([
      enqueuePassages(passages, { queue: queue(), batch: 4 }),
      work({ untilEmpty: false, signal: AbortSignal.any([controller.signal, AbortSignal.timeout(2500)]) }),
    ]);
    expect(summary).toMatchObject({ jobs: 3, encoded: 0, present: 10, failed: [], workers: ['w'] });
  });

  it('encodes under the policy that a job names, else under the worker’s own', async () => {
    const enqueue = (policy?: string) => enqueuePassages(passages, { queue: queue(), policy, wait: false });
    await enqueue('anchor:7+hide:2');
    await enqueue();
    await enqueue('anchor:7+hide:2');
    expect(await work()).toMatchObject({ jobs: 2, failed: 0, encoded: 21, present: 0 });
    for (const policy of [undefined, 'anchor:7']) {
      const keys = engine.blockKeys(passages, { policy });
      expect(await Promise.all(keys.map((key) => store.has(key)))).not.toContain(undefined);
    }
    for (const policy of ['tail:1', 'anchor:file=/etc/hostname']) {
      await expect(enqueue(policy)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  it('puts what cannot be encoded on the list of failures with its reason, and encodes the rest', async () => {
    const long = { id: 'long', text: 'word '.repeat(400) };
    const mixed = [...passages.slice(0, 3), long, { id: 'empty', text: ' ' }];
    const reports: JobReport[] = [];
    const done = work({ untilEmpty: false, onJob: (report) => reports.push(report) });
    const summary = await enqueuePassages(mixed, { queue: queue() });
    expect(summary.failed).toHaveLength(1);
    expect(summary.failed[0]?.reason).toMatch(
      /passage 4 \("long"\): it has \d+ tokens, the context holds 128: split it/,
    );
    expect(summary.failed[0]?.reason).toContain('passage 5 ("empty")');
    controller.abort();
    expect(await done).toMatchObject({ failed: 1 });
    expect(reports).toMatchObject([{ status: 'failed', final: true }]);
    for (const key of engine.blockKeys(passages.slice(0, 3))) expect(await store.has(key)).toBe('redis');
  });

  it('gives a job back that its worker is stopped in', async () => {
    const many = Array.from({ length: 200 }, (_, i) => ({ text: `${i} ${'word '.repeat(18)}` }));
    await enqueuePassages(many, { queue: queue(), batch: 200, wait: false });
    const stopped = work({ untilEmpty: false });
    await expect.poll(() => client.llen('{block-attention}:encode:active'), { timeout: 20_000, interval: 10 }).toBe(1);
    controller.abort();
    expect(await stopped).toMatchObject({ jobs: 0, failed: 0 });
    expect(await client.llen('{block-attention}:encode:active')).toBe(0);
    controller = new AbortController();
    const summary = await work();
    expect(summary).toMatchObject({ jobs: 1, failed: 0 });
    expect(summary.encoded + summary.present).toBeGreaterThanOrEqual(200);
  });

  it('refuses a worker of another model while others are at work', async () => {
    const running = work({ untilEmpty: false });
    await expect.poll(() => client.get('{block-attention}:encode:model'), { timeout: 20_000 }).not.toBeNull();
    const other = await open(2);
    const refused = work({ engine: other.engine });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: /another model/ });
    expect(await work({ engine: other.engine, queue: { url: redis.url, name: 'other' } })).toMatchObject({ jobs: 0 });
    await other.engine.close();
    await other.store.close();
    controller.abort();
    await running;
  });

  it('names a server that does not answer, without its password', async () => {
    const failing = connectQueue({ url: 'redis://user:secret@127.0.0.1:1' });
    await expect(failing).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    await expect(failing).rejects.not.toThrow(/secret/);
  });

  it('lets go of handing in when cancelled', async () => {
    const handingIn = expect(
      enqueuePassages(passages, { queue: queue(), signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    await expect.poll(() => client.llen('{block-attention}:encode:wait'), { timeout: 20_000 }).toBe(1);
    controller.abort();
    await handingIn;
    expect(await client.llen('{block-attention}:encode:wait')).toBe(1);
  });
});
