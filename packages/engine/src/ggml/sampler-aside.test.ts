import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createPrng } from '../../../../tests/support/prng.ts';
import { createSampler } from './llama/sampler.ts';
import type { SamplerOptions } from './llama/sampler-options.ts';
import { openTokenizer, type VocabTokenizer } from './llama/vocab.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-sampler-'));
let tokenizer: VocabTokenizer;
beforeAll(async () => {
  const path = join(folder, 'model.gguf');
  await writeRandomModel(path, { family: 'llama' }, 3);
  tokenizer = await openTokenizer(path);
});
afterAll(() => {
  tokenizer.dispose();
  rmSync(folder, { recursive: true });
});

/** Logits of a step, the same each time. */
function logitsOf(step: number): Float32Array {
  const prng = createPrng(step + 1);
  return Float32Array.from({ length: tokenizer.size }, () => 10 * prng.uniform());
}

const many = `root ::= (${Array.from({ length: 3000 }, (_, i) => `"value ${i}"`).join(' | ')})+`;

it.each<[string, SamplerOptions]>([
  ['without a grammar', { temperature: 1, seed: 3 }],
  ['by a grammar', { grammar: 'root ::= [a-z ]+' }],
  [
    'by a grammar, drawn and penalised',
    { grammar: 'root ::= [a-z ]+', temperature: 1, topK: 40, frequencyPenalty: 1, seed: 5 },
  ],
  ['by a grammar of many alternatives', { grammar: many, temperature: 1, seed: 7 }],
])('chooses aside what it chooses here: %s', async (_, options) => {
  using here = createSampler(options, tokenizer);
  using aside = createSampler(options, tokenizer);
  using other = createSampler(options, tokenizer);
  for (let step = 0; step < 12; step++) {
    const logits = logitsOf(step);
    // Two at once do not share what they choose among.
    const [first, second] = await Promise.all([aside.sampleAside(logits), other.sampleAside(logits.slice())]);
    expect([first, second]).toEqual([here.sample(logits), first]);
  }
});

it('leaves the event loop free while a grammar is at work', async () => {
  using sampler = createSampler({ grammar: many }, tokenizer);
  let turns = 0;
  let timer = setImmediate(function count() {
    turns += 1;
    timer = setImmediate(count);
  });
  // Three steps each, and none of them within this turn.
  for (let step = 0; step < 10; step++) await sampler.sampleAside(logitsOf(step));
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(9);
});

it('meets the same errors aside', async () => {
  using sampler = createSampler({ grammar: 'root ::= "a"' }, tokenizer);
  await expect(sampler.sampleAside(new Float32Array(3))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const bad = logitsOf(0).fill(Number.NaN);
  await expect(sampler.sampleAside(bad)).rejects.toMatchObject({ code: 'COMPUTE_FAILED' });
  sampler[Symbol.dispose]();
  await expect(sampler.sampleAside(logitsOf(0))).rejects.toMatchObject({ code: 'DISPOSED' });
});
