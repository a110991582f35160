/** Gradients of every kind of parameter against differences of the loss. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomAdapter } from '../../../../tests/support/models/random-adapter.ts';
import { type RandomModelSpec, writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createPrng } from '../../../../tests/support/prng.ts';
import { Backend } from '../ggml/device/backend.ts';
import { type GgufFile, openGguf } from '../ggml/gguf/gguf-file.ts';
import { elementCount, TensorType } from '../ggml/graph/tensor.ts';
import { nativeKernelState } from '../ggml/native/native-kernel.ts';
import { loadTrainingKernel } from '../ggml/native/training-kernel.ts';
import { readHyperParameters } from '../model/architecture/hyper-parameters.ts';
import { loadAdapters } from '../model/weights/adapter.ts';
import { bindWeights } from '../model/weights/bind-weights.ts';
import { makeBatch } from './data/batch.ts';
import { packRows } from './data/packing.ts';
import { FrozenTeacher } from './graph/teacher.ts';
import { type Teacher, TrainingGraph } from './graph/training-graph.ts';
import { LowRankParameters } from './optimizer/low-rank-parameters.ts';
import { FullParameters, readTensor, type TrainableWeights } from './optimizer/parameters.ts';
import { TrainingSession } from './training-session.ts';
import type { TrainingSequence } from './types.ts';

const models: Record<string, RandomModelSpec> = {
  granite: { family: 'granite', layers: 2 },
  olmo2: { family: 'olmo2', layers: 2 },
  glm4: { family: 'glm4', layers: 2 },
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

/** Two sequences in both modes, blocks of one open; the short ones share a row. */
function sequences(vocabulary: number): TrainingSequence[] {
  const prng = createPrng(5);
  const tokens = (count: number) => Int32Array.from({ length: count }, () => prng.integer(vocabulary));
  const long = [tokens(5), tokens(9), tokens(7), tokens(8)];
  const short = [tokens(3), tokens(4), tokens(6)];
  return (['full', 'block'] as const).flatMap((mode) => [
    { blocks: long, responseTokens: 5, mode, open: [false, false, true] },
    { blocks: short, responseTokens: 3, mode },
  ]);
}

/**
 * Compares every parameter's gradient with the difference of the loss along it; returns those that disagree.
 * @param smooth the same weights in f32, to take differences of
 */
async function disagreements(
  file: GgufFile,
  storage: TrainableWeights,
  tolerance: number,
  change: number,
  smooth: TrainableWeights = storage,
  teacher?: Teacher,
): Promise<string[]> {
  const hp = readHyperParameters(file);
  const model = { hyperParameters: hp, weights: bindWeights(storage, hp) };
  const batch = makeBatch(packRows(sequences(hp.vocabulary)));
  const count = batch.owners.filter((owner) => owner >= 0).length;
  const weights = Float32Array.from(batch.owners, (owner) => (owner < 0 ? 0 : 1 / count));
  const [trainingMemory, plainMemory] = [backend.allocator(), backend.allocator()];
  const training = new TrainingGraph(backend, trainingMemory, model, storage, true, batch, teacher);
  const plain = new TrainingGraph(
    backend,
    plainMemory,
    { hyperParameters: hp, weights: bindWeights(smooth, hp) },
    smooth,
    false,
    batch,
    teacher,
  );
  const loss = async () => {
    const { probabilities, divergence } = await plain.run(batch, weights);
    const taught = teacher?.weight ?? 0;
    return probabilities.reduce(
      (sum, p, i) => sum + (weights[i] ?? 0) * (taught * (divergence[i] ?? 0) - (1 - taught) * Math.log(p)),
      0,
    );
  };
  await training.run(batch, weights);
  const wrong: string[] = [];
  for (const [index, { name, gradient }] of storage.parameters.entries()) {
    const value = smooth.parameters[index]?.value ?? gradient;
    const g = readTensor(backend, gradient);
    const w = readTensor(backend, value);
    const length = Math.hypot(...g);
    const step = Math.min(0.02 * Math.hypot(...w), change / length);
    const shifted = async (sign: number) => {
      const moved = w.map((x, i) => x + (sign * step * (g[i] ?? 0)) / length);
      backend.write(value, moved);
      return loss();
    };
    const slope = ((await shifted(1)) - (await shifted(-1))) / (2 * step);
    backend.write(value, w);
    const error = Math.abs(slope - length) / Math.max(length, 1e-3);
    if (!(error < tolerance)) wrong.push(`${name}: gradient ${length}, difference ${slope}`);
  }
  training.dispose();
  plain.dispose();
  trainingMemory.dispose();
  plainMemory.dispose();
  return wrong;
}

const kernels = ['native nodes', "ggml's operations"] as const;

describe.each(kernels)('gradients by %s equal differences of the loss', (nodes) => {
  const kernel = () => (nodes === 'native nodes' ? (loadTrainingKernel() ?? null) : null);

  it('has the nodes it names', ({ skip }) => {
    const { reason } = nativeKernelState();
    if (nodes === 'native nodes' && reason !== undefined) skip(reason);
    expect(kernel() !== null).toBe(nodes === 'native nodes');
  });

  it.each(Object.entries(models))('all weights: %s', async (name, spec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 11);
    const file = await openGguf(path);
    const storage = new FullParameters(file, backend, kernel());
    // ggml looks gelu up in a table of halves.
    const wrong = await disagreements(file, storage, spec.family === 'gemma3' ? 0.04 : 0.01, 0.05);
    storage.dispose();
    expect(wrong).toEqual([]);
  });

  it.each([
    ['llama', 0.4],
    ['gemma3', 1],
  ] as const)('all weights, with a teacher: %s, share %d', async (family, weight) => {
    const [path, other] = [join(folder, `taught-${family}.gguf`), join(folder, `teacher-${family}.gguf`)];
    await writeRandomModel(path, { family, layers: 2 }, 11);
    await writeRandomModel(other, { family, layers: 2 }, 12);
    const file = await openGguf(path);
    const storage = new FullParameters(file, backend, kernel());
    const teacherFile = await openGguf(other);
    const teacher = new FrozenTeacher(teacherFile, readHyperParameters(teacherFile), backend, weight);
    const wrong = await disagreements(file, storage, family === 'gemma3' ? 0.04 : 0.01, 0.05, storage, teacher);
    teacher.dispose();
    storage.dispose();
    expect(wrong).toEqual([]);
  });

  it.each([
    ['llama', false],
    ['phi3', false],
    ['gemma3', true],
  ] as const)('a writer, through its gate: %s, over an adapter: %s', async (family, hasOver) => {
    const path = join(folder, `written-${family}.gguf`);
    await writeRandomModel(path, { family, layers: 2, ...(family === 'gemma3' && { slidingWindow: 6 }) }, 11);
    const file = await openGguf(path);
    const over = join(folder, 'over.gguf');
    if (hasOver) await writeRandomAdapter(over, path, 4);
    const frozen = () => loadAdapters(hasOver ? [{ path: over }] : [], file, backend);
    const storage = new LowRankParameters(file, backend, { rank: 4, kind: 'writer' }, kernel(), await frozen());
    const prng = createPrng(3);
    for (const { name, value } of storage.parameters) {
      if (name.endsWith('lora_b')) backend.write(value, prng.normal(elementCount(value.ne), 0.1));
    }
    const teacher = new FrozenTeacher(file, readHyperParameters(file), backend, 1, await frozen());
    const wrong = await disagreements(file, storage, family === 'gemma3' ? 0.04 : 0.01, 0.05, storage, teacher);
    teacher.dispose();
    storage.dispose();
    expect(wrong).toEqual([]);
    // What nothing reads of an encoded passage is not trained.
    const names = storage.parameters.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('blk.1.'))).toHaveLength(family === 'phi3' ? 2 : 4);
  });

  it.each([
    ['f32', TensorType.F32, 0.01],
    ['f16', TensorType.F16, 0.01],
    // Each product rounds activations to 8 bits, so the loss is a staircase: differences are taken of the same weights
    // in f32, and what is left is that rounding.
    ['q8_0', TensorType.Q8_0, 0.1],
  ] as const)('adapters over %s', async (name, type, tolerance) => {
    const path = join(folder, `base-${name}.gguf`);
    const smoothPath = join(folder, `smooth-${name}.gguf`);
    await writeRandomModel(path, { family: 'llama', layers: 2, weights: type }, 11);
    const session = await TrainingSession.open({ model: path, threads: 1 });
    await session.save(smoothPath);
    session.dispose();
    const file = await openGguf(path);
    const storage = new LowRankParameters(file, backend, { rank: 4 }, kernel());
    const smooth = new LowRankParameters(await openGguf(smoothPath), backend, { rank: 4 }, kernel());
    for (const { parameters } of [storage, smooth]) {
      // At the start the second factor is zero, and the first one's gradient with it.
      const prng = createPrng(3);
      for (const { name: parameter, value } of parameters) {
        if (parameter.endsWith('lora_b')) backend.write(value, prng.normal(elementCount(value.ne), 0.1));
      }
    }
    const wrong = await disagreements(file, storage, tolerance, 0.05, smooth);
    storage.dispose();
    smooth.dispose();
    expect(wrong).toEqual([]);
  });
});
