import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { sentencePieceModels } from '../../../../../tests/support/models/sentence-piece-models.ts';
import { relativeError } from '../../../../../tests/support/oracle/forward-harness.ts';
import { expectWithin, roundingMargin, withPerturbed } from '../../../../../tests/support/oracle/rounding.ts';
import { openReference, type Reference, type ReferenceOptions } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await sentencePieceModels(folder))('the reference, $name', ({ path }) => {
  const options = { contextTokens: 256, threads: 1, kvType: 'f32', batch: 8 } as const;
  let reference: Reference;
  const prompt = Int32Array.of(1, 203, 207, 261, 278, 332, 282, 283);
  beforeAll(async () => {
    reference = await openReference(path, options);
  });
  afterAll(() => reference[Symbol.asyncDispose]());

  it('gives the same logits in one batch, in many, and token by token', async () => {
    const tokens = Int32Array.from({ length: 20 }, (_, i) => 1 + ((i * 37) % 300));
    const rounding = await roundingOf(path, options, tokens);
    await reference.clear();
    const all = await reference.decode(tokens, { logits: 'all' });
    expect(all).toHaveLength(20);
    expect(all.every((row) => row.length === reference.vocabulary && row.every(Number.isFinite))).toBe(true);
    await reference.clear();
    for (const [i, token] of tokens.entries()) {
      const [row = new Float32Array(0)] = await reference.decode(Int32Array.of(token), { logits: 'last' });
      expectWithin(relativeError(row, all[i] ?? new Float32Array(0)), roundingMargin * rounding);
    }
  });

  it('continues a story greedily, the same way each time', async () => {
    await reference.clear();
    const first = await reference.greedy(prompt, 12);
    await reference.clear();
    expect(await reference.greedy(prompt, 12)).toEqual(first);
  });

  it('restores a saved state bit for bit', async () => {
    await reference.clear();
    await reference.decode(prompt, { logits: 'last' });
    const state = await reference.saveState();
    const next = Int32Array.of(300);
    const [before] = await reference.decode(next, { logits: 'last' });
    await reference.clear();
    await reference.restoreState(state);
    expect((await reference.decode(next, { logits: 'last' }))[0]).toEqual(before);
    await expect(reference.restoreState(state.slice(0, 10))).rejects.toMatchObject({ code: 'COMPUTE_FAILED' });
  });

  it('refuses what the native side would abort on', async () => {
    await reference.clear();
    const refuse = (tokens: Int32Array) => expect(reference.decode(tokens, { logits: 'last' })).rejects;
    await refuse(new Int32Array(0)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await refuse(Int32Array.of(reference.vocabulary)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await refuse(new Int32Array(257)).toMatchObject({ code: 'CONTEXT_OVERFLOW' });
    await expect(openReference(path, { contextTokens: Number.NaN, threads: 1 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('does not block the event loop', async () => {
    await reference.clear();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await reference.decode(new Int32Array(250).fill(300), { logits: 'last' });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(1);
  });

  it('answers nothing once disposed', async () => {
    const other = await openReference(path, { contextTokens: 16, threads: 1 });
    const running = other.decode(prompt, { logits: 'last' });
    await other[Symbol.asyncDispose]();
    await expect(running).resolves.toHaveLength(1);
    expect(() => other.clear()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });
});

/** Relative error of logits that rounding explains: the greatest of any token's. */
async function roundingOf(path: string, options: ReferenceOptions, tokens: Int32Array): Promise<number> {
  const logits = async (model: string) => {
    await using reference = await openReference(model, options);
    return await reference.decode(tokens, { logits: 'all' });
  };
  const rows = await logits(path);
  const errors = await withPerturbed(path, async (copy) =>
    (await logits(copy)).map((row, i) => relativeError(row, rows[i] ?? new Float32Array(0))),
  );
  return Math.max(...errors.flat());
}

describe('sequences side by side', () => {
  it('share what the first one read, and go on as they would alone', async () => {
    const path = join(folder, 'model.gguf');
    await writeRandomModel(path, { family: 'llama' }, 5);
    const common = { contextTokens: 256, threads: 1, kvType: 'f32' } as const;
    const rounding = await roundingOf(path, common, Int32Array.of(5, 9, 30, 41, 52, 7, 8, 20, 31));
    await using alone = await openReference(path, common);
    await using together = await openReference(path, { ...common, sequences: 3 });
    const prompt = Int32Array.of(5, 9, 30, 41, 52, 7, 8);
    await together.decode(prompt, { logits: 'last' });
    // The second round forgets what the first one added.
    for (const round of [1, 2]) {
      await together.share(prompt.length);
      const first = Int32Array.of(20, 21, 22);
      const second = Int32Array.of(30 + round, 40, 50);
      await together.decodeEach(first);
      const rows = await together.decodeEach(second);
      for (const [i, row] of rows.entries()) {
        await alone.clear();
        const tokens = Int32Array.of(...prompt, first[i] ?? 0, second[i] ?? 0);
        const [expected = new Float32Array(0)] = await alone.decode(tokens, { logits: 'last' });
        expectWithin(relativeError(row, expected), roundingMargin * rounding);
      }
    }
    await expect(together.decodeEach(Int32Array.of(1))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
