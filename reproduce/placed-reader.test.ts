import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineRounding } from '../tests/support/answers.ts';
import { tieBound } from '../tests/support/continuations.ts';
import { writeRandomModel } from '../tests/support/models/random-model.ts';
import { type Places, Reader } from './placed-reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-reader-'));
const question = {
  question: 'when was the bridge opened?',
  answers: ['1911'],
  passages: [{ text: 'the bridge was opened in 1911.' }, { text: 'the answer is in the passage.' }],
};
const modelPath = join(folder, 'model.gguf');
let reader: Reader;
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 512 }, 5);
  reader = await Reader.open({ modelPath, device: 'cpu', cacheDir: folder });
});
afterAll(async () => {
  await reader[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('Reader.read', () => {
  const read = (places?: (tokens: readonly number[]) => Places) =>
    reader.read(question, { mode: 'block', maxTokens: 2, stop: [], signal: new AbortController().signal, places });
  const total = (tokens: readonly number[]) => tokens.reduce((sum, count) => sum + count, 0);

  it.each(['full', 'block'] as const)('reads as an engine does: %s', async (mode) => {
    await using engine = await createEngine({ modelPath, device: 'cpu', cacheDir: folder });
    let expected = new Float32Array(0);
    const onPromptLogits = (logits: Float32Array) => {
      expected = logits.slice();
    };
    await engine.answer({ ...question, mode, policy: 'plain', maxTokens: 2, onPromptLogits }).result;
    const signal = new AbortController().signal;
    const { logits } = await reader.read(question, { mode, maxTokens: 2, stop: [], signal });
    const furthest = Math.max(...logits.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
    expect(furthest).toBeLessThan(tieBound(expected, await engineRounding(modelPath)));
  });

  it('puts blocks one after the other', async () => {
    const inOrder = (tokens: readonly number[]) => ({
      starts: tokens.map((_, i) => total(tokens.slice(0, i))),
      first: total(tokens),
    });
    expect((await read(inOrder)).logits).toEqual((await read()).logits);
  });

  it('moves all of a prompt without effect, and its parts with one', async () => {
    const { logits } = await read();
    const furthest = (other: Float32Array) => Math.max(...other.map((value, i) => Math.abs(value - (logits[i] ?? 0))));
    const moved = await read((tokens) => ({
      starts: tokens.map((_, i) => 100 + total(tokens.slice(0, i))),
      first: 100 + total(tokens),
    }));
    expect(furthest(moved.logits)).toBeLessThan(tieBound(logits, await engineRounding(modelPath)));
    const local = await read((tokens) => ({ starts: tokens.map(() => 0), first: total(tokens) }));
    expect(furthest(local.logits)).toBeGreaterThan(0.1);
  });
});
