/**
 * A whole `ask` on a warm store, as a process: from its start to its end, and to its first token as it tells itself; and
 * the JavaScript side of a request with 64 blocks. Needs `npm run build`. `npm run bench -- start`
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median } from '../src/eval/median.ts';
import { benchOptions, report, round } from './harness.ts';

const run = promisify(execFile);
const options = await benchOptions({ runs: 7 });
const folder = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
const main = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');

try {
  const passages = join(folder, 'passages.jsonl');
  const store = join(folder, 'store');
  const texts = Array.from({ length: 64 }, (_, i) => ({
    text: `Lighthouse ${i} stands ${i + 20} metres above the bay and was lit in ${1800 + i} by the keeper of the harbour.`,
  }));
  await writeFile(passages, texts.map((text) => JSON.stringify(text)).join('\n'));
  const common = ['--model', options.path, '--passages', passages, '--store', store, '--threads', `${options.threads}`];
  await run(process.execPath, [main, 'encode', ...common]);
  const whole: number[] = [];
  const ttft: number[] = [];
  const version: number[] = [];
  for (let i = 0; i <= options.runs; i++) {
    let started = performance.now();
    await run(process.execPath, [main, '--version']);
    const versionMs = performance.now() - started;
    started = performance.now();
    const { stdout } = await run(process.execPath, [
      main,
      'ask',
      ...common,
      '--mode',
      'block',
      '--max-tokens',
      '1',
      '--json',
      'When was lighthouse 12 lit?',
    ]);
    const ms = performance.now() - started;
    const answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as {
      ttftMs: number;
      blocks: { status: string }[];
    };
    if (answer.blocks.some(({ status }) => status !== 'hit')) throw new Error('a block was not in the store');
    if (i === 0) continue;
    version.push(versionMs);
    whole.push(ms);
    ttft.push(answer.ttftMs);
  }
  const row = (what: string, times: number[]) => ({ what, ms: round(median(times) ?? Number.NaN, 0) });
  report('start', options, [
    row('ask, 64 passages on a warm store, process start to end', whole),
    row('of it time to first token', ttft),
    row('--version: node and the command line alone', version),
  ]);
} finally {
  await rm(folder, { recursive: true });
}
process.exit(0);
