import { describe, expect, it } from 'vitest';
import {
  counted,
  formatBytes,
  formatDuration,
  formatFlops,
  formatMs,
  formatReduction,
  formatTable,
  wrap,
} from './format.ts';

describe('figures', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [150 * 2 ** 20, '150 MiB'],
    [2 ** 31, '2.0 GiB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
  it.each([
    [0.04, '0.0 ms'],
    [9.94, '9.9 ms'],
    [182.4, '182 ms'],
    [4012, '4,012 ms'],
    [17_500, '17.5 s'],
    [59_960, '1 min 00 s'],
    [200_000, '3 min 20 s'],
  ])('%d ms', (ms, text) => expect(formatMs(ms)).toBe(text));
  it.each([
    [0, '0 blocks'],
    [1, '1 block'],
    [1812, '1,812 blocks'],
  ])('%d blocks', (count, text) => expect(counted(count, 'block')).toBe(text));
  it('hours', () => expect(formatDuration(3_900_000)).toBe('1 h 05 min'));
  it('operations', () => expect(formatFlops(1.23e11)).toBe('1.2e11'));
  it.each([
    [10, 100, '-90.0 %'],
    [0.2, 100, '-99.80 %'],
    [100, 100, '0.0 %'],
    [127.5, 100, '+27.5 %'],
    [99.99, 100, '0.0 %'],
  ])('%d of %d', (part, whole, text) => expect(formatReduction(part, whole)).toBe(text));
});

it('sets columns', () => {
  expect(
    formatTable(
      [
        ['a', '1'],
        ['long', '1000'],
      ],
      { left: 1 },
    ),
  ).toEqual(['a        1', 'long  1000']);
});

it('wraps at spaces', () => {
  expect(wrap('one two  three\nfour', 9)).toEqual(['one two', 'three', 'four']);
  expect(wrap('', 9)).toEqual(['']);
  expect(wrap('unbreakable', 4)).toEqual(['unbreakable']);
});
