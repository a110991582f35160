/**
 * A training step against PyTorch's on the same CPU, threads, shape and batch: all weights, and LoRA. Both compute the
 * same batch in f32: half of the rows with full attention, half with the block mask, loss on the response.
 *
 *   npx tsx bench/speed/train.ts --python /path/to/python [--threads 1] [--runs 5] [--layers 4] [--embedding 576] [--rows 4]
 *
 * Times are of the CPU, which other programs on the machine do not stretch: with --threads 1, what a step takes on a core
 * of its own. --clock takes wall-clock time, for more threads on a machine at rest.
 *
 * Without --python, or where that Python has no torch, only our own times are printed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type TrainingSequence, TrainingSession, writeInitialModel } from '@block-attention/engine/train';
import { makeBatch } from '../../packages/engine/src/train/data/batch.ts';
import { packRuns } from '../../packages/engine/src/train/data/pack-mask.ts';
import { packRows } from '../../packages/engine/src/train/data/packing.ts';
import { interleave, report, round, timed } from '../support/harness.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '5' },
    layers: { type: 'string', default: '4' },
    embedding: { type: 'string', default: '576' },
    rows: { type: 'string', default: '4' },
    rank: { type: 'string', default: '16' },
    clock: { type: 'boolean', default: false },
  },
});
const threads = Number(values.threads);
const runs = Number(values.runs);
const embedding = Number(values.embedding);
const heads = embedding / 64;
const shape = {
  layers: Number(values.layers),
  embedding,
  heads,
  kvHeads: heads % 3 === 0 ? heads / 3 : heads,
  feedForward: Math.round((embedding * 8) / 3 / 32) * 32,
  contextTokens: 2048,
};
const vocabulary = 2048;
const rowTokens = 512;
const responseTokens = 16;

/** Eight passages and a final block a row; the same numbers every time. */
const sequences = Array.from({ length: Number(values.rows) }, (_, row): TrainingSequence => {
  const block = (index: number) =>
    Int32Array.from({ length: 56 }, (__, i) => ((row * 9 + index) * 7919 + i * i * 13 + i * 31) % vocabulary);
  const final = Int32Array.from({ length: 64 }, (__, i) => (row * 104_729 + i * i * 7 + i) % vocabulary);
  const blocks = [...Array.from({ length: 8 }, (__, i) => block(i)), final];
  return { blocks, responseTokens, mode: row % 2 === 0 ? 'full' : 'block' };
});
const tokens = sequences.length * rowTokens;

/** A Python process that runs one step for every line. */
class Torch {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcess, lines: AsyncIterator<string>) {
    this.#process = process;
    this.#lines = lines;
  }

  static async start(python: string, rank: number): Promise<Torch | undefined> {
    const script = fileURLToPath(new URL('../train_torch.py', import.meta.url));
    const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    if (child.stdout === null) return undefined;
    const torch = new Torch(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    const packed = packRows(sequences, rowTokens);
    const batch = makeBatch(packed);
    const seen = packRuns(packed);
    const real = Array.from(batch.owners, (owner, i) => [owner, i] as const).filter(([owner]) => owner >= 0);
    const lineOf = (array: Int32Array, row: number, width: number) =>
      Array.from(array.subarray(row * width, (row + 1) * width));
    torch.#send({
      ...shape,
      vocabulary,
      rank,
      threads,
      tokens: sequences.map((_, row) => lineOf(batch.tokens, row, rowTokens)),
      runs: sequences.map((_, row) =>
        Array.from({ length: rowTokens }, (__, i) => lineOf(seen, row * rowTokens + i, 4)),
      ),
      outputs: real.map(([, i]) => batch.outputRows[i]),
      labels: real.map(([, i]) => batch.labels[i]),
    });
    return (await torch.#read()) === undefined ? undefined : torch;
  }

  #send(value: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  async #read(): Promise<Record<string, number> | undefined> {
    const { value, done } = await this.#lines.next();
    return done ? undefined : (JSON.parse(String(value)) as Record<string, number>);
  }

  async step(): Promise<number> {
    this.#send('step');
    const times = await this.#read();
    return (values.clock ? times?.ms : times?.cpuMs) ?? Number.NaN;
  }

  stop(): void {
    this.#process.kill();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'block-attention-bench-'));
const path = join(folder, 'model.gguf');
const quantised = join(folder, 'model-q8_0.gguf');
const metadata = new Map([['tokenizer.ggml.model', { string: 'none' }]]);
await writeInitialModel(path, shape, { metadata, size: vocabulary }, 1);
const rows: Record<string, string | number>[] = [];
try {
  for (const rank of [0, Number(values.rank)]) {
    const lora = rank === 0 ? undefined : { rank };
    const open = (model: string) => TrainingSession.open({ model, threads, lora, batchTokens: tokens });
    const session = await open(path);
    if (rank === 0) await session.save(quantised, { weights: 'q8_0' });
    const overQ8 = rank === 0 ? undefined : await open(quantised);
    const torch = values.python === undefined ? undefined : await Torch.start(values.python, rank);
    if (torch === undefined) console.log('no PyTorch to compare with: give --python PATH of a Python that has torch');
    const step = (of: TrainingSession) => async () => {
      const busy = process.cpuUsage();
      const ms = await timed(() => of.step(sequences, { learningRate: 1e-3 }));
      const { user, system } = process.cpuUsage(busy);
      return values.clock ? ms : (user + system) / 1000;
    };
    const times = await interleave(
      [
        ['ours', step(session)],
        ...(overQ8 === undefined ? [] : [['q8_0', step(overQ8)] as const]),
        ...(torch === undefined ? [] : [['torch', () => torch.step()] as const]),
      ],
      runs,
    );
    const row = (name: string, ms: number) => ({
      trained: name,
      'ms / step': round(ms, 0),
      'tok/s': round((tokens / ms) * 1000, 0),
      ...(times.torch === undefined ? {} : { 'PyTorch ms': round(times.torch, 0), ratio: round(times.torch / ms) }),
    });
    rows.push(row(rank === 0 ? 'all weights, f32' : `LoRA r${rank} over f32`, times.ours ?? Number.NaN));
    if (times.q8_0 !== undefined) rows.push(row(`LoRA r${rank} over q8_0`, times.q8_0));
    torch?.stop();
    session.dispose();
    overQ8?.dispose();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const name = `train, ${values.clock ? 'wall-clock' : 'CPU'} time: ${shape.layers} layers of ${embedding}, ${sequences.length} rows of ${rowTokens} tokens`;
report(name, { path: 'random.gguf', threads, runs }, rows);
process.exit();
