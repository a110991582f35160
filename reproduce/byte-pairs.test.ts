import { expect, it } from 'vitest';
import { learnBytePairs } from './byte-pairs.ts';

it('merges the most frequent pairs first', () => {
  const { tokens, merges } = learnBytePairs(['the cat', 'the dog', 'the cow', 'the thing'], 3);
  expect(merges).toEqual(['t h', 'th e', 'Ġ c']);
  expect(tokens).toHaveLength(259);
  expect(tokens.slice(256)).toEqual(['th', 'the', 'Ġc']);
});

it('counts a word once per text, so that repeated names stay in pieces', () => {
  const { merges } = learnBytePairs([' zyx zyx zyx', 'ab', 'ab'], 10);
  expect(merges).toEqual(['a b']);
});
