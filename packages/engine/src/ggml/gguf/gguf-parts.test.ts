import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { splitModel } from '../../../../../tests/support/models/split-model.ts';
import { ForwardHarness, randomTokens } from '../../../../../tests/support/oracle/forward-harness.ts';
import { createPrng } from '../../../../../tests/support/prng.ts';
import { weightsDigest } from '../../model/index.ts';
import { saveModel } from '../../train/files/write-model.ts';
import { openTokenizer } from '../llama/vocab.ts';
import { openGguf } from './gguf-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-parts-'));
afterAll(() => rmSync(folder, { recursive: true }));
const whole = join(folder, 'whole.gguf');
const other = join(folder, 'other.gguf');
beforeAll(async () => {
  await writeRandomModel(whole, { family: 'qwen3', layers: 2 }, 1);
  await writeRandomModel(other, { family: 'qwen3', layers: 2 }, 2);
});

const logitsOf = async (path: string) => {
  const harness = await ForwardHarness.open(path, 'f32');
  try {
    const tokens = randomTokens(createPrng(3), harness.vocabulary, 20);
    return (await harness.append(await harness.sequence([], 20), tokens)).slice();
  } finally {
    harness.dispose();
  }
};
const open = async (parts: readonly string[], which = 0) => openGguf(parts[which] ?? '');

it.each([2, 3, 40])('a model in %i files is the model', async (count) => {
  const parts = await splitModel(whole, join(folder, `in-${count}`), count);
  const file = await open(parts);
  const one = await openGguf(whole);
  expect(file.paths).toEqual(parts);
  expect([...file.tensors.keys()]).toEqual([...one.tensors.keys()]);
  expect(file.value('qwen3.block_count')).toBe(2);
  expect(await logitsOf(file.path)).toEqual(await logitsOf(whole));
  const tokenizer = await openTokenizer(file.path);
  expect(tokenizer.size).toBe(one.tensors.get('token_embd.weight')?.ne[1]);
  tokenizer.dispose();
});

it('what is written from it is one file again', async () => {
  const [first = ''] = await splitModel(whole, join(folder, 'source'), 3);
  const written = join(folder, 'written.gguf');
  await saveModel(written, await openGguf(first), () => undefined, { weights: 'same' });
  expect((await openGguf(written)).keys).toEqual((await openGguf(whole)).keys);
  expect(await logitsOf(written)).toEqual(await logitsOf(whole));
});

it('the digest tells every part', async () => {
  const memory = join(folder, 'digests');
  const [first = '', second = '', third = ''] = await splitModel(whole, join(folder, 'digest'), 3);
  const before = await weightsDigest(first, memory);
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  expect(before).not.toBe(await weightsDigest(second, memory));
  await splitModel(other, join(folder, 'stranger'), 3);
  renameSync(join(folder, 'stranger-00003-of-00003.gguf'), third);
  expect(await weightsDigest(first, memory)).not.toBe(before);
});

it('refuses what is not a whole model, saying what to do', async () => {
  const stem = join(folder, 'torn');
  const parts = await splitModel(whole, stem, 3);
  const [first = '', second = '', third = ''] = parts;
  await expect(open(parts, 1)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(/is part 2 of a model in 3 files: give the first, torn-00001-of-00003\.gguf/),
  });
  copyFileSync(second, third);
  await expect(open(parts)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(/torn-00003-of-00003\.gguf is part 2 of 3 by its header, by its name part 3 of 3/),
  });
  copyFileSync(whole, third);
  await expect(open(parts)).rejects.toMatchObject({ message: expect.stringContaining('is not a part of a model') });
  rmSync(third);
  await expect(open(parts)).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringMatching(/is the first of 3 files, torn-00003-of-00003\.gguf is not beside it/),
  });
  const renamed = join(folder, 'renamed.gguf');
  renameSync(first, renamed);
  await expect(openGguf(renamed)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(/its name does not say so: name the parts NAME-00001-of-00003\.gguf/),
  });
});

it('refuses a part of another model', async () => {
  const bigger = join(folder, 'bigger.gguf');
  await writeRandomModel(bigger, { family: 'qwen3', layers: 3 }, 1);
  const parts = await splitModel(whole, join(folder, 'mixed'), 2);
  const [, foreign = ''] = await splitModel(bigger, join(folder, 'bigger'), 2);
  copyFileSync(foreign, parts[1] ?? '');
  await expect(open(parts)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(/its 2 files have \d+ tensors, the first says \d+/),
  });
  const again = await splitModel(whole, join(folder, 'again'), 3);
  const [, , last = ''] = await splitModel(whole, join(folder, 'shifted'), 3);
  const shifted = await splitModel(bigger, join(folder, 'larger'), 3);
  copyFileSync(shifted[1] ?? '', again[1] ?? '');
  copyFileSync(last, again[2] ?? '');
  await expect(open(again)).rejects.toMatchObject({ message: expect.stringContaining('as an earlier part has') });
});
