/** Full mode against llama.cpp's own decode of the same file: same logits, same greedy tokens. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNativeKernel } from '@block-attention/engine/internal/ggml';
import { portableAttention } from '@block-attention/engine/internal/model';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { expectAlong, measureYardstick } from './support/continuations.ts';
import { deepVariants, modelVariants, weightVariants } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { realModels } from './support/models/real-models.ts';
import { ForwardHarness, randomTokens } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Comparison {
  readonly steps: number;
  /** Let ggml repack weights for this CPU. */
  readonly repack?: boolean;
  readonly linear?: 'auto' | 'ggml';
  /** Defaults to f16. */
  readonly kvType?: 'f32' | 'f16';
}

/** Logits along llama.cpp's greedy path, and its choices wherever they are decided. */
async function compare(
  path: string,
  { steps, repack = false, linear = 'ggml', kvType = 'f16' }: Comparison,
): Promise<void> {
  const harness = await ForwardHarness.open(path, kvType, portableAttention, { repack, linear });
  try {
    const prompt = randomTokens(createPrng(11), harness.vocabulary, 45);
    // 256 is within the short range of the longrope variant.
    const options = { contextTokens: 256, threads: 1, kvType, repack } as const;
    const yardstick = await measureYardstick(path, prompt, steps, options);
    const sequence = await harness.sequence([], prompt.length + steps);
    expectAlong(yardstick, await harness.follow(sequence, await harness.append(sequence, prompt), yardstick));
  } finally {
    harness.dispose();
  }
}

const kernel = loadNativeKernel();

describe('full mode equals llama.cpp', () => {
  it.each(Object.entries({ ...modelVariants, ...deepVariants }))('%s', async (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 5);
    // Where norms come behind the rotation other keys are stored than by llama.cpp, and 16 bits round them otherwise.
    await compare(path, { steps: 200, kvType: spec.family.startsWith('hunyuan') ? 'f32' : 'f16' });
  });

  describe.each(Object.entries(weightVariants))('%s', (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    beforeAll(() => writeRandomModel(path, spec, 6));

    it('with the linear layers of ggml', () => compare(path, { steps: 100 }));
    it('repacked for this CPU', () => compare(path, { steps: 100, repack: true }));
    it.skipIf(kernel === undefined)('with native linear layers', () => compare(path, { steps: 100, linear: 'auto' }));
  });

  it.each(realModels)('$name', { timeout: 240_000 }, async ({ path }) => {
    await compare(path, { steps: 100 });
    await compare(path, { steps: 50, linear: 'auto' });
  });
});
