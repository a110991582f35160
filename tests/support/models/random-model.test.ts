import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openReference } from '../../../packages/engine/src/ggml/llama/reference.ts';
import { openTokenizer } from '../../../packages/engine/src/ggml/llama/vocab.ts';
import { modelVariants, weightVariants } from './model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './random-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'model.gguf');

const text = 'The bridge was opened in 1973, and the answer is é漢😀.';

async function lastLogits(spec: RandomModelSpec, seed: number): Promise<Float32Array> {
  await writeRandomModel(path, spec, seed);
  const tokenizer = await openTokenizer(path);
  const tokens = tokenizer.tokenize(text, false);
  const spelled = Buffer.concat(Array.from(tokens, (token) => tokenizer.tokenBytes(token))).toString('utf8');
  expect(spelled.trimStart()).toBe(text);
  tokenizer.dispose();
  await using reference = await openReference(path, { contextTokens: 128, threads: 1, kvType: 'f32' });
  const [row] = await reference.decode(tokens, { logits: 'last' });
  if (row === undefined) throw new Error('no logits');
  return row;
}

describe.each(Object.entries({ ...modelVariants, ...weightVariants }))('%s', (_, spec: RandomModelSpec) => {
  it('loads in llama.cpp and gives finite, well spread logits', async () => {
    const logits = await lastLogits(spec, 1);
    expect(logits.every(Number.isFinite)).toBe(true);
    const mean = logits.reduce((sum, x) => sum + x, 0) / logits.length;
    const deviation = Math.sqrt(logits.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logits.length);
    expect(deviation).toBeGreaterThan(1);
    expect(deviation).toBeLessThan(10);
  });
});

describe('writeRandomModel', () => {
  it('writes the same bytes for the same seed, others for another', async () => {
    const bytes = async (seed: number) => {
      await writeRandomModel(path, modelVariants.llama, seed);
      return readFileSync(path);
    };
    const first = await bytes(7);
    expect((await bytes(7)).equals(first)).toBe(true);
    expect((await bytes(8)).equals(first)).toBe(false);
  });

  it.each(['llama, linear rope', 'llama, yarn', 'llama 3.1', 'phi3, partial rope', 'phi3, longrope'] as const)(
    '%s differs from the model without',
    async (name) => {
      const { ropeScaling: _, ropeDims: __, ...plain }: RandomModelSpec = modelVariants[name];
      expect(await lastLogits(modelVariants[name], 1)).not.toEqual(await lastLogits(plain, 1));
    },
  );
});
