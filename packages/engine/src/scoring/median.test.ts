import { expect, it } from 'vitest';
import { median } from './median.ts';

it.each([
  [[], undefined],
  [[3], 3],
  [[10, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
])('of %j', (values, result) => expect(median(values)).toBe(result));
