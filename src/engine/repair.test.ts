import { describe, expect, it } from 'vitest';
import { checkRepair, formatRepair, parseRepair, type Repair } from './repair.ts';

describe('parseRepair', () => {
  it.each([
    ['none', { method: 'none' }],
    ['head:8', { method: 'head', tokens: 8 }],
    [' deviation:0.15 ', { method: 'deviation', share: 0.15 }],
    ['deviation:1', { method: 'deviation', share: 1 }],
    ['head:0', { method: 'none' }],
    ['deviation:0', { method: 'none' }],
  ] as const)('reads %j', (text, repair) => {
    expect(parseRepair(text)).toEqual(repair);
    expect(parseRepair(formatRepair(parseRepair(text)))).toEqual(repair);
  });

  it.each([
    '',
    'head',
    'head:',
    'head:-1',
    'head:1.5',
    'head:1e9',
    'head:99999999999',
    'none:1',
    'deviation:1.01',
    'tail:3',
  ])('refuses %j', (text) => {
    expect(() => parseRepair(text)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('checkRepair', () => {
  it.each([
    { method: 'head', tokens: Number.NaN },
    { method: 'deviation', share: Number.NaN },
    { method: 'deviation', share: -0.1 },
    { method: 'other' },
  ])('refuses %j', (repair) => {
    expect(() => checkRepair(repair as Repair)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
