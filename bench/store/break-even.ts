/**
 * Loading a block against encoding it: at which bandwidth a tier pays. Disk and memory here, a Redis on loopback where
 * `redis-server` is installed; a network by its declared bandwidth. `npx tsx bench/store/break-even.ts`
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { createBlockStore } from '@block-attention/engine/internal/store';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { RedisServer } from '../../tests/support/redis-server.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 5 });
const directory = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
const redis = spawnSync('redis-server', ['--version']).status === 0 ? await RedisServer.start() : undefined;
const words = ['river', 'stone', 'light', 'garden', 'letter', 'window', 'winter', 'morning', 'silver', 'road'];
const passages = Array.from({ length: 8 }, (_, i) => ({
  text: Array.from({ length: 240 }, (_, w) => words[(i * 31 + w * 7 + ((w * w) % 11)) % words.length]).join(' '),
}));

/** Time per block of an engine that has to bring them from where they are. */
async function acquireMs(store: Parameters<typeof createBlockStore>[0], tier: string): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const opened = await createBlockStore({ memoryBytes: 2 ** 30, ...store });
    const engine = await createEngine({ modelPath: options.path, threads: options.threads, store: opened });
    const ask = () => engine.answer({ passages, question: 'Which?', mode: 'block', maxTokens: 1 }).result;
    if (tier === 'memory') await ask();
    const { blocks, timings } = await ask();
    const wrong = blocks.find((block) => block.tier !== tier && block.tokens > 100);
    if (wrong) throw new Error(`a block came from ${wrong.tier} instead of ${tier}`);
    times.push(timings.acquireMs / blocks.length);
    await engine.close();
    await opened.close();
  }
  return times;
}

try {
  const engine = await createEngine({ modelPath: options.path, threads: options.threads });
  const summary = await engine.encode(passages);
  await engine.close();
  const mib = summary.bytes / summary.blocks / 2 ** 20;
  const shared = redis ? [redis.url] : [];
  const fill = await createBlockStore({ memoryBytes: 2 ** 30, directory, shared, sharedTimeoutMs: 30_000 });
  const filler = await createEngine({ modelPath: options.path, threads: options.threads, store: fill });
  await filler.encode(passages);
  await filler.close();
  await fill.close();
  const encodeMs = median(await acquireMs({}, 'none')) ?? Number.NaN;
  const row = (from: string, ms: number) => ({
    from,
    msPerBlock: round(ms, 2),
    mibPerSecond: round((mib * 1000) / ms, 0),
    ofEncoding: round(ms / encodeMs, 4),
  });
  const rows = [row('encoding', encodeMs)];
  rows.push(row('memory', median(await acquireMs({}, 'memory')) ?? Number.NaN));
  rows.push(row('disk (page cache)', median(await acquireMs({ directory }, 'disk')) ?? Number.NaN));
  if (redis) {
    const redisMs = median(await acquireMs({ shared, sharedTimeoutMs: 30_000 }, 'redis')) ?? Number.NaN;
    rows.push(row('Redis on loopback', redisMs));
  }
  for (const [name, gigabits] of [
    ['1 Gbit/s', 1],
    ['10 Gbit/s', 10],
    ['25 Gbit/s', 25],
  ] as const) {
    rows.push(row(`network of ${name}, declared`, (mib * 2 ** 20 * 8) / (gigabits * 1e6)));
  }
  const tokens = summary.tokens / summary.blocks;
  console.error(
    `${round(tokens, 0)} tokens and ${round(mib, 1)} MiB per block; ${round((tokens * 1000) / encodeMs, 0)} tokens/s encoding`,
  );
  console.error(`a tier pays above ${round((mib * 1000) / encodeMs, 0)} MiB/s`);
  report('break-even', options, rows);
} finally {
  await redis?.stop();
  await rm(directory, { recursive: true });
}
process.exit(0);
