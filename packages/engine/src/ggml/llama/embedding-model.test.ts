import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type EncoderWeights,
  encodeByDefinition,
  encoderShape,
  vocabulary,
  writeRandomEncoder,
} from '../../../../../tests/support/models/random-encoder.ts';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { openEmbeddingModel } from './embedding-model.ts';

let folder: string;
let encoder: string;
let weights: EncoderWeights;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'block-attention-embed-'));
  encoder = join(folder, 'bert.gguf');
  weights = await writeRandomEncoder(encoder, 11);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const ids = (...words: string[]) =>
  ['[CLS]', ...words.map((word) => `▁${word}`), '[SEP]'].map((word) => vocabulary.indexOf(word));

describe('an encoder', () => {
  it('gives what its definition in float64 gives', async () => {
    await using model = await openEmbeddingModel(encoder, { threads: 1 });
    expect(model).toMatchObject({ dimensions: 32, pooling: 'mean', maxTokens: encoderShape.context });
    const vector = await model.embed('the bridge was opened');
    const expected = encodeByDefinition(weights, ids('the', 'bridge', 'was', 'opened'));
    for (const [i, value] of expected.entries()) expect(vector[i]).toBeCloseTo(value, 2);
    expect(dot(vector, expected)).toBeGreaterThan(0.9999);
    expect(dot(vector, vector)).toBeCloseTo(1, 5);
  });

  it('gives the same for the same text, whatever came before, one after another', async () => {
    await using model = await openEmbeddingModel(encoder, { threads: 1 });
    const alone = await model.embed('the keys');
    const [, again, other] = await Promise.all(
      ['by the mayor', 'the keys', 'harbour'].map((text) => model.embed(text)),
    );
    expect(again).toEqual(alone);
    expect(dot(alone, other ?? [])).toBeLessThan(0.999);
  });

  it('cuts off what is too long', async () => {
    await using model = await openEmbeddingModel(encoder, { threads: 1 });
    const long = await model.embed('the bridge '.repeat(500));
    const cut = await model.embed('the bridge '.repeat(31));
    expect(dot(long, cut)).toBeGreaterThan(0.999);
    expect(dot(await model.embed(''), await model.embed(' '))).toBeCloseTo(1, 5);
  });

  it('pools as the file says', async () => {
    const path = join(folder, 'cls.gguf');
    await writeRandomEncoder(path, 11, 2);
    await using model = await openEmbeddingModel(path, { threads: 1 });
    expect(model.pooling).toBe('cls');
    await using mean = await openEmbeddingModel(encoder, { threads: 1 });
    expect(dot(await model.embed('the keys'), await mean.embed('the keys'))).toBeLessThan(0.99);
  });
});

describe('a decoder', () => {
  it('is averaged when its file says nothing, and remembers nothing from one text to the next', async () => {
    const path = join(folder, 'llama.gguf');
    await writeRandomModel(path, { family: 'llama' }, 3);
    await using model = await openEmbeddingModel(path, { threads: 1 });
    expect(model.pooling).toBe('mean');
    const alone = await model.embed('the bridge was opened');
    await model.embed('of the question and the answer');
    expect(dot(await model.embed('the bridge was opened'), alone)).toBeCloseTo(1, 5);
  });
});

describe('what cannot be used', () => {
  it('is refused', async () => {
    await expect(openEmbeddingModel(join(folder, 'none.gguf'), { threads: 1 })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(openEmbeddingModel(encoder, { threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(openEmbeddingModel(encoder, { threads: 1, maxTokens: 0.5 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const model = await openEmbeddingModel(encoder, { threads: 1 });
    await model[Symbol.asyncDispose]();
    expect(() => model.embed('x')).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    expect(existsSync(encoder)).toBe(true);
  });
});
