/**
 * The first answer after a restart, 8,192 tokens of context from files in the page cache and from files that are not,
 * against an answer whose blocks are in memory; and what look-up, keys and pins cost. `npm run bench -- store`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../src/engine/index.ts';
import { median } from '../src/eval/median.ts';
import { createBlockStore } from '../src/store/index.ts';
import { benchOptions, report, round } from './harness.ts';
import { dropFromPageCache, sequentialSpeed } from './page-cache.ts';

const options = await benchOptions({ runs: 7 });
const directory = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
const words = ['river', 'stone', 'light', 'garden', 'letter', 'window', 'winter', 'morning', 'silver', 'road'];
const passages = Array.from({ length: 64 }, (_, i) => ({
  text: Array.from({ length: 120 }, (_, w) => words[(i * 31 + w * 7 + ((w * w) % 11)) % words.length])
    .concat(String(i))
    .join(' '),
}));
const request = { passages, question: `Which of these words was named first: ${words.join(', ')}?`, maxTokens: 1 };

async function open() {
  const store = await createBlockStore({ directory, memoryBytes: 2 * 2 ** 30 });
  const engine = await createEngine({ mode: 'block', modelPath: options.path, threads: options.threads, store });
  return { store, engine };
}

try {
  const first = await open();
  const summary = await first.engine.encode(passages);
  await first.engine.close();
  await first.store.close();

  const inMemory: number[] = [];
  const restarted: number[] = [];
  const fromDisk: number[] = [];
  const diskSpeed: number[] = [];
  const acquire: number[] = [];
  const restart = async (cached: boolean) => {
    const { store, engine } = await open();
    // The model's own pages and graphs are warm: what is compared is where the blocks come from.
    await engine.answer({ passages: [], question: request.question, maxTokens: 1 }).result;
    if (!cached) dropFromPageCache(directory);
    const first = await engine.answer(request).result;
    const second = await engine.answer(request).result;
    if (first.blocks.some((block) => block.tier !== 'disk') || second.blocks.some((block) => block.tier !== 'memory')) {
      const places = [first, second].map(({ blocks }) => [
        ...new Set(blocks.map(({ tier, status }) => `${status} ${tier}`)),
      ]);
      throw new Error(`blocks did not come from where they should: ${JSON.stringify(places)}`);
    }
    await engine.close();
    await store.close();
    return { first, second };
  };
  for (let run = 0; run < options.runs; run++) {
    const { first, second } = await restart(true);
    restarted.push(first.ttftMs);
    inMemory.push(second.ttftMs);
    acquire.push(second.timings.acquireMs + second.timings.planMs);
    if (!dropFromPageCache(directory)) continue;
    diskSpeed.push(sequentialSpeed(directory));
    fromDisk.push((await restart(false)).first.ttftMs);
  }
  const memoryMs = median(inMemory) ?? Number.NaN;
  const row = (where: string, ms: number) => ({ where, ms: round(ms, 1), ofInMemory: round(ms / memoryMs, 3) });
  console.error(`${summary.blocks} blocks, ${summary.tokens} tokens, ${round(summary.bytes / 2 ** 20, 0)} MiB`);
  const rows = [
    row('TTFT, blocks in memory', memoryMs),
    row('TTFT, first after restart', median(restarted) ?? Number.NaN),
    row('plan, keys, look-up, pins, blocks in memory', median(acquire) ?? Number.NaN),
  ];
  const speed = median(diskSpeed);
  if (speed === undefined)
    console.error('files cannot be dropped from the page cache here: no answer from the disk itself');
  else {
    console.error(`disk: ${round(speed, 0)} MiB/s, the same files read one after the other`);
    rows.push(row('TTFT, first after restart, page cache dropped', median(fromDisk) ?? Number.NaN));
    rows.push(row('reading the files alone, one after the other', (summary.bytes / 2 ** 20 / speed) * 1000));
  }
  report('store', options, rows);
} finally {
  await rm(directory, { recursive: true });
}
process.exit(0);
