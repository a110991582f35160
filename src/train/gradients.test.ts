/** Gradients of every kind of parameter against differences of the loss. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrng } from '../../tests/support/prng.ts';
import { type RandomModelSpec, writeRandomModel } from '../../tests/support/random-model.ts';
import { Backend } from '../ggml/backend.ts';
import { openGguf } from '../ggml/gguf-file.ts';
import { elementCount } from '../ggml/tensor.ts';
import { readHyperParameters } from '../model/hyper-parameters.ts';
import { bindWeights } from '../model/layers.ts';
import { makeBatch } from './batch.ts';
import { packRows } from './packing.ts';
import { FullParameters } from './parameters.ts';
import { TrainingGraph } from './training-graph.ts';
import type { TrainingSequence } from './types.ts';

const models: Record<string, RandomModelSpec> = {
  llama: { family: 'llama', layers: 2 },
  'llama, tied, biases': { family: 'llama', layers: 2, tiedHead: true, attentionBias: true, outputBias: true },
  qwen2: { family: 'qwen2', layers: 2 },
  qwen3: { family: 'qwen3', layers: 2 },
  smollm3: { family: 'smollm3', layers: 4 },
  gemma3: { family: 'gemma3', layers: 2, slidingWindow: 6 },
  phi3: { family: 'phi3', layers: 2 },
};

const folder = mkdtempSync(join(tmpdir(), 'block-attention-gradients-'));
let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 1 });
});
afterAll(() => {
  backend.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Two sequences in both modes; the short ones share a row. */
function sequences(vocabulary: number): TrainingSequence[] {
  const prng = createPrng(5);
  const tokens = (count: number) => Int32Array.from({ length: count }, () => prng.integer(vocabulary));
  const long = [tokens(5), tokens(9), tokens(7), tokens(8)];
  const short = [tokens(3), tokens(4), tokens(6)];
  return (['full', 'block'] as const).flatMap((mode) => [
    { blocks: long, responseTokens: 5, mode },
    { blocks: short, responseTokens: 3, mode },
  ]);
}

describe('gradients equal differences of the loss', () => {
  it.each(Object.entries(models))('%s', async (name, spec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 11);
    const file = await openGguf(path);
    const hp = readHyperParameters(file);
    const storage = new FullParameters(file, backend);
    const model = { hyperParameters: hp, weights: bindWeights(storage, hp) };
    const window = hp.windowed.some((flag) => flag) ? hp.window : 0;
    const batch = makeBatch(packRows(sequences(hp.vocabulary)), window);
    const count = batch.owners.filter((owner) => owner >= 0).length;
    const weights = Float32Array.from(batch.owners, (owner) => (owner < 0 ? 0 : 1 / count));
    const training = new TrainingGraph(backend, model, storage.parameters, batch);
    const plain = new TrainingGraph(backend, model, [], batch);
    const loss = async () => {
      const { probabilities } = await plain.run(batch, weights);
      return probabilities.reduce((sum, p, i) => sum - (weights[i] ?? 0) * Math.log(p), 0);
    };
    await training.run(batch, weights);
    const worst: string[] = [];
    for (const { name: parameter, value, gradient } of storage.parameters) {
      const g = new Float32Array(elementCount(value.ne));
      const w = new Float32Array(g.length);
      backend.read(gradient, g);
      backend.read(value, w);
      const length = Math.hypot(...g);
      const size = Math.hypot(...w);
      const step = Math.min(0.02 * size, 0.05 / length);
      const shifted = async (sign: number) => {
        backend.write(
          value,
          w.map((x, i) => x + (sign * step * (g[i] ?? 0)) / length),
        );
        return loss();
      };
      const slope = ((await shifted(1)) - (await shifted(-1))) / (2 * step);
      backend.write(value, w);
      const error = Math.abs(slope - length) / Math.max(length, 1e-3);
      if (!(error < (spec.family === 'gemma3' ? 0.04 : 0.01)))
        worst.push(`${parameter}: gradient ${length}, difference ${slope}`);
    }
    training.dispose();
    plain.dispose();
    storage.dispose();
    expect(worst).toEqual([]);
  });
});
