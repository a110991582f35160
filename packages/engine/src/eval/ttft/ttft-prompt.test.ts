import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { loadLibrary, openTokenizer, type Tokenizer } from '../../ggml/index.ts';
import { exactPrompt } from './ttft-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-prompt-'));
const tokenizers = new Map<string, Tokenizer>();
beforeAll(async () => {
  await loadLibrary('cpu');
  for (const family of ['llama', 'qwen2'] as const) {
    const path = join(folder, `${family}.gguf`);
    await writeRandomModel(path, { family }, 1);
    tokenizers.set(family, await openTokenizer(path));
  }
});
afterAll(() => {
  for (const tokenizer of tokenizers.values()) tokenizer.dispose();
  rmSync(folder, { recursive: true, force: true });
});

// SentencePiece and byte-level BPE.
describe.each(['llama', 'qwen2'])('exactPrompt with the vocabulary of %s', (family) => {
  const make = (tokens: number, questionTokens = 50, blockTokens = 128) => {
    const tokenizer = tokenizers.get(family);
    if (tokenizer === undefined) throw new Error(`no tokenizer of ${family}`);
    return exactPrompt({ tokens, questionTokens, blockTokens, tokenizer });
  };

  it.each([30, 50, 120, 257, 1024])('has %d tokens', (tokens) => {
    const prompt = make(tokens);
    expect(prompt.tokens).toHaveLength(tokens);
    const context = prompt.blockTokens.reduce((sum, count) => sum + count, 0);
    expect(tokens - context).toBe(Math.min(tokens, 50));
    expect(Math.max(0, ...prompt.blockTokens)).toBeLessThanOrEqual(128);
    expect(prompt.passages).toHaveLength(Math.max(0, prompt.blockTokens.length - 1));
  });

  it('has passages of equal length and different text', () => {
    const { passages, blockTokens } = make(1000);
    const lengths = blockTokens.slice(1);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    expect(new Set(passages.map(({ text }) => text)).size).toBe(passages.length);
  });

  it('is the same each time', () => expect(make(200)).toEqual(make(200)));

  it('refuses lengths that no prompt has', () => {
    expect(() => make(55)).toThrow(/a prompt of 55 tokens has no room for a passage .*use at most 50 or at least \d+/);
    expect(() => make(2)).toThrow('no text of exactly 2 tokens');
  });
});
