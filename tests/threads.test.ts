/**
 * What is computed depends on how many threads an engine has, in the last bits, but not on how many of them compute: so
 * the engine may change that at any moment, and a block's bytes are the same whenever it is encoded.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TensorType, typeName } from '../packages/engine/src/ggml/graph/tensor.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { F32, F16, Q8_0, Q4_0, Q4_K } = TensorType;

describe.each(attentionPaths)('$name attention', ({ name, attention }) => {
  const cases = [F32, F16, Q8_0, Q4_0, Q4_K].flatMap((weights) =>
    (['auto', 'ggml'] as const).map((linear) => ({ weights, linear, type: typeName(weights) })),
  );
  it.each(cases)('$type, linear layers $linear: the same bits with 1 to 4 of 4 threads', async (one) => {
    const { weights, linear, type } = one;
    const path = join(folder, `${name}-${type}-${linear}.gguf`);
    await writeRandomModel(path, { family: 'llama', embedding: 256, layers: 2, weights }, 5);
    const harness = await ForwardHarness.open(path, 'f16', attention, { threads: 4, repack: true, linear });
    try {
      const prng = createPrng(7);
      const passages = [70, 33, 129].map((length) => randomTokens(prng, harness.vocabulary, length));
      const final = randomTokens(prng, harness.vocabulary, 9);
      const seen: string[][] = [];
      for (const threads of [4, 1, 3, 2, 4]) {
        harness.model.backend.useThreads(threads);
        const blocks = await harness.encode(passages);
        const sequence = await harness.sequence(blocks, 32);
        const first = await harness.append(sequence, final);
        const logits = [first.slice(), await harness.append(sequence, Int32Array.of(3))];
        const greedy = await harness.greedy(sequence, first, 4);
        const bytes = [...blocks.map(({ memory }) => memory.bytes), ...logits, greedy];
        seen.push(bytes.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64')));
      }
      for (const bits of seen) expect(bits).toEqual(seen[0]);
    } finally {
      harness.dispose();
    }
  });
});
