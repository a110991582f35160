/**
 * `npm run reproduce`: trains the reader from nothing, block fine-tunes it, and measures the rows of the paper's Table 1.
 *
 *   --evaluate-only   measure the weights in models/, train nothing
 *   --limit N         questions per row (default 1000)
 *   --out DIR         folder of the run, which goes on where it stopped (default reproduce/run)
 *   --install         put the trained weights, the curve and the verdict on the weights where the package has them
 *   --control         also fine-tune with full attention only on the same exercises, and measure that; when training
 *   --seed N          of weights and data (default 1)
 *   --threads N       compute threads (default: number of cores)
 *   --json            the rows as the last line of stdout
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadLibrary } from '../packages/engine/src/ggml/ffi/library.ts';
import { curveChart } from './curve-chart.ts';
import { kindsTable, measureRows, rowsTable } from './measure.ts';
import { writeReaderVerdict } from './reader-verdict.ts';
import { curveTasks } from './recipe.ts';
import { readCurve, trainReader, weightFiles } from './train.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const models = join(root, 'models');
const committed = {
  full: join(models, 'full-attention.gguf'),
  block: join(models, 'embedded.gguf'),
  control: undefined,
};

const { values } = parseArgs({
  options: {
    'evaluate-only': { type: 'boolean', default: false },
    limit: { type: 'string', default: '1000' },
    out: { type: 'string', default: join(root, 'reproduce', 'run') },
    install: { type: 'boolean', default: false },
    control: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const log = (line: string) => process.stderr.write(`${line}\n`);
const limit = wholeNumber('--limit', values.limit, 1);
const seed = wholeNumber('--seed', values.seed, 0);
const threads = values.threads === undefined ? undefined : wholeNumber('--threads', values.threads, 1);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

await loadLibrary('cpu');
const weights = values['evaluate-only'] ? committed : await train();
const measured = await measureRows({
  ...weights,
  count: limit,
  threads,
  signal: stop.signal,
  onProgress: (mode, done, total) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${mode} ${done}/${total}\u001b[K${done === total ? '\n' : ''}`);
  },
});
const { rows, scores, control } = measured;
for (const line of [...rowsTable(rows), '', ...kindsTable(measured)]) (values.json ? log : console.log)(line);
if (control !== undefined) {
  const [full, block] = [control.full, control.block].map((share) => (share * 100).toFixed(1));
  log(`fine-tuned with full attention only: full ${full}, block ${block}`);
}
if (values.json) console.log(JSON.stringify({ rows, control }));

if (values.install) {
  const verdict = await writeReaderVerdict(committed.block, scores);
  log(`verdict on ${committed.block}: ${verdict}`);
}

async function train() {
  const { out } = values;
  await mkdir(out, { recursive: true });
  const started = performance.now();
  const { control } = values;
  await trainReader({ folder: out, seed, threads, control, log });
  log(`trained in ${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
  const chart = join(out, 'accuracy.svg');
  await writeFile(chart, await curveChart(await readCurve(out), curveTasks));
  log(`accuracy over the steps of fine-tuning: ${chart}`);
  const trained = {
    full: join(out, weightFiles.full),
    block: join(out, weightFiles.block),
    control: control ? join(out, weightFiles.control) : undefined,
  };
  if (values.install) {
    await mkdir(models, { recursive: true });
    await copyFile(trained.full, committed.full);
    await copyFile(trained.block, committed.block);
    await copyFile(chart, join(root, 'docs', 'reproduction.svg'));
  }
  return trained;
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least && text.trim() !== '') return number;
  log(`${name} is '${text}': give a whole number of at least ${least}`);
  process.exit(2);
}
