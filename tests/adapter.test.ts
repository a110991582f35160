/**
 * A LoRA applied while the model runs: what llama.cpp computes with the same file, and what a merged model computes; in
 * block mode what a dense forward under the block mask computes; in kept decode graphs too.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNativeKernel } from '../src/ggml/index.ts';
import { openReference } from '../src/ggml/reference.ts';
import { TensorType } from '../src/ggml/tensor.ts';
import { portableAttention } from '../src/model/index.ts';
import { attentionPaths } from './support/attention-paths.ts';
import { argmax, ForwardHarness, randomTokens, relativeError } from './support/forward-harness.ts';
import { modelVariants } from './support/model-variants.ts';
import { createPrng } from './support/prng.ts';
import { writeMerged, writeRandomAdapter } from './support/random-adapter.ts';
import { type RandomModelSpec, writeRandomModel } from './support/random-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-adapter-'));
afterAll(() => rmSync(folder, { recursive: true }));

const kernel = loadNativeKernel();
const families = (['llama', 'qwen2', 'qwen3', 'smollm3', 'gemma3', 'phi3'] as const).map(
  (family): [string, RandomModelSpec] => [family, { family }],
);
const types = (['F16', 'Q8_0', 'Q4_0', 'Q4_K'] as const).map((name): [string, RandomModelSpec] => [
  `llama in ${name}`,
  { family: 'llama', layers: 2, embedding: 256, feedForward: 512, weights: TensorType[name] },
]);

/** A model, an adapter over it, and both merged. */
async function prepare(name: string, spec: RandomModelSpec) {
  const [model, adapter, merged] = ['model', 'adapter', 'merged'].map((kind) => join(folder, `${name}-${kind}.gguf`));
  if (!model || !adapter || !merged) throw new Error('three paths');
  await writeRandomModel(model, spec, 5);
  await writeRandomAdapter(adapter, model, 6);
  await writeMerged(merged, model, adapter);
  return { model, adapter, merged };
}

/** Logits of the last token of one prompt, and 20 greedy tokens after it. */
async function run(path: string, options: Parameters<typeof ForwardHarness.open>[3]) {
  const harness = await ForwardHarness.open(path, 'f16', portableAttention, options);
  try {
    const prompt = randomTokens(createPrng(11), harness.vocabulary, 45);
    const sequence = harness.sequence([], prompt.length + 20);
    const logits = await harness.append(sequence, prompt);
    return { prompt, logits, greedy: await harness.greedy(sequence, logits, 20) };
  } finally {
    harness.dispose();
  }
}

describe('full mode with an adapter', () => {
  it.each([...families, ...types])("%s: equals the merged model, and llama.cpp's own", async (name, spec) => {
    const { model, adapter, merged } = await prepare(name, spec);
    const quantised = /Q\d/.test(name);
    const own = await run(model, { adapter: { path: adapter }, linear: 'ggml' });
    const base = await run(model, { linear: 'ggml' });
    expect(relativeError(own.logits, base.logits)).toBeGreaterThan(0.2);
    const whole = await run(merged, { linear: 'ggml' });
    // Quantised weights meet rows of int8, f16 ones rows of f16; merged ones, in f32, do not.
    expect(relativeError(own.logits, whole.logits)).toBeLessThanOrEqual(quantised ? 6e-2 : 2e-3);
    await using reference = await openReference(model, {
      contextTokens: 256,
      threads: 1,
      kvType: 'f16',
      repack: false,
      adapter,
    });
    const [expected = new Float32Array(0)] = await reference.decode(own.prompt, { logits: 'last' });
    expect(relativeError(own.logits, expected)).toBeLessThanOrEqual(quantised ? 2e-2 : 1e-3);
    await reference.clear();
    expect(own.greedy).toEqual(await reference.greedy(own.prompt, 20));
    const native = await run(model, { adapter: { path: adapter }, linear: 'auto', repack: true });
    expect(relativeError(native.logits, expected)).toBeLessThanOrEqual(quantised ? 3e-2 : 1e-3);
  });

  it.each([0, 0.5, -2])('scaled by %d is what llama.cpp makes of that scale', async (scale) => {
    const { model, adapter } = await prepare('scaled', { family: 'llama' });
    const own = await run(model, { adapter: { path: adapter, scale } });
    await using reference = await openReference(model, {
      contextTokens: 256,
      threads: 1,
      adapter,
      adapterScale: scale,
    });
    const [expected = new Float32Array(0)] = await reference.decode(own.prompt, { logits: 'last' });
    expect(relativeError(own.logits, expected)).toBeLessThanOrEqual(1e-3);
    if (scale === 0) expect(own.logits).toEqual((await run(model, {})).logits);
  });

  it('reads factors of 16 and 8 bits', async () => {
    const { model } = await prepare('types', { family: 'llama' });
    for (const [type, rank] of [
      [TensorType.F16, 4],
      [TensorType.BF16, 4],
      [TensorType.Q8_0, 32],
    ] as const) {
      const adapter = join(folder, `factors-${type}.gguf`);
      await writeRandomAdapter(adapter, model, 6, { type, rank });
      const merged = join(folder, `factors-${type}-merged.gguf`);
      await writeMerged(merged, model, adapter);
      const own = await run(model, { adapter: { path: adapter } });
      expect(relativeError(own.logits, (await run(merged, {})).logits)).toBeLessThanOrEqual(1e-3);
    }
  });
});

describe.each(attentionPaths)('block mode with an adapter, $name attention', ({ attention }) => {
  const variants = Object.entries(modelVariants).filter(([, spec]) => !('ropeScaling' in spec));
  it.each(variants)('%s: equals a dense forward under the block mask', async (name, spec: RandomModelSpec) => {
    const { model, adapter } = await prepare(`block-${name}`, spec);
    const harness = await ForwardHarness.open(model, 'f32', attention, { adapter: { path: adapter } });
    try {
      const prng = createPrng(8);
      const blocks = await harness.encode([20, 33, 1, 40].map((n) => randomTokens(prng, harness.vocabulary, n)));
      const used = [3, 0, 2, 1, 0].flatMap((i) => blocks[i] ?? []);
      const context = used.map(({ tokens }) => tokens);
      const final = randomTokens(prng, harness.vocabulary, 15);
      const sequence = harness.sequence(used, 80);
      const logits = await harness.append(sequence, final);
      expect(relativeError(logits, await harness.dense([...context, final]))).toBeLessThanOrEqual(2e-4);
      // The kept graph of decoding, across a rebuild: its last choice is the dense forward's.
      const answer = await harness.greedy(sequence, logits, 40);
      const all = Int32Array.from([...final, ...answer.subarray(0, -1)]);
      expect(argmax(await harness.dense([...context, all]))).toBe(answer.at(-1));
    } finally {
      harness.dispose();
    }
  });

  // ggml takes another kernel for a single row, and so do blocks of one token without the native linear layers.
  it.skipIf(kernel === undefined)('blocks have the same bytes whatever is encoded beside them', async () => {
    const { model, adapter } = await prepare('bytes', {
      family: 'llama',
      embedding: 256,
      feedForward: 512,
      weights: TensorType.Q8_0,
    });
    const harness = await ForwardHarness.open(model, 'f32', attention, { adapter: { path: adapter } });
    try {
      const prng = createPrng(2);
      const passages = [5, 33, 64, 1, 3, 1, 2, 1].map((n) => randomTokens(prng, harness.vocabulary, n));
      const digest = ({ memory }: { memory: { bytes: Uint8Array } }) =>
        createHash('sha256').update(memory.bytes).digest('hex');
      const together = (await harness.encode(passages)).map(digest);
      const alone: string[] = [];
      for (const passage of passages) alone.push(...(await harness.encode([passage])).map(digest));
      expect(alone).toEqual(together);
    } finally {
      harness.dispose();
    }
  });
});
