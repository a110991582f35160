/**
 * Tokens of several sequences that are decoded in one graph: their rows share the unpacked weights of the native linear
 * layers, and none may feel the others.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecodeGraph, forwardStep } from '@block-attention/engine/internal/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import { nativeKernelState } from '../packages/engine/src/ggml/native/native-kernel.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens } from './support/oracle/forward-harness.ts';
import { expectWithin, rms, roundingMargin, withPerturbed } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

const { Q4_0, Q4_1, Q4_K, Q5_K, Q6_K, Q8_0, F16 } = TensorType;
const files = {
  q4_0: [Q4_0],
  q4_1: [Q4_1],
  q8_0: [Q8_0],
  'q4_k, q6_k and q8_0 in turn': [Q4_K, Q6_K, Q8_0],
  'q5_k and f16 in turn': [Q5_K, F16],
};
const folder = mkdtempSync(join(tmpdir(), 'block-attention-together-'));
const pathOf = (name: string) => join(folder, `${name}.gguf`);
beforeAll(async () => {
  for (const [name, [first = Q8_0, ...rest]] of Object.entries(files)) {
    const spec = { family: 'llama', embedding: 256, heads: 4, weights: first, mixed: [first, ...rest] } as const;
    await writeRandomModel(pathOf(name), spec, 5);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const prompts = [5, 12, 3].map((count, i) => ({ count, seed: i + 1 }));
const steps = 4;
const [fastest] = attentionPaths.toReversed();
const attention = fastest?.attention;

/** Logits of each step for the first `count` sequences, decoded together or each read anew as a prompt. */
async function logits(path: string, how: 'together' | 'prompts', count = prompts.length): Promise<Float32Array[]> {
  const harness = await ForwardHarness.open(path, 'f32', attention, { threads: 2, linear: 'auto', repack: true });
  try {
    const { model, allocator, vocabulary } = harness;
    const led = prompts.slice(0, count).map(({ count: length, seed }) => {
      const random = createPrng(seed);
      return { prompt: randomTokens(random, vocabulary, length), next: randomTokens(random, vocabulary, steps) };
    });
    if (how === 'prompts') {
      const out: Float32Array[] = [];
      for (let step = 0; step < steps; step++) {
        for (const { prompt, next } of led) {
          const tokens = Int32Array.from([...prompt, ...next.subarray(0, step + 1)]);
          out.push(await harness.append(await harness.sequence([], tokens.length), tokens));
        }
      }
      return out;
    }
    const sequences = await Promise.all(led.map(({ prompt }) => harness.sequence([], prompt.length + steps)));
    await forwardStep(
      model,
      harness.attention,
      allocator,
      led.flatMap(({ prompt }, i) => {
        const sequence = sequences[i];
        return sequence === undefined ? [] : [{ sequence, tokens: prompt, logits: 'none' as const }];
      }),
    );
    const graph = new DecodeGraph(model, harness.attention, sequences);
    const out: Float32Array[] = [];
    for (let step = 0; step < steps; step++) {
      out.push(...(await graph.run(Int32Array.from(led, ({ next }) => next[step] ?? 0))));
    }
    graph.dispose();
    return out;
  } finally {
    harness.dispose();
  }
}

const distances = (a: readonly Float32Array[], b: readonly Float32Array[]) =>
  a.flatMap((row, i) => Array.from(row, (value, at) => value - (b[i]?.[at] ?? Number.NaN)));

describe.each(Object.keys(files))('weights in %s', (name) => {
  it('sequences that are decoded together say what each says as a prompt, but for rounding', async () => {
    const path = pathOf(name);
    const expected = await logits(path, 'prompts');
    const moved = await withPerturbed(path, (copy) => logits(copy, 'prompts'));
    const explained = Math.max(...moved.map((other) => rms(distances(other, expected))));
    expectWithin(rms(distances(await logits(path, 'together'), expected)), roundingMargin * explained, name);
  });

  // Of floats, which ggml multiplies, it knows nothing.
  it.skipIf(nativeKernelState().kernel === undefined || name.includes('f16'))(
    'a third one does not change a bit of the other two',
    async () => {
      const three = await logits(pathOf(name), 'together');
      const two = await logits(pathOf(name), 'together', 2);
      expect(two).toEqual(three.filter((_, i) => i % prompts.length < 2));
    },
  );
});
