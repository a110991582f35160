import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTokenizer, type VocabTokenizer } from '../../ggml/index.ts';
import { neutralText } from './anchor-text.ts';
import { anchorTokens } from './anchor-tokens.ts';

const model = fileURLToPath(new URL('../../../../../models/embedded.gguf', import.meta.url));
let tokenizer: VocabTokenizer;

beforeAll(async () => {
  expect(existsSync(model)).toBe(true);
  tokenizer = await openTokenizer(model);
});
afterAll(() => tokenizer.dispose());

const neutral = (tokens: number) => {
  const header = anchorTokens({ kind: 'header' }, tokenizer, 'auto');
  const all = anchorTokens({ kind: 'neutral', tokens }, tokenizer, 'auto');
  expect(Array.from(all.subarray(0, header.length))).toEqual(Array.from(header));
  return all.subarray(header.length);
};

test.each([40, 100, 200, 300])('%i tokens at most: whole sentences and a blank line', (most) => {
  const tokens = neutral(most);
  expect(tokens.length).toBeLessThanOrEqual(most);
  const whole = [...neutralText.matchAll(/(?<=[.?!])\s/g)]
    .map(({ index }) => tokenizer.tokenize(`${neutralText.slice(0, index)}\n\n`, false))
    .filter(({ length }) => length <= most);
  // As many as fit; where none does, the first tokens.
  const expected = whole.at(-1) ?? tokenizer.tokenize(neutralText, false).subarray(0, most);
  expect(Array.from(tokens)).toEqual(Array.from(expected));
});

test('more tokens never mean less text, and few are the first ones', () => {
  const lengths = [1, 5, 20, 60, 120, 180, 240, 300].map((most) => neutral(most).length);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(Array.from(neutral(3))).toEqual(Array.from(tokenizer.tokenize(neutralText, false).subarray(0, 3)));
});
