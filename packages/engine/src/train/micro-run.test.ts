/** The paper's recipe in small: a model from nothing learns to look things up in blocks, in both modes at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { writeInitialModel } from './optimizer/initial-model.ts';
import { learningRateAt } from './optimizer/schedule.ts';
import { TrainingSession } from './training-session.ts';
import type { TrainingMode, TrainingSequence } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-micro-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const keys = 8;
const names = 8;
/** Token ids: facts (key, name), questions, answers. */
const fact = (key: number, name: number) => key * names + name;
const question = (key: number) => keys * names + key;
const answer = (name: number) => keys * names + keys + name;
const vocabulary = keys * names + keys + names;

/** Three blocks of two facts each, and a question about one of them. */
function makeSamples(count: number, seed: number, modes: readonly TrainingMode[]): TrainingSequence[] {
  const { uniform } = createRandom(seed);
  const below = (n: number) => Math.floor(uniform() * n);
  return Array.from({ length: count }, () => {
    const order = Array.from({ length: keys }, (_, key) => [uniform(), key] as const).sort(([a], [b]) => a - b);
    const facts = order.slice(0, 6).map(([, key]) => [key, below(names)] as const);
    const [key, name] = facts[below(facts.length)] ?? [0, 0];
    const context = [0, 2, 4].map((at) => Int32Array.from(facts.slice(at, at + 2), ([k, n]) => fact(k, n)));
    return { blocks: [...context, Int32Array.of(question(key), answer(name))], responseTokens: 1 };
  }).flatMap((sample) => modes.map((mode) => ({ ...sample, mode })));
}

it('learns to look up what stands in blocks', async () => {
  const path = join(folder, 'start.gguf');
  const shape = { layers: 2, embedding: 64, heads: 4, kvHeads: 2, contextTokens: 64, ropeBase: 100 };
  const metadata = new Map([['tokenizer.ggml.model', { string: 'none' }]]);
  await writeInitialModel(path, shape, { metadata, size: vocabulary }, 1);
  const session = await TrainingSession.open({ model: path, threads: 1, batchTokens: 1024 });
  const accuracy = async (mode: TrainingMode) => (await session.evaluate(makeSamples(200, 999, [mode]))).accuracy;
  expect(await accuracy('block')).toBeLessThan(0.3);
  const losses: number[] = [];
  for (let step = 0; step < 100; step++) {
    const sequences = makeSamples(32, 10_000 + step, ['full', 'block']);
    const learningRate = learningRateAt({ peak: 3e-3, steps: 100, warmup: 20, decay: 'none' }, step);
    losses.push((await session.step(sequences, { learningRate })).loss);
  }
  const [full, block] = [await accuracy('full'), await accuracy('block')];
  session.dispose();
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 10);
  expect(full).toBeGreaterThan(0.9);
  expect(block).toBeGreaterThan(0.9);
}, 180_000);
