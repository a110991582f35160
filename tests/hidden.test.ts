/**
 * Context blocks whose first tokens are hidden, against the oracle: any family, both attention paths, prompts and kept
 * decode graphs, sequences that share blocks and hide different parts of them.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecodeGraph, forwardStep, type KvType, type Sequence } from '@block-attention/engine/internal/model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { variantsOf } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { expectWithin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-hidden-'));
afterAll(() => rmSync(folder, { recursive: true }));

const heads = fc.oneof(fc.constantFrom(0, 1, 4), fc.integer({ min: 0, max: 70 }));
const plans = fc.record({
  lengths: fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constantFrom(1, 31, 32, 33, 65)), {
    minLength: 1,
    maxLength: 5,
  }),
  /** Of each sequence, the hidden tokens of its blocks in turn. */
  hides: fc.array(fc.array(heads, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 3 }),
  final: fc.integer({ min: 1, max: 9 }),
  seed: fc.nat(1e6),
});
type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;

const nothing = new Int32Array(0);
/** Tokens that follow the final block, one by one. */
const answered = 2;

function prepare({ lengths, hides, final, seed }: Plan, vocabulary: number) {
  const prng = createPrng(seed);
  const tokens = (count: number) => randomTokens(prng, vocabulary, count);
  const passages = lengths.map(tokens);
  const hidden = hides.map((pattern) => lengths.map((_, i) => pattern[i % pattern.length] ?? 0));
  const finals = hides.map(() => tokens(final));
  const answers = hides.map(() => tokens(answered));
  return { passages, hidden, finals, answers };
}
type Prepared = ReturnType<typeof prepare>;

/** Of each sequence, the logits behind its final block and behind its answer. */
async function expected(harness: ForwardHarness, { passages, hidden, finals, answers }: Prepared) {
  const rows: Float32Array[] = [];
  for (const [i, final] of finals.entries()) {
    const whole = Int32Array.from([...final, ...(answers[i] ?? [])]);
    for (const read of [final, whole]) rows.push(await anchoredLogits(harness, passages, nothing, read, hidden[i]));
  }
  return rows;
}

/** The same through shared blocks: all prompts in one batch, then all answers in one kept graph. */
async function computed(harness: ForwardHarness, { passages, hidden, finals, answers }: Prepared) {
  const blocks = await harness.encode(passages);
  const bytes = () => blocks.map(({ memory }) => createHash('sha256').update(memory.bytes).digest('hex'));
  const before = bytes();
  const sequences: Sequence[] = [];
  for (const [i, final] of finals.entries()) {
    sequences.push(await harness.sequence(blocks, final.length + answered, hidden[i]));
  }
  const steps = sequences.map((sequence, i) => ({
    sequence,
    tokens: finals[i] ?? new Int32Array(0),
    logits: 'last' as const,
  }));
  const prompts = await forwardStep(harness.model, harness.attention, harness.allocator, steps);
  const graph = new DecodeGraph(harness.model, harness.attention, sequences);
  let last: Float32Array[] = [];
  for (let step = 0; step < answered; step++) {
    last = await graph.run(Int32Array.from(answers, (tokens) => tokens[step] ?? 0));
  }
  const rows = prompts.flatMap((row, i) => [row, last[i]?.slice() ?? new Float32Array(0)]);
  graph.dispose();
  expect(bytes()).toEqual(before);
  harness.clear();
  return rows;
}

async function equalsTheOracle(
  path: string,
  type: KvType,
  sample: readonly Plan[],
  attention: (typeof attentionPaths)[0],
) {
  const harness = await ForwardHarness.open(path, type, attention.attention);
  try {
    const prepared = sample.map((plan) => prepare(plan, harness.vocabulary));
    const reference = async (by: ForwardHarness) => {
      const rows: Float32Array[] = [];
      for (const one of prepared) rows.push(...(await expected(by, one)));
      return rows;
    };
    const bounds = await explainedErrors(path, type, reference);
    const right = await reference(harness);
    const got: Float32Array[] = [];
    for (const one of prepared) got.push(...(await computed(harness, one)));
    expect(got.length).toBe(right.length);
    const lengths = sample.map((plan) => plan.lengths.reduce((sum, length) => sum + length, plan.final + answered));
    const keys = Math.max(...lengths);
    for (const [i, row] of got.entries()) {
      const bound = (bounds[i] ?? 0) * (attention.rounding?.(type, keys) ?? 1);
      expectWithin(relativeError(row, right[i] ?? new Float32Array(0)), bound, `row ${i} of ${right.length}`);
    }
  } finally {
    harness.dispose();
  }
}

describe.each([...attentionPaths, gatheredPath])('$name attention', (attention) => {
  describe.each(variantsOf(attention.name))('%s', (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    beforeAll(() => writeRandomModel(path, spec, 5));

    it('equals the oracle', () => equalsTheOracle(path, 'f32', fc.sample(plans, { numRuns: 2, seed: 11 }), attention));
  });

  describe('stored in fewer bits', () => {
    const path = join(folder, 'bits.gguf');
    beforeAll(() => writeRandomModel(path, { family: 'llama', headDim: 32 }, 9));
    const types: KvType[] = ['f16', 'q8_0'];

    it.each(types)('equals the oracle with %s states', (type) =>
      equalsTheOracle(path, type, fc.sample(plans, { numRuns: 6, seed: 12 }), attention),
    );
  });

  it('sees less with every token that is hidden, and nothing of a block as long as that', async () => {
    const path = join(folder, 'less.gguf');
    await writeRandomModel(path, { family: 'llama' }, 9);
    const harness = await ForwardHarness.open(path, 'f32', attention.attention);
    try {
      const prng = createPrng(3);
      const blocks = await harness.encode([20, 3].map((count) => randomTokens(prng, harness.vocabulary, count)));
      const final = randomTokens(prng, harness.vocabulary, 5);
      const read = async (used: typeof blocks, hidden: number[]) =>
        (await harness.append(await harness.sequence(used, 5, hidden), final)).slice();
      const rows = [];
      for (const hide of [0, 1, 2, 3]) rows.push(await read(blocks, [0, hide]));
      for (const [i, row] of rows.entries()) {
        for (const other of rows.slice(i + 1)) expect(relativeError(row, other)).toBeGreaterThan(1e-4);
      }
      expect(await read(blocks, [0, 64])).toEqual(rows[3]);
      expect(await read(blocks, [])).toEqual(rows[0]);
    } finally {
      harness.dispose();
    }
  });
});
