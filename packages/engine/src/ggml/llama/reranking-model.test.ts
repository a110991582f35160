import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type EncoderWeights,
  encoderShape,
  rankByDefinition,
  vocabulary,
  writeRandomEncoder,
} from '../../../../../tests/support/models/random-encoder.ts';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { openEmbeddingModel } from './embedding-model.ts';
import { openRerankingModel } from './reranking-model.ts';

let folder: string;
let reranker: string;
let weights: EncoderWeights;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'block-attention-rerank-'));
  reranker = join(folder, 'reranker.gguf');
  weights = await writeRandomEncoder(reranker, 11, 4);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const id = (word: string) => vocabulary.indexOf(word.startsWith('[') ? word : `▁${word}`);
const pair = (question: string, text: string) =>
  ['[CLS]', ...question.split(' '), '[SEP]', ...text.split(' '), '[SEP]'].map(id);

describe('a reranker', () => {
  it('gives what its definition in float64 gives, for the pair as BERT was trained on it', async () => {
    await using model = await openRerankingModel(reranker, { threads: 1 });
    expect(model.maxTokens).toBe(encoderShape.context);
    const [question, ...texts] = ['the bridge was opened', 'by the mayor', 'harbour keys', 'in the bridge'];
    for (const text of texts) {
      const expected = rankByDefinition(weights, pair(question ?? '', text));
      expect(Math.abs((await model.score(question ?? '', text)) - expected)).toBeLessThan(0.02);
    }
    expect(await model.score('the keys', 'the bridge')).not.toBeCloseTo(await model.score('the bridge', 'the keys'), 2);
  });

  it('gives the same for the same pair, several at once', async () => {
    await using model = await openRerankingModel(reranker, { threads: 1 });
    const alone = await model.score('the keys', 'the bridge');
    const [, again] = await Promise.all(
      ['by the mayor', 'the bridge', 'key'].map((text) => model.score('the keys', text)),
    );
    expect(again).toBe(alone);
  });

  it('cuts off what is too long of either, and reads what is empty', async () => {
    await using model = await openRerankingModel(reranker, { threads: 1 });
    const [question, text] = ['the key '.repeat(400), 'the bridge '.repeat(500)];
    const most = encoderShape.context - 3;
    const asked = question
      .trim()
      .split(' ')
      .slice(0, Math.floor(most / 2))
      .join(' ');
    const read = text
      .trim()
      .split(' ')
      .slice(0, most - Math.floor(most / 2))
      .join(' ');
    expect(await model.score(question, text)).toBeCloseTo(rankByDefinition(weights, pair(asked, read)), 1);
    expect(await model.score('', '')).toEqual(expect.any(Number));
  });
});

describe('what cannot be used', () => {
  it('is refused', async () => {
    await expect(openRerankingModel(join(folder, 'none.gguf'), { threads: 1 })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(openRerankingModel(reranker, { threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(openEmbeddingModel(reranker, { threads: 1 })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    const encoder = join(folder, 'mean.gguf');
    await writeRandomEncoder(encoder, 11);
    const decoder = join(folder, 'llama.gguf');
    await writeRandomModel(decoder, { family: 'llama' }, 3);
    for (const path of [encoder, decoder]) {
      await expect(openRerankingModel(path, { threads: 1 })).rejects.toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringContaining('has no head that ranks'),
      });
    }
    const model = await openRerankingModel(reranker, { threads: 1 });
    await model[Symbol.asyncDispose]();
    await expect(model.score('x', 'y')).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
