/**
 * `npm run reader -- --data FOLDER`: trains the reader that `smollm2-135m` and `reader` load, a LoRA over SmolLM2 135M.
 *
 *   --data FOLDER   question sets as JSON lines, named as in recipe.ts (models/smollm2-135m-reader.md says where they are from)
 *   --out DIR       folder of the run, which goes on where it stopped (default reproduce/reader-run)
 *   --install       put the adapter and the curve where the package has them
 *   --threads N     compute threads (default: number of cores)
 *
 * Interrupted (Ctrl-C, or with the machine), the same command goes on from the last checkpoint.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { finetune } from '@block-attention/engine/train';
import { loadLibrary } from '../../packages/engine/src/ggml/ffi/library.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { writeHalfAdapter } from './half-adapter.ts';
import { type LossPoint, lossChart } from './loss-chart.ts';
import { averaged, baseModel, batch, policy, rank, type Stage, stages } from './recipe.ts';
import { writeStageData } from './stage-data.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string', default: join(root, 'reproduce', 'reader-run') },
    install: { type: 'boolean', default: false },
    threads: { type: 'string' },
  },
});
const { data, out } = values;
if (data === undefined) {
  process.stderr.write('--data is missing: name the folder of the question sets\n');
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

await loadLibrary('cpu');
await mkdir(out, { recursive: true });
const { path: model } = await resolveModel(baseModel);
const trained: string[] = [];
for (const stage of stages) trained.push(await train(stage, trained.at(-1)));
const adapter = join(out, 'reader.gguf');
await writeHalfAdapter(trained.slice(-averaged), adapter, model);
const chart = join(out, 'loss.svg');
await writeFile(chart, await lossChart(await lossCurve()));
process.stderr.write(`${adapter}\n${chart}\n`);
if (values.install) {
  await copyFile(adapter, join(root, 'models', 'smollm2-135m-reader.gguf'));
  await copyFile(chart, join(root, 'docs', 'images', 'reader-training.svg'));
}

/** @returns the stage's adapter, trained now or before */
async function train(stage: Stage, adapter: string | undefined): Promise<string> {
  const folder = join(out, stage.name);
  const done = join(folder, 'done.gguf');
  if (existsSync(done)) return done;
  const samples = join(out, `${stage.name}.jsonl`);
  writeStageData(samples, stage, data ?? '');
  const { files } = await finetune({
    model,
    data: samples,
    out: folder,
    adapter,
    ...(adapter === undefined && { lora: rank }),
    modes: ['block'],
    policy,
    batch: stage.batch ?? batch,
    learningRate: stage.learningRate,
    maxTokens: stage.maxTokens,
    evaluateEvery: stage.evaluateEvery,
    validationShare: 0.025,
    patience: 0,
    checkpointEvery: 10,
    resume: existsSync(join(folder, 'checkpoint.gguf')),
    threads: values.threads === undefined ? undefined : Number(values.threads),
    signal: stop.signal,
    onProgress: ({ step, steps, loss, tokensPerSecond, secondsLeft }) =>
      process.stderr.write(
        `${stage.name} ${step}/${steps}: loss ${loss.toFixed(3)}, ${tokensPerSecond.toFixed(0)} tokens/s, ${Math.ceil(secondsLeft / 60)} min left\n`,
      ),
  });
  if (files.adapter === undefined) throw new Error(`${folder} has no adapter`);
  await rename(files.adapter, done);
  return done;
}

async function lossCurve(): Promise<LossPoint[]> {
  const points: LossPoint[] = [];
  for (const { name } of stages) {
    const before = points.length;
    for (const line of (await readFile(join(out, name, 'log.jsonl'), 'utf8')).trim().split('\n')) {
      const { step, loss } = JSON.parse(line) as { step: number; loss: number };
      points.push({ stage: name, step: before + step, loss });
    }
  }
  return points;
}
