/**
 * The paper's table on a device, everything counted, with a model of random weights that is made here: nothing is
 * fetched. First whether the device computes what the CPU does, on a tiny model; then the time to the first token of a
 * question of 50 tokens behind 0 to 32K tokens of passages: encoded now, found in the device's memory, uploaded from the
 * host's, and with full attention; encoding and decoding; and beside each the bytes that must be read, so that one sees
 * how far from the memory's speed it is. What the time is not enough for is left out and named.
 *
 * `npm run bench -- gpu --device cuda --out gpu.json`; to try it: `--device cpu --shape tiny --lengths 50,512`.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AnswerResult, createEngine, type Engine, type KvType } from '@block-attention/engine/internal/engine';
import { Backend, type Device, openTokenizer } from '@block-attention/engine/internal/ggml';
import { createMemoryStore } from '@block-attention/engine/internal/store';
import { weightBytes } from '../../packages/engine/src/engine/blocks/device-memory.ts';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { paperRows } from '../../packages/engine/src/eval/ttft/paper.ts';
import { type ExactPrompt, exactPrompt } from '../../packages/engine/src/eval/ttft/ttft-prompt.ts';
import { openGguf } from '../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { round } from '../support/harness.ts';
import { shapes, weightType, writeShape } from '../support/shapes.ts';
import { agreement } from './gpu-check.ts';

const shapeNames = { '8b': 'llama-3.1-8b', '1b': 'llama-3.2-1b', tiny: 'tiny' } as const;
const devices: readonly Device[] = ['auto', 'cpu', 'cuda', 'vulkan', 'metal'];
const questionTokens = 50;
const answerTokens = 64;

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'auto' },
    shape: { type: 'string', default: '8b' },
    weights: { type: 'string', default: 'q8_0' },
    'kv-type': { type: 'string', default: 'f16' },
    lengths: { type: 'string', default: paperRows.map(({ tokens }) => tokens).join(',') },
    'block-tokens': { type: 'string', default: '512' },
    runs: { type: 'string', default: '5' },
    /** After so many, what is left is left out. */
    minutes: { type: 'string', default: '7' },
    /** Of passages on the device and in host memory. */
    'pool-gib': { type: 'string' },
    out: { type: 'string', default: 'gpu.json' },
  },
});

function oneOf<T extends string>(option: string, given: string, known: readonly T[]): T {
  const found = known.find((name) => name === given);
  if (found !== undefined) return found;
  console.error(`--${option} ${given} is not known: use one of ${known.join(', ')}`);
  process.exit(2);
}
const device = oneOf('device', values.device, devices);
const shapeName = shapeNames[oneOf('shape', values.shape, ['8b', '1b', 'tiny'])];
const weights = oneOf('weights', values.weights, ['f16', 'q8_0', 'q4_0']);
const kvType: KvType = oneOf('kv-type', values['kv-type'], ['f16', 'q8_0', 'f32']);
const lengths = values.lengths.split(',').map(Number);
const runs = Number(values.runs);
const started = performance.now();
const deadline = started + Number(values.minutes) * 60_000;
const folder = await mkdtemp(join(tmpdir(), 'block-attention-gpu-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const attention = device === 'cpu' ? 'gathered' : 'auto';
const report: Record<string, unknown> = {
  bench: 'gpu',
  machine: describeMachine(),
  device,
  shape: shapeName,
  weights,
  kvType,
};
const errors: string[] = [];
const leftOut: string[] = [];
const seconds = () => round((performance.now() - started) / 1000, 1);

/** What is known so far, so that a run that is ended loses nothing. */
function save(part: Record<string, unknown>): void {
  Object.assign(report, part, { errors, leftOut, seconds: seconds() });
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
}

/** Does a part unless the time is up; what fails is written down and the rest goes on. */
async function part(name: string, work: () => Promise<Record<string, unknown> | undefined>): Promise<void> {
  if (performance.now() > deadline) {
    leftOut.push(name);
    return save({});
  }
  console.error(`${seconds()} s: ${name}`);
  try {
    save((await work()) ?? {});
  } catch (error) {
    errors.push(
      `${name}: ${error instanceof Error ? `${(error as { code?: string }).code ?? error.name}: ${error.message}` : String(error)}`,
    );
    save({});
  }
}

const shape = shapes[shapeName];
if (shape === undefined) throw new Error(`no shape ${shapeName}`);
const path = join(folder, `${shapeName}.gguf`);
const tinyPath = join(folder, 'check.gguf');

await part('the device', async () => {
  const backend = await Backend.open({ device });
  const { name, description } = backend;
  const memory = backend.deviceMemory();
  backend.dispose();
  return { backend: { name, description, ...memory } };
});
await part('what the device computes', async () => {
  const { tiny } = shapes;
  if (tiny) await writeShape(tinyPath, 'tiny', tiny, { type: weightType('f16'), device });
  return { agreement: await agreement(tinyPath, device, attention, folder) };
});
await part('writing the model', async () => {
  await writeShape(path, shapeName, shape, { type: weightType(weights), device });
  return { weightBytes: weightBytes(await openGguf(path)) };
});

const longest = Math.max(...lengths);
const poolBytes = values['pool-gib'] === undefined ? undefined : Number(values['pool-gib']) * 2 ** 30;
const store = createMemoryStore({ budgetBytes: 2 ** 40 });
const open = () =>
  createEngine({
    modelPath: path,
    device,
    attention,
    kvType,
    template: 'plain',
    policy: 'plain',
    linear: 'ggml',
    contextTokens: longest + answerTokens,
    store,
    // What is measured is the pool that holds a context, and one that holds nothing of it.
    poolBytes: poolBytes ?? poolFor(longest),
    cacheDir: folder,
  });

/** Bytes of a pool with room for every length's passages. */
function poolFor(most: number): number {
  const { layers, kvHeads, headDim } = shape ?? { layers: 0, kvHeads: 0, headDim: 0 };
  const bytes = { f32: 4, f16: 2, q8_0: 34 / 32 }[kvType];
  return Math.ceil(1.3 * most * layers * kvHeads * headDim * 2 * bytes);
}

interface Row {
  readonly tokens: number;
  [figure: string]: unknown;
}
const rows: Row[] = [];
const prompts = new Map<number, ExactPrompt>();
const ask = (engine: Engine, prompt: ExactPrompt, mode: 'block' | 'full', maxTokens = 1): Promise<AnswerResult> => {
  const { system, passages, question } = prompt;
  return engine.answer({ system, passages, question, maxTokens, mode }).result;
};
const ttft = async (engine: Engine, prompt: ExactPrompt, mode: 'block' | 'full', times: number) => {
  const all: number[] = [];
  for (let i = 0; i < times && (i === 0 || performance.now() < deadline); i++) {
    all.push((await ask(engine, prompt, mode)).ttftMs);
  }
  return round(median(all) ?? Number.NaN, 2);
};

/** Bytes that a first token in block mode cannot but read: every weight, every state once. */
function leastBytes(engine: Engine, tokens: number): number {
  return Number(report.weightBytes ?? 0) + tokens * engine.model.kvBytesPerToken;
}

let engine: Engine | undefined;
await part('loading', async () => {
  const from = performance.now();
  engine = await open();
  const loadMs = round(performance.now() - from, 0);
  const tokenizer = await openTokenizer(path);
  for (const tokens of lengths) {
    const blockTokens = Number(values['block-tokens']);
    prompts.set(tokens, exactPrompt({ tokens, questionTokens, blockTokens, tokenizer }));
  }
  tokenizer.dispose();
  return { loadMs, attention: engine.attention, warnings: engine.model.warnings };
});

for (const tokens of lengths) {
  const prompt = prompts.get(tokens);
  await part(`${tokens} tokens`, async () => {
    if (engine === undefined || prompt === undefined) return undefined;
    const context = Math.max(0, tokens - questionTokens);
    const cold = await ask(engine, prompt, 'block');
    const blockMs = await ttft(engine, prompt, 'block', runs);
    const least = leastBytes(engine, tokens);
    const row: Row = {
      tokens,
      blocks: cold.blocks.length,
      coldMs: round(cold.ttftMs, 1),
      encodeTokensPerSecond: context > 0 ? round((context * 1000) / cold.timings.acquireMs, 0) : null,
      blockMs,
      leastGigabytes: round(least / 1e9, 2),
      gigabytesPerSecond: round(least / 1e6 / blockMs, 0),
    };
    rows.push(row);
    const paper = paperRows.find((published) => published.tokens === tokens);
    if (paper) Object.assign(row, { paperBlockMs: paper.blockMs, paperFullMs: paper.fullMs });
    const { timings } = await ask(engine, prompt, 'block', answerTokens);
    row.decodeTokensPerSecond = round(timings.decodeTokensPerSecond, 1);
    row.decodeGigabytesPerSecond = round((least * timings.decodeTokensPerSecond) / 1e9, 0);
    return { rows, pool: engine.usage().pool };
  });
}
for (const row of rows) {
  const prompt = prompts.get(row.tokens);
  await part(`${row.tokens} tokens, full attention`, async () => {
    if (engine === undefined || prompt === undefined) return undefined;
    await ask(engine, prompt, 'full');
    row.fullMs = await ttft(engine, prompt, 'full', row.tokens > 4096 ? 1 : 3);
    row.lessThanFull = `${round(100 - (100 * Number(row.blockMs)) / Number(row.fullMs), 2)} %`;
    return { rows };
  });
}
await part('uploading', async () => {
  await engine?.close();
  engine = await open();
  for (const row of [...rows].reverse()) {
    const prompt = prompts.get(row.tokens);
    if (prompt === undefined || performance.now() > deadline) break;
    // Once: what is there afterwards is not an upload.
    row.uploadedMs = round((await ask(engine, prompt, 'block')).ttftMs, 1);
  }
  return { rows, uploads: engine.usage().pool };
});
await engine?.close();
await store.close();
save({});
console.table(rows);
console.log(JSON.stringify(report));
process.exit(errors.length > 0 ? 1 : 0);
