/** Full mode against llama.cpp's own decode of the same file: same logits, same greedy tokens. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openReference } from '../src/ggml/reference.ts';
import { portableAttention } from '../src/model/index.ts';
import { ForwardHarness, randomTokens, relativeError } from './support/forward-harness.ts';
import { modelVariants, weightVariants } from './support/model-variants.ts';
import { createPrng } from './support/prng.ts';
import { type RandomModelSpec, writeRandomModel } from './support/random-model.ts';
import { realModels } from './support/real-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function compare(path: string, bound: number, greedyTokens: number, repack = false): Promise<void> {
  const harness = await ForwardHarness.open(path, 'f16', portableAttention, { repack });
  await using reference = await openReference(path, {
    // Within the short range of the longrope variant.
    contextTokens: 256,
    threads: 1,
    kvType: 'f16',
    // Repacked kernels round otherwise, and a random model's greedy path follows every rounding.
    repack,
  });
  try {
    const prompt = randomTokens(createPrng(11), harness.vocabulary, 45);
    const sequence = harness.sequence([], prompt.length + greedyTokens);
    const logits = await harness.append(sequence, prompt);
    const [expected] = await reference.decode(prompt, { logits: 'last' });
    expect(relativeError(logits, expected ?? new Float32Array(0))).toBeLessThanOrEqual(bound);
    await reference.clear();
    const theirs = await reference.greedy(prompt, greedyTokens);
    expect(await harness.greedy(sequence, logits, greedyTokens)).toEqual(theirs);
  } finally {
    harness.dispose();
  }
}

describe('full mode equals llama.cpp', () => {
  it.each(Object.entries(modelVariants))('%s', async (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 5);
    await compare(path, 1e-3, 200);
  });

  it.each(Object.entries(weightVariants))('%s', async (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 6);
    await compare(path, /F32|F16/.test(name) ? 1e-3 : 2e-2, 200);
  });

  it.each(Object.entries(weightVariants))('%s, repacked for this CPU', async (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 6);
    await compare(path, /F32|F16/.test(name) ? 1e-3 : 2e-2, 200, true);
  });

  it.each(realModels)('$name', async ({ path, skip }) => {
    if (path === undefined) return console.warn(skip);
    await compare(path, 2e-2, 200);
  });
});
