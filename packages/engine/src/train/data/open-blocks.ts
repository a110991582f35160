/**
 * Block dropout (the follow-up paper): in training, context blocks now and then see all before them, as a final block
 * does, so that blocks learn to read as well as to be read. Serving never opens a block.
 *
 * A function of the numbers given: a resumed run opens the same ones.
 */
import { createRandom } from '../../random.ts';
import type { TrainingSequence } from '../types.ts';

/**
 * @param probability of each block but a sequence's first, which has nothing before it
 * @param numbers the run's seed and the step
 */
export function openBlocks(
  sequences: readonly TrainingSequence[],
  probability: number,
  [seed, step]: readonly [number, number],
): readonly TrainingSequence[] {
  if (probability === 0) return sequences;
  const { uniform } = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b));
  return sequences.map((sequence) => {
    if (sequence.mode === 'full') return sequence;
    const open = Array.from({ length: sequence.blocks.length - 1 }, (_, i) => uniform() < probability && i > 0);
    return { ...sequence, open };
  });
}
