/**
 * Recomputed contexts against a forward pass in which every stored token sees its own block alone, every recomputed
 * token sees the recomputed ones and the stored ones of the others before it, and the final block sees what those leave.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runner } from '@block-attention/engine/internal/engine';
import {
  batchRuns,
  firstLateLayer,
  forwardStep,
  type KvType,
  markedRuns,
  observeContext,
  recomputeFlops,
  recomputeSteps,
  Sequence,
} from '@block-attention/engine/internal/model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runsOfMost } from '../packages/engine/src/engine/policy/choose-tokens.ts';
import type { Recomputation } from '../packages/engine/src/engine/policy/recompute.ts';
import { recomputeContext } from '../packages/engine/src/engine/policy/recompute-context.ts';
import { recomputeRows } from '../packages/engine/src/engine/policy/recompute-rows.ts';
import { recomputedVariants } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { embedded, stories260k } from './support/models/real-models.ts';
import { type AttentionPathCase, attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { type EncodedBlock, ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { maskedForward, maskedWeights } from './support/oracle/masked-forward.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { expectWithin } from './support/oracle/rounding.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-recompute-'));
afterAll(() => rmSync(folder, { recursive: true }));

const lengths = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 20 }), fc.constantFrom(31, 32, 33)), {
  minLength: 1,
  maxLength: 5,
});
const plans = fc.record({
  lengths,
  final: fc.integer({ min: 1, max: 8 }),
  seed: fc.nat(1e6),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

interface Row {
  readonly token: number;
  readonly position: number;
  readonly from?: number;
  readonly block: number;
  readonly fresh: boolean;
  readonly stream: 'stored' | 'fresh' | 'final';
}

/** Logits of the last token of `final` when the marked tokens of the context are recomputed. */
function expectedLogits(
  harness: ForwardHarness,
  blocks: readonly Int32Array[],
  marked: readonly (readonly boolean[])[],
  final: Int32Array,
): Promise<Float32Array> {
  let position = 0;
  const stored = blocks.flatMap((tokens, block) => {
    const from = position;
    return Array.from(tokens, (token, i): Row => {
      return { token, position: position++, from, block, fresh: marked[block]?.[i] === true, stream: 'stored' };
    });
  });
  // Where a query's own position counts, it is counted from its block in copies of blocks, from the prompt's start in rows.
  const inRows = harness.attention.readsRows !== undefined;
  const fresh = stored
    .filter((row) => row.fresh)
    .map((row): Row => ({ ...row, from: inRows ? 0 : (row.from ?? 0), stream: 'fresh' }));
  const last = Array.from(final, (token): Row => {
    return { token, position: position++, block: -1, fresh: false, stream: 'final' };
  });
  return maskedForward(harness, [...stored, ...fresh, ...last], (query, key) => {
    if (key.position > query.position) return false;
    if (query.stream === 'stored') return key.stream === 'stored' && key.block === query.block;
    return key.stream !== 'stored' || !key.fresh;
  });
}

/** How much attention the final block pays to each token of the context, of which it does not see some heads. */
function expectedWeights(
  harness: ForwardHarness,
  blocks: readonly Int32Array[],
  hidden: readonly number[],
  final: Int32Array,
): Promise<Float32Array> {
  let position = 0;
  const stored = blocks.flatMap((tokens, block) => {
    const from = position;
    const heads = hidden[block] ?? 0;
    return Array.from(tokens, (token, i) => ({ token, position: position++, from, block, seen: i >= heads }));
  });
  const last = Array.from(final, (token) => ({ token, position: position++, from: 0, block: -1, seen: true }));
  return maskedWeights(
    harness,
    [...stored, ...last],
    (query, key) => key.position <= query.position && (query.block === -1 ? key.seen : key.block === query.block),
    { asks: ({ block }) => block === -1, first: firstLateLayer(harness.model) },
  );
}

/** Logits behind a context whose marked tokens are computed again: in place, of blocks that are copies or of rows. */
async function recompute(
  harness: ForwardHarness,
  blocks: readonly EncodedBlock[],
  marked: readonly boolean[][],
  final: Int32Array,
) {
  const { model, attention, allocator } = harness;
  const batches = batchRuns(markedRuns(marked), 40, () => 7);
  if (attention.readsRows === undefined) {
    const states = statesOf(harness, blocks);
    for (const batch of batches) {
      await forwardStep(model, attention, allocator, recomputeSteps(model.backend, states, batch));
    }
    return harness.append(await harness.sequence(blocks, final.length), final);
  }
  const sequence = await harness.sequence(blocks, final.length);
  const tokens = blocks.flatMap((block) => [...block.tokens]);
  const start = (block: number) => blocks.slice(0, block).reduce((sum, { tokens: { length } }) => sum + length, 0);
  for (const batch of batches) {
    const recomputed = Int32Array.from(
      batch.flatMap(({ block, first, count }) => Array.from({ length: count }, (_, i) => start(block) + first + i)),
    );
    const ids = recomputed.map((row) => tokens[row] ?? 0);
    await forwardStep(model, attention, allocator, [{ sequence, tokens: ids, logits: 'none', recomputed }]);
  }
  return harness.append(sequence, final);
}

function statesOf({ model: { backend }, layout }: ForwardHarness, blocks: readonly EncodedBlock[]) {
  return blocks.map(({ tokens, memory }) => ({ memory: backend.hostMemory(memory.address), layout, tokens }));
}

const digest = (blocks: readonly EncodedBlock[]) =>
  blocks.map(({ memory }) => createHash('sha256').update(memory.bytes).digest('hex'));

/** As the engine recomputes: through copies. */
async function recomputed(
  harness: ForwardHarness,
  blocks: readonly EncodedBlock[],
  how: Recomputation,
  final: Int32Array,
  scoreBytes?: number,
) {
  const { model, layout, growing: growingLayout, attention } = harness;
  const runner = new Runner({ model, attention, scoreBytes });
  const { signal } = new AbortController();
  const before = digest(blocks);
  if (attention.readsRows !== undefined) {
    const sequence = await harness.sequence(blocks, final.length);
    const context = blocks.map(({ tokens }) => tokens);
    const { tokens, flops } = await recomputeRows({ model, runner, sequence, context, question: final, signal }, how);
    expect(digest(blocks)).toEqual(before);
    const logits = await harness.append(sequence, final);
    await runner.close();
    return { logits, tokens, flops };
  }
  const path = harness.path;
  using context = await recomputeContext(
    { model, runner, layout, growingLayout, attention: path, question: final, signal },
    how,
    statesOf(harness, blocks),
  );
  expect(digest(blocks)).toEqual(before);
  const sequence = new Sequence(model.backend, growingLayout, context.blocks, final.length);
  const logits = await harness.append(sequence, final);
  sequence.dispose();
  await runner.close();
  return { logits, tokens: context.tokens, flops: context.flops };
}

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ attention, rounding }: AttentionPathCase) => {
  describe.each(Object.entries(recomputedVariants))('%s', (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    beforeAll(() => writeRandomModel(path, spec, 5));

    it('computes any tokens again as the reference does', async () => {
      const harness = await ForwardHarness.open(path, 'f32', attention);
      try {
        const prepared = fc.sample(plans, 12).map((plan) => {
          const prng = createPrng(plan.seed);
          const tokens = plan.lengths.map((n) => randomTokens(prng, harness.vocabulary, n));
          const final = randomTokens(prng, harness.vocabulary, plan.final);
          const marked = tokens.map((block) => Array.from(block, () => prng.uniform() < plan.share));
          return { plan, tokens, final, marked };
        });
        const bounds = await explainedErrors(path, 'f32', async (reference) => {
          const rows: Float32Array[] = [];
          for (const { tokens, marked, final } of prepared)
            rows.push(await expectedLogits(reference, tokens, marked, final));
          return rows;
        });
        for (const [i, { plan, tokens, final, marked }] of prepared.entries()) {
          const blocks = await harness.encode(tokens);
          const logits = await recompute(harness, blocks, marked, final);
          const expected = await expectedLogits(harness, tokens, marked, final);
          expectWithin(relativeError(logits, expected), bounds[i], JSON.stringify(plan));
          harness.clear();
        }
      } finally {
        harness.dispose();
      }
    });

    it('finds what the question attends to as the reference does', async () => {
      const harness = await ForwardHarness.open(path, 'f32', attention);
      try {
        const prng = createPrng(3);
        const random = (count: number) => randomTokens(prng, harness.vocabulary, count);
        const prepared = [
          { blocks: [9, 33, 1, 20].map(random), hidden: [0, 0, 0, 0], final: random(6) },
          { blocks: [5, 31, 2, 17].map(random), hidden: [0, 4, 4, 4], final: random(1) },
        ];
        const bounds = await explainedErrors(path, 'f32', async (reference) => {
          const rows: Float32Array[] = [];
          for (const { blocks, hidden, final } of prepared) {
            rows.push(await expectedWeights(reference, blocks, hidden, final));
          }
          return rows;
        });
        const { model, allocator } = harness;
        for (const [i, { blocks, hidden, final }] of prepared.entries()) {
          const sequence = await harness.sequence(await harness.encode(blocks), final.length, hidden);
          const found = await observeContext(model, harness.attention, allocator, { sequence, tokens: final });
          expect(found.map(({ length }) => length)).toEqual(blocks.map(({ length }) => length));
          const expected = await expectedWeights(harness, blocks, hidden, final);
          expectWithin(relativeError(Float32Array.from(found.flatMap((one) => [...one])), expected), bounds[i]);
          const ofHidden = found.map((one, block) => one.subarray(0, hidden[block]));
          expect(ofHidden.every((heads) => heads.every((weight) => weight === 0))).toBe(true);
          expect(sequence.length).toBe(final.length);
          harness.clear();
        }
      } finally {
        harness.dispose();
      }
    });
  });

  describe.each([embedded, ...stories260k])('$name', ({ path, headDim }) => {
    const types: KvType[] = headDim % 32 === 0 ? ['f32', 'f16', 'q8_0'] : ['f32', 'f16'];
    it.each(types)('recomputes nothing, heads, shares or everything, with %s states', async (type) => {
      const harness = await ForwardHarness.open(path, type, attention);
      const prng = createPrng(7);
      const tokens = [9, 40, 33, 1, 20].map((n) => randomTokens(prng, harness.vocabulary, n));
      const final = randomTokens(prng, harness.vocabulary, 6);
      const blocks = await harness.encode(tokens);
      const prompt = Int32Array.from(tokens.flatMap((block) => [...block]).concat(...final));
      const full = await harness.dense([prompt]);
      const marked = tokens.map((block, b) => Array.from(block, (_, i) => b > 0 && i < 4));
      const { model, allocator } = harness;
      const asking = await harness.sequence(blocks, final.length);
      const weights = await observeContext(model, harness.attention, allocator, { sequence: asking, tokens: final });
      const attended = tokens.map((block) => Array.from(block, () => false));
      for (const { block, first, count } of runsOfMost(weights.slice(1), 0.3))
        attended[block]?.fill(true, first, first + count);
      const explained = await explainedErrors(path, type, async (reference) => [
        (await reference.dense([prompt])).slice(),
        await expectedLogits(reference, tokens, marked, final),
        await expectedLogits(reference, tokens, attended, final),
      ]);
      const [whole = 0, heads = 0, chosen = 0] = explained.map(
        (error) => error * (rounding?.(type, prompt.length) ?? 1),
      );
      const plain = await harness.append(await harness.sequence(blocks, final.length), final);
      const error = async (how: Recomputation) => {
        const found = await recomputed(harness, blocks, how, final);
        return { ...found, fromFull: relativeError(found.logits, full), fromPlain: relativeError(found.logits, plain) };
      };
      expect(await error({ method: 'head', tokens: 0 })).toMatchObject({ tokens: 0, fromPlain: 0 });
      for (const all of [
        { method: 'head', tokens: 1000 },
        { method: 'deviation', share: 1 },
        { method: 'attention', share: 1 },
      ] as const) {
        const found = await error(all);
        expect(found.tokens).toBe(94);
        expectWithin(found.fromFull, whole);
      }
      const head = await error({ method: 'head', tokens: 4 });
      expect(head.tokens).toBe(4 + 4 + 1 + 4);
      const recomputedHeads = await expectedLogits(harness, tokens, marked, final);
      expectWithin(relativeError(head.logits, recomputedHeads), heads);
      const share = await error({ method: 'deviation', share: 0.5 });
      expect(share.tokens).toBe(47);
      expect(share.fromFull).toBeLessThan(relativeError(plain, full));
      expect(share.flops.total).toBeGreaterThan(head.flops.total);
      const recomputedAttended = await expectedLogits(harness, tokens, attended, final);
      // In one piece, and token by token, as where scores of a long context leave room for no more.
      for (const scoreBytes of [undefined, 1]) {
        const {
          logits,
          tokens: again,
          flops,
        } = await recomputed(harness, blocks, { method: 'attention', share: 0.3 }, final, scoreBytes);
        expect(again).toBe(28);
        expectWithin(relativeError(logits, recomputedAttended), chosen);
        // The question's one pass counts.
        expect(flops.linear).toBe(recomputeFlops(model.hyperParameters, 0, 28 + final.length).linear);
      }
      harness.dispose();
    });
  });
});
