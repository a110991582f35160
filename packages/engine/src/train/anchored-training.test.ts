/** Training under a policy sees what serving under it computes; files say which it was. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type RandomModelSpec, writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { anchoredLogits } from '../../../../tests/support/oracle/anchored-oracle.ts';
import { ForwardHarness, randomTokens } from '../../../../tests/support/oracle/forward-harness.ts';
import { createPrng } from '../../../../tests/support/prng.ts';
import { trainedPolicy, trainingPolicy } from '../engine/policy/default-policy.ts';
import { openGguf } from '../ggml/gguf/gguf-file.ts';
import { AdapterFile } from '../model/weights/adapter-file.ts';
import { packMask } from './data/pack-mask.ts';
import { packRows, sequenceTokens } from './data/packing.ts';
import { TrainingSession } from './training-session.ts';
import type { TrainingSequence } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-anchored-training-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const models: Record<string, RandomModelSpec> = {
  llama: { family: 'llama', layers: 2 },
  'gemma3, windows': { family: 'gemma3', layers: 7, slidingWindow: 6 },
};

describe.each(Object.entries(models))('%s', (name, spec) => {
  it('learns from the states that blocks behind the anchor have', async () => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, spec, 5);
    const harness = await ForwardHarness.open(path, 'f32');
    const session = await TrainingSession.open({ model: path, threads: 1, batchTokens: 512 });
    const prng = createPrng(7);
    const tokens = (count: number) => randomTokens(prng, harness.vocabulary, count);
    const sequences = [4, 9].map((length): TrainingSequence => {
      const blocks = [tokens(3), tokens(length), tokens(5), tokens(6)];
      return { blocks, anchor: tokens(length + 2), responseTokens: 1, mode: 'block' };
    });
    let sum = 0;
    for (const { blocks, anchor = new Int32Array(0) } of sequences) {
      const final = blocks.at(-1) ?? new Int32Array(0);
      const logits = await anchoredLogits(harness, blocks.slice(0, -1), anchor, final.subarray(0, -1));
      const total = logits.reduce((all, logit) => all + Math.exp(logit), 0);
      sum += Math.log(total) - (logits[final.at(-1) ?? 0] ?? 0);
    }
    const bare = sequences.map((sequence) => ({ ...sequence, anchor: undefined }));
    const { loss } = await session.evaluate(sequences);
    expect(loss).toBeCloseTo(sum / 2, 3);
    expect((await session.evaluate(bare)).loss).not.toBeCloseTo(sum / 2, 3);
    // In full mode the copies are there and nobody sees them.
    const full = (list: readonly TrainingSequence[]) => list.map((one) => ({ ...one, mode: 'full' as const }));
    expect((await session.evaluate(full(sequences))).loss).toBeCloseTo((await session.evaluate(full(bare))).loss, 5);
    session.dispose();
    harness.dispose();
  });
});

it('a block sees its copy of the anchor and itself; a final block sees no copy', () => {
  const part = (count: number) => new Int32Array(count);
  const sequence: TrainingSequence = {
    blocks: [part(1), part(2), part(1), part(2)],
    anchor: part(2),
    responseTokens: 1,
    mode: 'block',
  };
  expect(sequenceTokens(sequence)).toBe(10);
  const { rowTokens, rows } = packRows([sequence]);
  const mask = packMask({ rowTokens, rows });
  const seen = Array.from({ length: 10 }, (_, query) =>
    Array.from(mask.subarray(query * rowTokens, query * rowTokens + 10), (value) => (value === 0 ? 'x' : '.')).join(''),
  );
  expect(seen).toEqual([
    'x.........',
    'xx........',
    '..x.......',
    '..xx......',
    '....x.....',
    'xx...x....',
    'xx...xx...',
    '..xx...x..',
    '....xxxxx.',
    '....xxxxxx',
  ]);
});

it('files say what they were trained under', async () => {
  const path = join(folder, 'base.gguf');
  await writeRandomModel(path, { family: 'llama', layers: 2 }, 5);
  const base = await openGguf(path);
  const [adapter, model] = [join(folder, 'adapter.gguf'), join(folder, 'model.gguf')];
  const session = await TrainingSession.open({ model: path, threads: 1, lora: { rank: 4 }, policy: 'anchor:header' });
  await session.saveAdapter(adapter);
  await session.save(model);
  session.dispose();
  const lora = await AdapterFile.open(adapter, base);
  expect(trainedPolicy({ file: base, adapter: lora })?.name).toBe('anchor:header');
  expect(trainedPolicy({ file: await openGguf(model) })?.name).toBe('anchor:header');
  expect(trainedPolicy({ file: base })).toBeUndefined();
});

it.each(['head:8', 'anchor:header+head:8', 'anchor:file=/x', 'neighbour:8', 'anchor:200+neighbour:8'])(
  'refuses to train under %s',
  (policy) => {
    expect(() => trainingPolicy(policy)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(trainingPolicy('anchor:text=x').name).toBe('anchor:text=x');
  },
);
