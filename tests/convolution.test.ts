/**
 * Short convolutions through stored blocks and sequences: what a block keeps of its last tokens, and what sequences make of
 * it when they are read in pieces, taken back and copied. That block mode is the oracle is block-mode.test.ts's.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runner } from '@block-attention/engine/internal/engine';
import { gatheredRefusal, type KvType } from '@block-attention/engine/internal/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseAttention } from '../packages/engine/src/engine/attention-choice.ts';
import { modelVariants } from './support/models/model-variants.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { type EncodedBlock, ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-convolution-'));
const path = join(folder, 'lfm2.gguf');
beforeAll(() => writeRandomModel(path, modelVariants.lfm2, 5));
afterAll(() => rmSync(folder, { recursive: true }));

/** Products of f32 in another order. */
const bound = 1e-4;
const types: KvType[] = ['f32', 'f16', 'q8_0'];

/** Inputs that a block keeps for its convolution number `tail`: [2 tokens][128 channels]. */
function tailOf({ layout }: ForwardHarness, { memory, tokens }: EncodedBlock, tail: number): Float32Array {
  const { bytes } = memory;
  return new Float32Array(bytes.buffer, bytes.byteOffset + layout.tailOffset(tail, tokens.length), 256).slice();
}

const digest = ({ memory }: EncodedBlock) => createHash('sha256').update(memory.bytes).digest('hex');

describe.each(attentionPaths)('$name attention', ({ attention }) => {
  async function withHarness(
    type: KvType,
    run: (harness: ForwardHarness, tokens: (count: number) => Int32Array) => Promise<void>,
  ): Promise<void> {
    const harness = await ForwardHarness.open(path, type, attention);
    const prng = createPrng(3);
    try {
      await run(harness, (count) => randomTokens(prng, harness.vocabulary, count));
    } finally {
      harness.dispose();
    }
  }

  it('a block keeps the inputs of its last two tokens, and before those of a single one zeros', () =>
    withHarness('f32', async (harness, tokens) => {
      const end = tokens(2);
      const [one, other] = [tokens(30), tokens(7)].map((start) => Int32Array.from([...start, ...end]));
      const single = end.subarray(1);
      const blocks = await harness.encode([one ?? end, other ?? end, end, single]);
      const [first = new Float32Array(0), ...others] = blocks.map((block) => tailOf(harness, block, 0));
      // Of the first layer, from embeddings alone.
      for (const tail of others.slice(0, 2)) expect(relativeError(tail, first)).toBeLessThan(1e-6);
      expect(Array.from(first).every((value) => value !== 0)).toBe(true);
      expect(others[2]?.subarray(0, 128)).toEqual(new Float32Array(128));
      expect(relativeError(others[2]?.subarray(128) ?? first, first.subarray(128))).toBeLessThan(1e-6);
      // Of the second from what the first makes of more tokens.
      const [deep = first, ...rest] = blocks.map((block) => tailOf(harness, block, 1));
      for (const tail of rest) expect(relativeError(tail, deep)).toBeGreaterThan(1e-3);
    }));

  it.each(types)('a block has the same bytes alone and in a batch, in any order, with %s states', (type) =>
    withHarness(type, async (harness, tokens) => {
      for (const before of [0, 40, 1]) {
        const anchor = tokens(before);
        const passages = (before === 0 ? [5, 33, 64, 1, 2] : [5, 33, 64]).map(tokens);
        const together = (await harness.encode(passages, anchor)).map(digest);
        const reversed = (await harness.encode(passages.toReversed(), anchor)).map(digest).reverse();
        expect(reversed).toEqual(together);
        for (const [i, passage] of passages.entries()) {
          expect((await harness.encode([passage], anchor)).map(digest)).toEqual([together[i]]);
        }
        harness.clear();
      }
    }),
  );

  it('what 8-bit blocks keep for convolutions is what those in 16 bits keep, to the bit', async () => {
    const tails: Float32Array[][] = [];
    for (const type of ['f16', 'q8_0'] as const) {
      await withHarness(type, async (harness, tokens) => {
        const [block] = await harness.encode([tokens(41)]);
        if (block) tails.push([0, 1, 2, 3].map((tail) => tailOf(harness, block, tail)));
      });
    }
    expect(tails[1]).toEqual(tails[0]);
  });

  it('a prompt read in pieces, of fewer tokens than a tail or more, is one read at once', () =>
    withHarness('f32', async (harness, tokens) => {
      const blocks = await harness.encode([21, 1, 34].map(tokens));
      const final = tokens(12);
      const expected = await harness.dense([...blocks.map((block) => block.tokens), final]);
      for (const cuts of [[1, 2, 3], [1, 5], [3, 4, 11], [10]]) {
        const sequence = await harness.sequence(blocks, final.length);
        const ends = [...cuts, final.length];
        let logits = new Float32Array(0);
        for (const [i, end] of ends.entries()) {
          logits = Float32Array.from(await harness.append(sequence, final.subarray(ends[i - 1] ?? 0, end)));
        }
        expect(relativeError(logits, expected), cuts.join()).toBeLessThan(bound);
      }
    }));

  it('a sequence that is taken back goes on as if nothing had been read', () =>
    withHarness('f32', async (harness, tokens) => {
      const blocks = await harness.encode([21, 34].map(tokens));
      const [final, wrong, right] = [tokens(9), tokens(7), tokens(5)];
      const context = blocks.map((block) => block.tokens);
      const sequence = await harness.sequence(blocks, 30);
      // Before anything was read, too: there the tail is the last block's.
      const start = sequence.mark();
      await harness.append(sequence, wrong);
      sequence.rewind(start);
      const read = await harness.append(sequence, final);
      expect(relativeError(read, await harness.dense([...context, final]))).toBeLessThan(bound);
      const mark = sequence.mark();
      for (let again = 0; again < 2; again++) {
        await harness.append(sequence, wrong);
        expect(sequence.holds(final.length)).toBe(false);
        sequence.rewind(mark);
        expect(sequence.length).toBe(final.length);
        expect(sequence.holds(final.length)).toBe(true);
      }
      const expected = await harness.dense([...context, Int32Array.from([...final, ...right])]);
      expect(relativeError(await harness.append(sequence, right), expected)).toBeLessThan(bound);
    }));

  it('a sequence is copied as a whole, and not in part', () =>
    withHarness('f32', async (harness, tokens) => {
      const { model } = harness;
      const runner = new Runner({ model, attention: harness.attention });
      const blocks = await harness.encode([21, 34].map(tokens));
      const [final, more] = [tokens(20), tokens(6)];
      const source = await harness.sequence(blocks, 40);
      await harness.append(source, final);
      const [whole, part] = [await harness.sequence(blocks, 60), await harness.sequence(blocks, 60)];
      expect(await runner.copyPrefix(source, part, 19)).toBe(false);
      expect(part.length).toBe(0);
      // What is being computed is nobody's to copy.
      source.begin();
      expect(await runner.copyPrefix(source, part, 20)).toBe(false);
      // Nor is it computed on from there.
      await expect(harness.append(source, more)).rejects.toMatchObject({ code: 'COMPUTE_FAILED' });
      source.advance(0);
      expect(await runner.copyPrefix(source, whole, 20)).toBe(true);
      const expected = await harness.dense([
        ...blocks.map((block) => block.tokens),
        Int32Array.from([...final, ...more]),
      ]);
      expect(relativeError(await harness.append(whole, more), expected)).toBeLessThan(bound);
      await runner.close();
    }));
});

it('rows, which are one for each token, have no place for them: refused, with what to do', async () => {
  const harness = await ForwardHarness.open(path, 'f16');
  const { model, layout } = harness;
  expect(gatheredRefusal(model, layout)).toContain('short convolutions keep a state for each block');
  expect(() => chooseAttention('gathered', model, layout)).toThrow(
    expect.objectContaining({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('use auto or portable') }),
  );
  expect(['native', 'portable']).toContain(chooseAttention('auto', model, layout).name);
  harness.dispose();
});
