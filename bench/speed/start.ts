/**
 * A whole `ask` on a warm store, as a process: from its start to its first token and to its end; and the JavaScript side
 * of a request with 64 blocks in memory, in a process that goes on. Needs `npm run build`. `npm run bench -- start`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 7 });
const folder = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const texts = Array.from({ length: 64 }, (_, i) => ({
  text: `Lighthouse ${i} stands ${i + 20} metres above the bay and was lit in ${1800 + i} by the keeper of the harbour.`,
}));

/** Runs the command. @returns ms to the first byte of its output and to its end, and its notes */
async function command(...args: string[]): Promise<{ firstMs: number; wholeMs: number; notes: string }> {
  const started = performance.now();
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let firstMs: number | undefined;
  let notes = '';
  child.stdout.on('data', () => {
    firstMs ??= performance.now() - started;
  });
  child.stderr.on('data', (text) => {
    notes += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 || firstMs === undefined) throw new Error(`${args[0]} ended with ${code}: ${notes}`);
  return { firstMs, wholeMs: performance.now() - started, notes };
}

/** Requests before those that count: V8 compiles what they run, so they take half as long again. */
const warmUp = 20;

/** Times of requests over blocks in memory: what plans and looks up, and how long the main thread was busy in all. */
async function requests(count: number) {
  const times = { plan: [] as number[], acquire: [] as number[], busy: [] as number[], ttft: [] as number[] };
  await using engine = await createEngine({ modelPath: options.path, threads: options.threads, device: 'cpu' });
  await engine.encode(texts);
  for (let i = -warmUp; i < count; i++) {
    const before = performance.eventLoopUtilization();
    const question = `When was lighthouse ${i + warmUp} lit?`;
    const { timings, ttftMs } = await engine.answer({ passages: texts, question, mode: 'block', maxTokens: 1 }).result;
    if (i < 0) continue;
    times.busy.push(performance.eventLoopUtilization(before).active);
    times.plan.push(timings.planMs);
    times.acquire.push(timings.acquireMs);
    times.ttft.push(ttftMs);
  }
  return times;
}

try {
  const passages = join(folder, 'passages.jsonl');
  await writeFile(passages, texts.map((text) => JSON.stringify(text)).join('\n'));
  const common = ['--model', options.path, '--passages', passages, '--store', join(folder, 'store')];
  const compute = ['--threads', `${options.threads}`];
  await command('encode', ...common, ...compute);
  const first: number[] = [];
  const whole: number[] = [];
  const version: number[] = [];
  for (let i = 0; i <= options.runs; i++) {
    const { wholeMs: versionMs } = await command('--version');
    const question = ['--mode', 'block', '--max-tokens', '1', 'When was lighthouse 12 lit?'];
    const { firstMs, wholeMs, notes } = await command('ask', ...common, ...compute, ...question);
    if (!/ 0 missed/.test(notes)) throw new Error(`a block was not in the store: ${notes}`);
    if (i === 0) continue;
    version.push(versionMs);
    first.push(firstMs);
    whole.push(wholeMs);
  }
  const inside = await requests(60);
  const row = (what: string, times: number[], digits = 0) => ({
    what,
    ms: round(median(times) ?? Number.NaN, digits),
    fastest: round(Math.min(...times), digits),
  });
  report('start', options, [
    row('ask, 64 passages on a warm store, process start to first token', first),
    row('to the end of the process', whole),
    row('--version: node and the command line alone', version),
    row('a request in a process that goes on, 64 blocks in memory: to the first token', inside.ttft),
    row('of it template, tokens, segments', inside.plan, 1),
    row('of it keys, look-up, pins', inside.acquire, 1),
    row('of it the main thread busy, building the graph included', inside.busy, 1),
  ]);
} finally {
  await rm(folder, { recursive: true });
}
process.exit(0);
