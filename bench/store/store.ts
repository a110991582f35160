/**
 * The first answer after a restart, 8,192 tokens of context from files in the page cache and from files that are not,
 * against an answer whose blocks are in memory; and what look-up, keys and pins cost. `npm run bench -- store`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { createBlockStore } from '@block-attention/engine/internal/store';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { benchOptions, report, round } from '../support/harness.ts';
import { dropFromPageCache, sequentialSpeed } from '../support/page-cache.ts';

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

  /** By what was measured: ms of every run, and their share of the in-memory time of the same run. */
  const series = new Map<string, { readonly ms: number[]; readonly shares: number[] }>();
  const add = (where: string, ms: number, memoryMs: number) => {
    const { ms: all, shares } = series.get(where) ?? { ms: [], shares: [] };
    series.set(where, { ms: [...all, ms], shares: [...shares, ms / memoryMs] });
  };
  const diskSpeed: number[] = [];
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
    add('TTFT, blocks in memory', second.ttftMs, second.ttftMs);
    add('TTFT, first after restart', first.ttftMs, second.ttftMs);
    const { planMs, acquireMs } = second.timings;
    add('plan, keys, look-up, pins, blocks in memory', planMs + acquireMs, second.ttftMs);
    if (!dropFromPageCache(directory)) continue;
    const speed = sequentialSpeed(directory);
    diskSpeed.push(speed);
    const cold = await restart(false);
    add('TTFT, first after restart, page cache dropped', cold.first.ttftMs, cold.second.ttftMs);
    add('the files read one after the other, no more', (summary.bytes / 2 ** 20 / speed) * 1000, cold.second.ttftMs);
  }
  console.error(`${summary.blocks} blocks, ${summary.tokens} tokens, ${round(summary.bytes / 2 ** 20, 0)} MiB`);
  const speed = median(diskSpeed);
  console.error(
    speed === undefined
      ? 'files cannot be dropped from the page cache here: no answer from the disk itself'
      : `disk: ${round(speed, 0)} MiB/s, the same files read one after the other`,
  );
  // Medians of ratios, not a ratio of medians: the machine's speed drifts from run to run.
  const rows = [...series].map(([where, { ms, shares }]) => ({
    where,
    ms: round(median(ms) ?? Number.NaN, 1),
    ofInMemory: round(median(shares) ?? Number.NaN, 3),
  }));
  report('store', options, rows);
} finally {
  await rm(directory, { recursive: true });
}
process.exit(0);
