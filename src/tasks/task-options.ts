/** What the generators of synthetic tasks share: checks of their options, and the seed of each task. */
import { BlockAttentionError, createRandom, type Random } from '@block-attention/engine/internal/base';
import { type TaskSplit, taskSplits } from './task-names.ts';

/** @throws INVALID_ARGUMENT naming what is not a whole number in [min, max]. @param why said behind the remedy */
export function checkRange(values: Readonly<Record<string, number>>, min: number, max: number, why = ''): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value >= min && value <= max) continue;
    const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    throw invalidOption(`${name} is ${value}: give a whole number ${range}${why}`);
  }
}

/** @throws INVALID_ARGUMENT */
export function checkSplit(split: TaskSplit): void {
  if (!taskSplits.includes(split))
    throw invalidOption(`split is ${String(split)}: use one of ${taskSplits.join(', ')}`);
}

/** The random numbers of task `index`: splits differ in more than names. @param kind tells generators apart */
export function taskRandom(seed: number, split: TaskSplit, index: number, kind: number): Random {
  const number = index * taskSplits.length + taskSplits.indexOf(split) + 1;
  return createRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(number, kind));
}

export function invalidOption(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
