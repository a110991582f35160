import { describe, expect, it } from 'vitest';
import { bytesOption, durationOption, listOption, numberOption } from './numbers.ts';

describe('numberOption', () => {
  const whole = numberOption('--n', { min: 1, max: 10, whole: true });
  it.each([
    ['1', 1],
    ['10', 10],
    ['+3', 3],
    ['1e1', 10],
  ])('reads %j', (text, value) => expect(whole(text)).toBe(value));
  it.each(['', ' 1', '0', '-1', '11', '1.5', '5x', 'NaN', 'Infinity', '0x5', '1_0', '1,0', '٣'])(
    'refuses %j',
    (text) => {
      expect(() => whole(text)).toThrow(`--n is ${JSON.stringify(text)}: give a whole number from 1 to 10`);
    },
  );
  it('reads fractions where they are allowed', () => {
    expect(numberOption('--p', { min: 0, max: 1 })('.25')).toBe(0.25);
    expect(numberOption('--x')('-2.5')).toBe(-2.5);
    expect(() => numberOption('--x')('1e999')).toThrow('give a number');
    expect(() => numberOption('--x', { max: 3 })('4')).toThrow('a number of at most 3');
  });
});

describe('listOption', () => {
  it('sorts, and drops repetitions', () => {
    expect(listOption('--lengths')('512, 50,512')).toEqual([50, 512]);
  });
  it.each(['', '50,', '50,-1', '50;60', '1.5'])('refuses %j', (text) => {
    expect(() => listOption('--lengths')(text)).toThrow('--lengths is');
  });
});

describe('bytesOption', () => {
  it.each([
    ['1048576', 2 ** 20],
    ['2GiB', 2 ** 31],
    ['500 MB', 5e8],
    ['1.5kib', 1536],
    ['0', 0],
  ])('reads %j', (text, value) => expect(bytesOption('--disk')(text)).toBe(value));
  it.each(['', '-1', 'GiB', '2 Gigs', '1e3', '9999999999TiB'])('refuses %j', (text) => {
    expect(() => bytesOption('--disk')(text)).toThrow(`--disk is ${JSON.stringify(text)}`);
  });
});

describe('durationOption', () => {
  it.each([
    ['30d', 2_592_000_000],
    ['1.5h', 5_400_000],
    ['90m', 5_400_000],
    ['45s', 45_000],
  ])('reads %j', (text, value) => expect(durationOption('--ttl')(text)).toBe(value));
  it.each(['', '30', '0d', '-1d', '3 d', '1w', 'd'])('refuses %j', (text) => {
    expect(() => durationOption('--ttl')(text)).toThrow(`--ttl is ${JSON.stringify(text)}`);
  });
});
