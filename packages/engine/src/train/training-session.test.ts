/** A whole session: learns, is what llama.cpp computes, writes what llama.cpp reads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { modelVariants } from '../../../../tests/support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { expectWithin } from '../../../../tests/support/oracle/rounding.ts';
import { createPrng } from '../../../../tests/support/prng.ts';
import { TensorType } from '../ggml/graph/tensor.ts';
import { openReference } from '../ggml/llama/reference.ts';
import { TrainingSession } from './training-session.ts';
import type { TrainingSequence } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-training-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(spec: RandomModelSpec, seed = 3) {
  const path = join(folder, `${spec.family}-${seed}.gguf`);
  await writeRandomModel(path, spec, seed);
  return { path, session: await TrainingSession.open({ model: path, threads: 1, batchTokens: 64 }) };
}

function someSequences(vocabulary: number, seed: number): TrainingSequence[] {
  const prng = createPrng(seed);
  const tokens = (count: number) => Int32Array.from({ length: count }, () => prng.integer(vocabulary));
  return Array.from({ length: 4 }, (_, i) => ({
    blocks: [tokens(4 + i), tokens(6), tokens(5 + i)],
    responseTokens: 3,
    mode: i % 2 === 0 ? 'full' : 'block',
  }));
}

/** Mean negative log-likelihood of the response from llama.cpp's logits. */
async function referenceLoss(path: string, sequences: readonly TrainingSequence[], adapter?: string): Promise<number> {
  const options = { contextTokens: 512, threads: 1, kvType: 'f32', repack: false, adapter } as const;
  await using reference = await openReference(path, options);
  let sum = 0;
  let count = 0;
  for (const { blocks, responseTokens } of sequences) {
    const tokens = Int32Array.from(blocks.flatMap((block) => [...block]));
    await reference.clear();
    const rows = await reference.decode(tokens, { logits: 'all' });
    for (let i = tokens.length - responseTokens; i < tokens.length; i++) {
      const row = rows[i - 1] ?? new Float32Array(0);
      const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const total = row.reduce((all, x) => all + Math.exp(x - most), 0);
      sum += Math.log(total) + most - (row[tokens[i] ?? 0] ?? Number.NaN);
      count++;
    }
  }
  return sum / count;
}

/** llama.cpp's logits that predict the response, full attention. */
async function referenceRows(path: string, sequences: readonly TrainingSequence[], adapter?: string) {
  const options = { contextTokens: 512, threads: 1, kvType: 'f32', repack: false, adapter } as const;
  await using reference = await openReference(path, options);
  const rows: Float32Array[] = [];
  for (const { blocks, responseTokens } of sequences) {
    const tokens = Int32Array.from(blocks.flatMap((block) => [...block]));
    await reference.clear();
    const all = await reference.decode(tokens, { logits: 'all' });
    rows.push(...all.slice(-responseTokens - 1, -1).map((row) => row.slice()));
  }
  return rows;
}

function klDivergence(teacher: Float32Array, student: Float32Array): number {
  const logs = (row: Float32Array) => {
    const most = Math.max(...row);
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most;
    return Array.from(row, (x) => x - total);
  };
  const [t, s] = [logs(teacher), logs(student)];
  return t.reduce((sum, log, i) => sum + Math.exp(log) * (log - (s[i] ?? 0)), 0);
}

describe('a training session', () => {
  it.each(['llama', 'qwen3', 'gemma3'] as const)("%s: the loss in full mode is llama.cpp's", async (family) => {
    const { path, session } = await open({ family });
    const sequences = someSequences(session.vocabulary, 7).map(
      (sequence): TrainingSequence => ({ ...sequence, mode: 'full' }),
    );
    const { loss } = await session.evaluate(sequences);
    session.dispose();
    expectWithin(Math.abs(loss - (await referenceLoss(path, sequences))), 2e-3);
  });

  it('learns, in parts as in one, and writes what llama.cpp computes the same from', async () => {
    const { session } = await open({ family: 'llama', tiedHead: true });
    const sequences = someSequences(session.vocabulary, 7);
    const before = await session.evaluate(sequences);
    for (let i = 0; i < 30; i++) await session.step(sequences, { learningRate: 3e-3 });
    const after = await session.evaluate(sequences);
    expect(before.accuracy).toBe(0);
    expect(after.loss).toBeLessThan(before.loss / 10);
    expect(after.accuracy).toBe(1);
    const full = sequences.map((sequence): TrainingSequence => ({ ...sequence, mode: 'full' }));
    const { loss } = await session.evaluate(full);
    const trained = join(folder, 'trained.gguf');
    await session.save(trained);
    session.dispose();
    expectWithin(Math.abs(loss - (await referenceLoss(trained, full))), 1e-3);
  });

  it.each(['llama', 'gemma3'] as const)(
    '%s: several final blocks after one context are several sequences',
    async (family) => {
      const { session } = await open({ family }, 5);
      const sequences = someSequences(session.vocabulary, 9);
      const finals = sequences.map(({ blocks, responseTokens }) => ({
        tokens: blocks.at(-1) ?? new Int32Array(),
        responseTokens,
      }));
      const context = sequences[3]?.blocks.slice(0, -1) ?? [];
      for (const mode of ['full', 'block'] as const) {
        const apart = finals.map((final): TrainingSequence => ({ ...final, blocks: [...context, final.tokens], mode }));
        const [first, ...branches] = finals;
        const joined = { ...first, blocks: [...context, first?.tokens ?? new Int32Array()], mode, branches };
        const { loss, responseTokens } = await session.evaluate([{ responseTokens: 3, ...joined }]);
        const expected = await session.evaluate(apart);
        expect(responseTokens).toBe(expected.responseTokens);
        expectWithin(Math.abs(loss - expected.loss), 1e-4);
      }
      session.dispose();
    },
  );

  it.each(['llama', 'gemma3', 'qwen2'] as const)(
    '%s: a step on several questions is one on each apart',
    async (family) => {
      const prng = createPrng(17);
      const outcomes: { norm: number; loss: number; after: number; accuracy: number }[] = [];
      const tokens = (count: number, vocabulary: number) =>
        Int32Array.from({ length: count }, () => prng.integer(vocabulary));
      const probe = await open({ family }, 8);
      const { vocabulary } = probe.session;
      probe.session.dispose();
      const context = [tokens(6, vocabulary), tokens(9, vocabulary), tokens(5, vocabulary)];
      const finals = [7, 11, 6].map((count, i) => ({ tokens: tokens(count, vocabulary), responseTokens: 2 + i }));
      const [first, ...branches] = finals;
      if (first === undefined) throw new Error('three questions');
      for (const together of [true, false]) {
        const { session } = await open({ family }, 8);
        const sequences = (['full', 'block'] as const).flatMap((mode): TrainingSequence[] =>
          together
            ? [{ blocks: [...context, first.tokens], responseTokens: first.responseTokens, mode, branches }]
            : finals.map((final) => ({ ...final, blocks: [...context, final.tokens], mode })),
        );
        const { gradientNorm, loss } = await session.step(sequences, { learningRate: 1e-3 });
        const after = await session.evaluate(sequences);
        outcomes.push({ norm: gradientNorm, loss, after: after.loss, accuracy: after.accuracy });
        session.dispose();
      }
      const [joined, apart] = outcomes;
      if (joined === undefined || apart === undefined) throw new Error('two steps');
      expect(joined.norm / apart.norm).toBeCloseTo(1, 4);
      expect(joined.loss).toBeCloseTo(apart.loss, 4);
      expect(joined.after).toBeCloseTo(apart.after, 3);
      // Counted by response, not by sequence.
      expect(joined.accuracy).toBe(apart.accuracy);
    },
  );

  it.each([
    [{ family: 'qwen3moe' }, 'its experts'],
    [{ family: 'gpt-oss' }, 'its experts'],
    [{ family: 'gemma2' }, 'its capped scores'],
    [{ family: 'hunyuan-dense' }, 'its norms behind the rotation'],
    [modelVariants.lfm2, 'its short convolutions'],
    [modelVariants['deepseek2, dense'], 'the maps of its latent attention'],
  ] as const)('refuses what has no gradient: %j', async (spec, what) => {
    const path = join(folder, `${spec.family}.gguf`);
    await writeRandomModel(path, spec, 3);
    await expect(TrainingSession.open({ model: path, threads: 1, lora: { rank: 4 } })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining(`${what} have no gradient here`),
    });
  });

  it('an open block sees what is before it as if they were one', async () => {
    const { session } = await open({ family: 'gemma3' }, 8);
    const prng = createPrng(13);
    const tokens = (count: number) => Int32Array.from({ length: count }, () => prng.integer(session.vocabulary));
    const [a, b, c, final] = [tokens(5), tokens(7), tokens(6), tokens(9)];
    if (!a || !b || !c || !final) throw new Error('four blocks');
    const lossOf = async (blocks: Int32Array[], more: Partial<TrainingSequence> = {}) =>
      (await session.evaluate([{ blocks, responseTokens: 4, mode: 'block', ...more }])).loss;
    const joined = Int32Array.from([...a, ...b]);
    const plain = await lossOf([a, b, c, final]);
    expect(await lossOf([a, b, c, final], { open: [false, true, false] })).toBeCloseTo(
      await lossOf([joined, c, final]),
      5,
    );
    expect(await lossOf([a, b, c, final], { open: [false, true, true] })).toBeCloseTo(
      await lossOf([a, b, c, final], { mode: 'full' }),
      5,
    );
    expect(Math.abs(plain - (await lossOf([a, b, c, final], { open: [false, true, false] })))).toBeGreaterThan(1e-3);
    await expect(lossOf([a, final], { open: [false, true] })).rejects.toThrow(/says of 2 context blocks .* has 1/);
    session.dispose();
  });

  it("distils: the divergence is that of llama.cpp's logits, and falls in block mode", async () => {
    const path = join(folder, 'distilled.gguf');
    await writeRandomModel(path, { family: 'llama', tiedHead: true }, 9);
    const session = await TrainingSession.open({ model: path, threads: 1, lora: { rank: 8 }, distill: 1 });
    const sequences = someSequences(session.vocabulary, 7);
    const inMode = (mode: 'full' | 'block') => sequences.map((sequence): TrainingSequence => ({ ...sequence, mode }));
    expect((await session.evaluate(inMode('full'))).divergence).toBeLessThan(1e-6);
    const before = (await session.evaluate(inMode('block'))).divergence ?? 0;
    expect(before).toBeGreaterThan(0.1);
    const first = await session.step(inMode('block'), { learningRate: 1e-2 });
    expect(first.loss).toBeCloseTo(before, 4);
    expect(first.divergence).toBe(first.loss);
    for (let i = 0; i < 30; i++) await session.step(inMode('block'), { learningRate: 1e-2 });
    expect((await session.evaluate(inMode('block'))).divergence).toBeLessThan(before / 4);
    const adapter = join(folder, 'distilled-adapter.gguf');
    await session.saveAdapter(adapter);
    const { divergence = 0 } = await session.evaluate(inMode('full'));
    session.dispose();
    const [taught, own] = [await referenceRows(path, sequences), await referenceRows(path, sequences, adapter)];
    const expected = taught.map((row, i) => klDivergence(row, own[i] ?? row));
    expect(divergence).toBeGreaterThan(0.01);
    expect(divergence / (expected.reduce((sum, x) => sum + x, 0) / expected.length)).toBeCloseTo(1, 2);
  });

  it('counts sequences by their weight', async () => {
    const { session } = await open({ family: 'llama' }, 6);
    const [a, b] = someSequences(session.vocabulary, 11);
    if (a === undefined || b === undefined) throw new Error('no sequences');
    const lossOf = async (sequence: TrainingSequence) => (await session.evaluate([sequence])).loss;
    const mean = (3 * (await lossOf(a)) + (await lossOf(b))) / 4;
    const { loss } = await session.step([{ ...a, weight: 3 }, b], { learningRate: 1e-9 });
    session.dispose();
    expectWithin(Math.abs(loss - mean), 1e-4);
  });

  it.each([
    ['f16', TensorType.F16],
    ['q8_0', TensorType.Q8_0],
    ['q4_1', TensorType.Q4_1],
  ] as const)('trains an adapter over %s that llama.cpp reads, alone and merged', async (name, weights) => {
    const path = join(folder, `base-${name}.gguf`);
    await writeRandomModel(path, { family: 'llama', weights, tiedHead: true }, 9);
    const session = await TrainingSession.open({ model: path, threads: 1, lora: { rank: 8 } });
    const sequences = someSequences(session.vocabulary, 7);
    const full = sequences.map((sequence): TrainingSequence => ({ ...sequence, mode: 'full' }));
    const before = await session.evaluate(full);
    for (let i = 0; i < 40; i++) await session.step(sequences, { learningRate: 1e-2 });
    const after = await session.evaluate(full);
    const [adapter, merged] = [join(folder, `${name}-adapter.gguf`), join(folder, `${name}-merged.gguf`)];
    await session.saveAdapter(adapter);
    await session.save(merged);
    session.dispose();
    expect(after.loss).toBeLessThan(before.loss / 4);
    // llama.cpp rounds activations to 8 bits before it multiplies them with quantised weights; training does not.
    const distance = async (model: string, loss: number, lora?: string) =>
      Math.abs((await referenceLoss(model, full, lora)) - loss) / (before.loss - after.loss);
    expectWithin(await distance(path, before.loss), 0.05);
    expectWithin(await distance(path, after.loss, adapter), 0.05);
    expectWithin(await distance(merged, after.loss), 0.005);
  });

  it('stops at a loss that is not a number, with its weights intact', async () => {
    const { session } = await open({ family: 'llama' }, 4);
    const sequences = someSequences(session.vocabulary, 7);
    await session.step(sequences, { learningRate: 1e30 });
    const failing = session.step(sequences, { learningRate: 1e-3 });
    await expect(failing).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
    expect(session.steps).toBe(1);
    session.dispose();
  });

  it('names what is wrong with a sequence', async () => {
    const { session } = await open({ family: 'llama' }, 5);
    const blocks = [Int32Array.of(1, 2, 3), Int32Array.of(4, 5)];
    const attempt = (sequence: Partial<TrainingSequence>) =>
      session.step([{ blocks, responseTokens: 1, mode: 'full', ...sequence }], { learningRate: 1e-3 });
    await expect(attempt({ responseTokens: 3 })).rejects.toThrow(/sequence 0 asks for 3 response tokens/);
    await expect(attempt({ blocks: [new Int32Array(0), Int32Array.of(1, 2)] })).rejects.toThrow(/empty block/);
    await expect(attempt({ blocks: [Int32Array.of(1, 999_999)] })).rejects.toThrow(/token 999999/);
    await expect(attempt({ blocks: [new Int32Array(600)] })).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' });
    session.dispose();
  });
});
