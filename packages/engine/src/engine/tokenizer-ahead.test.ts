import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createEngineWith } from './engine.ts';
import { TokenizerAhead } from './tokenizer-ahead.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-ahead-'));
const modelPath = join(folder, 'model.gguf');
beforeAll(() => writeRandomModel(modelPath, { family: 'llama' }, 5));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('is taken once, and by its own model', async () => {
  await using ahead = new TokenizerAhead(modelPath, 'cpu');
  expect(ahead.take(join(folder, 'other.gguf'))).toBeUndefined();
  const tokenizer = await ahead.take(modelPath);
  expect(ahead.take(modelPath)).toBeUndefined();
  await ahead[Symbol.asyncDispose]();
  expect(tokenizer?.tokenize('bridge', false).length).toBeGreaterThan(0);
  tokenizer?.dispose();
});

it('serves an engine, which frees it', async () => {
  await using ahead = new TokenizerAhead(modelPath, 'cpu');
  const engine = await createEngineWith({ modelPath, device: 'cpu', cacheDir: folder }, { ahead });
  expect(ahead.take(modelPath)).toBeUndefined();
  await ahead[Symbol.asyncDispose]();
  expect(engine.tokenizer.count('the bridge')).toBeGreaterThan(0);
  await engine.close();
});

it('keeps what is wrong with a file for whoever takes it', async () => {
  const missing = join(folder, 'missing.gguf');
  await using ahead = new TokenizerAhead(missing, 'cpu');
  await expect(ahead.take(missing)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  await using _unused = new TokenizerAhead(missing, 'cpu');
});
