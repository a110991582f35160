import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../tests/support/random-model.ts';
import { openReference, type Reference } from './reference.ts';

const stories = '../shared/models/stories260k.gguf';
const present = existsSync(stories);
if (!present) console.warn(`skipped: ${stories} is absent`);

describe.skipIf(!present)('the reference', () => {
  let reference: Reference;
  const prompt = Int32Array.of(1, 403, 407, 261, 378, 432, 382, 383);
  beforeAll(async () => {
    reference = await openReference(stories, { contextTokens: 256, threads: 1, kvType: 'f32', batch: 8 });
  });
  afterAll(() => reference[Symbol.asyncDispose]());

  it('gives the same logits in one batch, in many, and token by token', async () => {
    await reference.clear();
    const tokens = Int32Array.from({ length: 20 }, (_, i) => 1 + ((i * 37) % 500));
    const all = await reference.decode(tokens, { logits: 'all' });
    expect(all).toHaveLength(20);
    expect(all.every((row) => row.length === 512 && row.every(Number.isFinite))).toBe(true);
    await reference.clear();
    for (const [i, token] of tokens.entries()) {
      const [row] = await reference.decode(Int32Array.of(token), { logits: 'last' });
      expect(distance(row, all[i])).toBeLessThan(1e-5);
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
    await refuse(Int32Array.of(512)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await refuse(new Int32Array(257)).toMatchObject({ code: 'CONTEXT_OVERFLOW' });
    await expect(openReference(stories, { contextTokens: Number.NaN, threads: 1 })).rejects.toMatchObject({
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
    const other = await openReference(stories, { contextTokens: 16, threads: 1 });
    const running = other.decode(prompt, { logits: 'last' });
    await other[Symbol.asyncDispose]();
    await expect(running).resolves.toHaveLength(1);
    expect(() => other.clear()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });
});

/** Relative L2 distance. */
function distance(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let norm = 0;
  for (const [i, x] of a.entries()) {
    difference += (x - (b[i] ?? 0)) ** 2;
    norm += (b[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / norm);
}

describe('sequences side by side', () => {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('share what the first one read, and go on as they would alone', async () => {
    const path = join(folder, 'model.gguf');
    await writeRandomModel(path, { family: 'llama' }, 5);
    const common = { contextTokens: 256, threads: 1, kvType: 'f32' } as const;
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
        const [expected] = await alone.decode(tokens, { logits: 'last' });
        expect(distance(row, expected)).toBeLessThan(1e-4);
      }
    }
    await expect(together.decodeEach(Int32Array.of(1))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
