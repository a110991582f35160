import { describe, expect, it } from 'vitest';
import type { TrainingSequence } from '../types.ts';
import { openBlocks } from './open-blocks.ts';

const sequence = (mode: 'full' | 'block'): TrainingSequence => ({
  blocks: Array.from({ length: 6 }, () => Int32Array.of(1, 2)),
  responseTokens: 1,
  mode,
});
const many = Array.from({ length: 400 }, () => [sequence('full'), sequence('block')]).flat();

describe('openBlocks', () => {
  it('opens blocks of block mode, the first never, as often as asked', () => {
    const opened = openBlocks(many, 0.3, [1, 5]);
    const flags = opened.map(({ open = [] }) => open);
    expect(flags.filter((_, i) => i % 2 === 0).flat()).toEqual([]);
    const block = flags.filter((_, i) => i % 2 === 1);
    expect(block.every((open) => open.length === 5 && open[0] === false)).toBe(true);
    const share = block.flatMap((open) => open.slice(1)).filter(Boolean).length / (4 * block.length);
    expect(Math.abs(share - 0.3)).toBeLessThan(0.04);
  });

  it('depends on seed and step alone', () => {
    expect(openBlocks(many, 0.3, [1, 5])).toEqual(openBlocks(many, 0.3, [1, 5]));
    expect(openBlocks(many, 0.3, [1, 6])).not.toEqual(openBlocks(many, 0.3, [1, 5]));
    expect(openBlocks(many, 0.3, [2, 5])).not.toEqual(openBlocks(many, 0.3, [1, 5]));
    expect(openBlocks(many, 0, [1, 5])).toBe(many);
  });
});
