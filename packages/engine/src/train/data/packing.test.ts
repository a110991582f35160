/** That a step's sequences lie in rows, each once and whole, and that little of what is computed is padding. */
import { describe, expect, it } from 'vitest';
import type { TrainingSequence } from '../types.ts';
import { packParts, sequenceTokens } from './packing.ts';

const sequence = (length: number): TrainingSequence => ({
  blocks: [new Int32Array(length - 2), new Int32Array(2)],
  responseTokens: 1,
  mode: 'full',
});
const computed = (lengths: readonly number[], batchTokens: number) =>
  packParts(lengths.map(sequence), batchTokens).reduce((sum, { rowTokens, rows }) => sum + rowTokens * rows.length, 0);

describe('packParts', () => {
  it.each([
    ['one', [700]],
    ['of one length', [500, 500, 500, 500, 500]],
    ['of all lengths', [2600, 1500, 1210, 700, 96, 33, 5]],
    ['longer than a part', [4000, 3900, 20]],
  ])('places sequences %s once each, one after the other', (_, lengths) => {
    const sequences = lengths.map(sequence);
    const parts = packParts(sequences, 2048);
    const placed = parts.flatMap(({ rows }) => rows.flat());
    expect(placed.map(({ index }) => index).sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
    for (const { rowTokens, rows } of parts) {
      for (const row of rows) {
        let end = 0;
        for (const { index, start, length } of row) {
          expect(start).toBe(end);
          expect(length).toBe(sequenceTokens(sequences[index] ?? sequence(2)));
          end += length;
        }
        expect(end).toBeLessThanOrEqual(rowTokens);
      }
      expect(rows.length === 1 || rowTokens * rows.length <= 2048).toBe(true);
    }
  });

  it('gives rows lengths of their own where one length would be padding, and one length to sequences that are alike', () => {
    expect(computed([2600, 1500, 1210], 2048)).toBeLessThan(1.03 * (2600 + 1500 + 1210));
    const alike = packParts([480, 490, 500, 512].map(sequence), 2048);
    expect(alike).toHaveLength(1);
    expect(alike[0]?.rows).toHaveLength(4);
  });
});
