/**
 * A LoRA applied while the model runs: what llama.cpp computes with the same file, and what a merged model computes; in
 * block mode what a dense forward under the block mask computes; in kept decode graphs too.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNativeKernel } from '@block-attention/engine/internal/ggml';
import { portableAttention } from '@block-attention/engine/internal/model';
import { afterAll, describe, expect, it } from 'vitest';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import { errorAlong, expectAlong, measureYardstick, type Path, type Yardstick } from './support/continuations.ts';
import { modelVariants } from './support/models/model-variants.ts';
import { writeMerged, writeRandomAdapter } from './support/models/random-adapter.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { expectWithin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-adapter-'));
afterAll(() => rmSync(folder, { recursive: true }));

const kernel = loadNativeKernel();
const families = (['llama', 'qwen2', 'qwen3', 'smollm3', 'gemma3', 'phi3'] as const).map(
  (family): [string, RandomModelSpec] => [family, { family }],
);
const others: [string, RandomModelSpec][] = [['lfm2', modelVariants.lfm2]];
const types = (['F16', 'Q8_0', 'Q4_0', 'Q4_K'] as const).map((name): [string, RandomModelSpec] => [
  `llama in ${name}`,
  { family: 'llama', layers: 2, embedding: 256, feedForward: 512, weights: TensorType[name] },
]);

/** Ids of tokens that every vocabulary of these models has. */
const prompt = randomTokens(createPrng(11), 300, 45);

/** One after the other. */
async function each<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const out: R[] = [];
  for (const item of items) out.push(await run(item));
  return out;
}

/** A model, an adapter over it, and both merged. */
async function prepare(name: string, spec: RandomModelSpec) {
  const [model, adapter, merged] = ['model', 'adapter', 'merged'].map((kind) => join(folder, `${name}-${kind}.gguf`));
  if (!model || !adapter || !merged) throw new Error('three paths');
  await writeRandomModel(model, spec, 5);
  await writeRandomAdapter(adapter, model, 6);
  await writeMerged(merged, model, adapter);
  return { model, adapter, merged };
}

type Options = Parameters<typeof ForwardHarness.open>[3];
const steps = 60;

/** llama.cpp's greedy path with the adapter. */
function referencePath(
  model: string,
  adapter: string | undefined,
  options: { adapterScale?: number } = {},
): Promise<Yardstick> {
  const common = { contextTokens: 256, threads: 1, kvType: 'f16', repack: false } as const;
  return measureYardstick(model, prompt, steps, { ...common, adapter, ...options });
}

/** Logits of a model that reads the prompt and then follows a path. */
async function run(path: string, along: Path, options: Options): Promise<Float32Array[]> {
  const harness = await ForwardHarness.open(path, 'f16', portableAttention, options);
  try {
    const sequence = await harness.sequence([], prompt.length + steps);
    return await harness.follow(sequence, await harness.append(sequence, prompt), along);
  } finally {
    harness.dispose();
  }
}

describe('full mode with an adapter', () => {
  it.each([...families, ...others, ...types])(
    "%s: equals the merged model, and llama.cpp's own",
    async (name, spec) => {
      const { model, adapter, merged } = await prepare(name, spec);
      const reference = await referencePath(model, adapter);
      expect(errorAlong(reference, await run(model, reference, { linear: 'ggml' }))).toBeGreaterThan(0.2);
      expectAlong(reference, await run(model, reference, { adapter: { path: adapter }, linear: 'ggml' }));
      expectAlong(reference, await run(model, reference, { adapter: { path: adapter }, linear: 'auto', repack: true }));
      // Quantised weights meet rows of int8, f16 ones rows of f16, and merged ones, in f32, do not: as far apart as two
      // roundings of the same rows.
      expectAlong(reference, await run(merged, reference, { linear: 'ggml' }));
    },
  );

  it.each([0, 0.5, -2])('scaled by %d is what llama.cpp makes of that scale', async (scale) => {
    const { model, adapter } = await prepare('scaled', { family: 'llama' });
    const reference = await referencePath(model, adapter, { adapterScale: scale });
    const own = await run(model, reference, { adapter: { path: adapter, scale } });
    expectAlong(reference, own);
    if (scale === 0) expect(own).toEqual(await run(model, reference, {}));
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
      const reference = await referencePath(merged, undefined);
      expectAlong(reference, await run(model, reference, { adapter: { path: adapter } }));
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
      const sequence = await harness.sequence(used, 80);
      const logits = await harness.append(sequence, final);
      // The kept graph of decoding, across a rebuild.
      const tokens = randomTokens(prng, harness.vocabulary, 40);
      const kept = await harness.follow(sequence, logits, { tokens });
      const prompts = [final, Int32Array.from([...final, ...tokens.subarray(0, -1)])].map((all) => [...context, all]);
      const options = { adapter: { path: adapter } };
      const bounds = await explainedErrors(
        model,
        'f32',
        (reference) => each(prompts, (p) => reference.dense(p)),
        options,
      );
      const expected = await each(prompts, (p) => harness.dense(p));
      for (const [i, row] of [kept[0], kept.at(-1)].entries()) {
        const error = relativeError(row ?? new Float32Array(0), expected[i] ?? new Float32Array(0));
        expectWithin(error, bounds[i]);
      }
    } finally {
      harness.dispose();
    }
  });

  it('blocks have the same bytes whatever is encoded beside them', async () => {
    const { model, adapter } = await prepare('bytes', {
      family: 'llama',
      embedding: 256,
      feedForward: 512,
      weights: TensorType.Q8_0,
    });
    const harness = await ForwardHarness.open(model, 'f32', attention, { adapter: { path: adapter } });
    try {
      const prng = createPrng(2);
      // ggml takes another kernel for a single row, and so do blocks of one token where the native library has none.
      const native = (kernel?.linear.packedBytes(TensorType.Q8_0, 256, 512, 2) ?? -1) >= 0;
      const lengths = native ? [5, 33, 64, 1, 3, 1, 2, 1] : [5, 33, 64, 3, 2];
      const passages = lengths.map((n) => randomTokens(prng, harness.vocabulary, n));
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
