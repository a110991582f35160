/**
 * Block mode against the oracle: a dense forward of the whole prompt under the block mask, at ordinary positions.
 * Random plans over every family; stored bytes, reuse and sharing.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KvType } from '@block-attention/engine/internal/model';
import { forwardStep } from '@block-attention/engine/internal/model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TensorType } from '../packages/engine/src/ggml/graph/tensor.ts';
import { convolves, isRouted, modelVariants } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { realModels } from './support/models/real-models.ts';
import { type AttentionPathCase, attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { type EncodedBlock, ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { paperForward } from './support/oracle/paper-attention.ts';
import { expectWithin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** For each prompt, the relative error of its last logits that rounding explains. @param more see AttentionPathCase */
async function explained(
  path: string,
  type: KvType,
  prompts: readonly (readonly Int32Array[])[],
  more?: AttentionPathCase['rounding'],
): Promise<number[]> {
  const errors = await explainedErrors(path, type, async (harness) => {
    const rows: Float32Array[] = [];
    for (const blocks of prompts) rows.push(await harness.dense(blocks));
    return rows;
  });
  return errors.map((error, i) => {
    const keys = (prompts[i] ?? []).reduce((sum, { length }) => sum + length, 0);
    return error * (more?.(type, keys) ?? 1);
  });
}

/** Distinct passages and the order they are used in (repeats allowed), then the final block. */
const plans = fc.record({
  lengths: fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.constantFrom(31, 32, 33, 64)), {
    maxLength: 5,
  }),
  order: fc.array(fc.nat(), { maxLength: 7 }),
  final: fc.integer({ min: 1, max: 20 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

interface Prepared {
  readonly passages: readonly Int32Array[];
  readonly order: readonly number[];
  readonly final: Int32Array;
}

function prepare(
  { lengths, order, final, seed }: typeof plans extends fc.Arbitrary<infer T> ? T : never,
  vocabulary: number,
): Prepared {
  const prng = createPrng(seed);
  const passages = lengths.map((n) => randomTokens(prng, vocabulary, n));
  return {
    passages,
    order: passages.length === 0 ? [] : order.map((i) => i % passages.length),
    final: randomTokens(prng, vocabulary, final),
  };
}

function pick<T>(items: readonly T[], order: readonly number[]): T[] {
  return order.flatMap((i) => {
    const item = items[i];
    return item === undefined ? [] : [item];
  });
}

const digest = (block: EncodedBlock) => createHash('sha256').update(block.memory.bytes).digest('hex');

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ name: pathName, attention, rounding }) => {
  const variants = Object.entries<RandomModelSpec>(modelVariants).filter(
    ([, spec]) => pathName !== 'gathered' || !convolves(spec),
  );
  describe.each(variants)('%s', (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    beforeAll(() => writeRandomModel(path, spec, 5));
    // Which experts a token meets is decided by a comparison: no bound follows from states that are rounded coarsely.
    const coarse: KvType[] = spec.headDim === 32 && spec.slidingHeads === undefined ? ['f16', 'q8_0'] : ['f16'];
    const types: KvType[] = ['f32', ...(isRouted(spec) ? [] : coarse)];

    it.each(types)('equals the oracle with %s states', async (type) => {
      const harness = await ForwardHarness.open(path, type, attention);
      try {
        const prepared = fc.sample(plans, { numRuns: 12, seed: 7 }).map((plan) => prepare(plan, harness.vocabulary));
        const prompts = prepared.map(({ passages, order, final }) => [...pick(passages, order), final]);
        const bounds = await explained(path, type, prompts, rounding);
        for (const [i, { passages, order, final }] of prepared.entries()) {
          const blocks = passages.length === 0 ? [] : await harness.encode(passages);
          const before = blocks.map(digest);
          const used = pick(blocks, order);
          const logits = await harness.append(await harness.sequence(used, final.length), final);
          const what = `plan ${i}: blocks of ${used.map(({ tokens }) => tokens.length).join(', ')}, then ${final.length}`;
          const expected = await harness.dense(prompts[i] ?? []);
          expectWithin(relativeError(logits, expected), bounds[i], what);
          const rotated = await paperForward(harness, used, final);
          expectWithin(relativeError(logits, rotated), bounds[i], what);
          expect(blocks.map(digest)).toEqual(before);
          harness.clear();
        }
      } finally {
        harness.dispose();
      }
    });
  });

  describe.each(realModels)('$name', ({ path, headDim }) => {
    const types: KvType[] = headDim % 32 === 0 ? ['f32', 'f16', 'q8_0'] : ['f32', 'f16'];
    it.each(types)('equals the oracle with %s states', async (type) => {
      const harness = await ForwardHarness.open(path, type, attention);
      try {
        const prng = createPrng(8);
        const passages = [20, 33, 1, 64].map((n) => randomTokens(prng, harness.vocabulary, n));
        const blocks = pick(await harness.encode(passages), [3, 0, 2, 1, 0]);
        const final = randomTokens(prng, harness.vocabulary, 15);
        const logits = await harness.append(await harness.sequence(blocks, final.length), final);
        const prompt = [...blocks.map((block) => block.tokens), final];
        const [bound] = await explained(path, type, [prompt], rounding);
        expectWithin(relativeError(logits, await harness.dense(prompt)), bound);
      } finally {
        harness.dispose();
      }
    });
  });

  describe('blocks', () => {
    const path = join(folder, 'blocks.gguf');
    beforeAll(() => writeRandomModel(path, { family: 'llama' }, 9));

    async function withHarness(type: KvType, run: (harness: ForwardHarness) => Promise<void>): Promise<void> {
      const harness = await ForwardHarness.open(path, type, attention);
      try {
        await run(harness);
      } finally {
        harness.dispose();
      }
    }

    it('a single block is plain causal attention', () =>
      withHarness('f32', async (harness) => {
        const prompt = randomTokens(createPrng(1), harness.vocabulary, 70);
        const logits = await harness.append(await harness.sequence([], 70), prompt);
        const [bound] = await explained(path, 'f32', [[prompt]]);
        expectWithin(relativeError(logits, await harness.dense([prompt])), bound);
      }));

    it('encodes to the same bytes alone and in a batch, whatever the neighbours', () =>
      withHarness('f16', async (harness) => {
        const prng = createPrng(2);
        const passages = [5, 33, 64, 1].map((n) => randomTokens(prng, harness.vocabulary, n));
        const together = (await harness.encode(passages)).map(digest);
        const alone: string[] = [];
        for (const passage of passages) alone.push(...(await harness.encode([passage])).map(digest));
        expect(alone).toEqual(together);
      }));

    it('of a mixture in quantised types, too, whose experts have other rows then', async () => {
      const mixture = join(folder, 'mixture.gguf');
      const mixed = [TensorType.MXFP4, TensorType.Q4_K, TensorType.Q8_0, TensorType.Q4_1];
      const experts = { count: 6, used: 2 };
      await writeRandomModel(mixture, { family: 'llama', embedding: 256, feedForward: 256, experts, mixed }, 9);
      const harness = await ForwardHarness.open(mixture, 'f16', attention);
      try {
        const prng = createPrng(2);
        const passages = [5, 33, 64, 1].map((n) => randomTokens(prng, harness.vocabulary, n));
        const together = (await harness.encode(passages)).map(digest);
        const alone: string[] = [];
        for (const passage of passages) alone.push(...(await harness.encode([passage])).map(digest));
        expect(alone).toEqual(together);
      } finally {
        harness.dispose();
      }
    });

    it('the same block at two offsets of two requests in one batch gives what each gives alone', () =>
      withHarness('f32', async (harness) => {
        const prng = createPrng(3);
        const [a, b, c] = await harness.encode([17, 40, 25].map((n) => randomTokens(prng, harness.vocabulary, n)));
        if (!a || !b || !c) throw new Error('three blocks were encoded');
        const question = randomTokens(prng, harness.vocabulary, 9);
        const other = randomTokens(prng, harness.vocabulary, 4);
        const alone = [
          await harness.append(await harness.sequence([a, b], 9), question),
          await harness.append(await harness.sequence([b, c, b, a], 4), other),
        ];
        const together = await forwardStep(harness.model, harness.attention, harness.allocator, [
          { sequence: await harness.sequence([a, b], 9), tokens: question, logits: 'last' },
          { sequence: await harness.sequence([b, c, b, a], 4), tokens: other, logits: 'last' },
        ]);
        const bounds = await explained(path, 'f32', [
          [a.tokens, b.tokens, question],
          [b.tokens, c.tokens, b.tokens, a.tokens, other],
        ]);
        together.forEach((logits, i) => {
          expectWithin(relativeError(logits, alone[i] ?? new Float32Array(0)), bounds[i]);
        });
      }));

    it('does not drift over 1,000 uses at changing offsets', () =>
      withHarness('f16', async (harness) => {
        const prng = createPrng(4);
        const blocks = await harness.encode([12, 31, 7].map((n) => randomTokens(prng, harness.vocabulary, n)));
        const before = blocks.map(digest);
        const question = randomTokens(prng, harness.vocabulary, 3);
        const orders = [[0, 1, 2], [2, 1, 0], [1], [1, 1, 0, 2]].map((order) => pick(blocks, order));
        const first: Float32Array[] = [];
        for (let use = 0; use < 1000; use++) {
          const sequence = await harness.sequence(orders[use % 4] ?? [], 3);
          const logits = await harness.append(sequence, question);
          sequence.dispose();
          if (use < 4) first.push(logits.slice());
          else if (use >= 996) expect(logits).toEqual(first[use % 4]);
        }
        expect(blocks.map(digest)).toEqual(before);
      }));

    it('holds hundreds of blocks in one prompt', () =>
      withHarness('f32', async (harness) => {
        const prng = createPrng(5);
        const blocks = await harness.encode(
          Array.from({ length: 40 }, () => randomTokens(prng, harness.vocabulary, 2)),
        );
        const many = Array.from({ length: 300 }, (_, i) => blocks[i % 40]).filter((block) => block !== undefined);
        const question = randomTokens(prng, harness.vocabulary, 6);
        const logits = await harness.append(await harness.sequence(many, 6), question);
        const prompt = [...many.map((block) => block.tokens), question];
        const [bound] = await explained(path, 'f32', [prompt]);
        expectWithin(relativeError(logits, await harness.dense(prompt)), bound);
      }));

    it('a prompt read in pieces gives the logits of one read at once', () =>
      withHarness('f32', async (harness) => {
        const prng = createPrng(6);
        const blocks = await harness.encode([21, 34].map((n) => randomTokens(prng, harness.vocabulary, n)));
        const question = randomTokens(prng, harness.vocabulary, 50);
        const whole = await harness.append(await harness.sequence(blocks, 50), question);
        const pieces = await harness.sequence(blocks, 50);
        await harness.append(pieces, question.subarray(0, 17));
        await harness.append(pieces, question.subarray(17, 18));
        const logits = await harness.append(pieces, question.subarray(18));
        const [bound] = await explained(path, 'f32', [[...blocks.map((block) => block.tokens), question]]);
        expectWithin(relativeError(logits, whole), bound);
      }));

    it('kept decode graphs give the logits of one-off graphs, across rebuilds', () =>
      withHarness('f32', async (harness) => {
        const prng = createPrng(7);
        const blocks = await harness.encode([21, 34].map((n) => randomTokens(prng, harness.vocabulary, n)));
        const question = randomTokens(prng, harness.vocabulary, 5);
        const sequence = await harness.sequence(blocks, 200);
        const tokens = randomTokens(prng, harness.vocabulary, 150);
        const kept = await harness.follow(sequence, await harness.append(sequence, question), { tokens });
        const read = [0, 1, 60, 149].map((count) => Int32Array.from([...question, ...tokens.subarray(0, count)]));
        const prompts = read.map((final) => [...blocks.map((b) => b.tokens), final]);
        const bounds = await explained(path, 'f32', prompts);
        for (const [i, final] of read.entries()) {
          const row = kept[final.length - question.length] ?? new Float32Array(0);
          const oneOff = await harness.append(await harness.sequence(blocks, 200), final);
          expectWithin(relativeError(row, oneOff), bounds[i]);
          expectWithin(relativeError(row, await harness.dense(prompts[i] ?? [])), bounds[i]);
        }
      }));
  });
});
