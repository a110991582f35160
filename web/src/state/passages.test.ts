import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { harbourRegister } from '../lib/sample-register.ts';
import { samples } from '../lib/samples.ts';
import { documentsOf, noPassages, reducePassages } from './passages.ts';
import { chatBody, defaultSettings } from './settings.ts';

const three = reducePassages(noPassages, { type: 'load', documents: ['a', 'b', 'c'].map((text) => ({ text })) });
const order = (state: typeof three) => state.list.map(({ text }) => text).join('');

describe('reducePassages', () => {
  it('moves, within the list', () => {
    expect(order(reducePassages(three, { type: 'move', key: 3, to: 0 }))).toBe('cab');
    expect(order(reducePassages(three, { type: 'move', key: 1, to: 99 }))).toBe('bca');
    expect(order(reducePassages(three, { type: 'move', key: 77, to: 0 }))).toBe('abc');
  });

  it('removes, and restores to the same place', () => {
    const [, passage] = three.list;
    const without = reducePassages(three, { type: 'remove', key: 2 });
    expect(order(without)).toBe('ac');
    if (passage) expect(reducePassages(without, { type: 'restore', passage, at: 1 }).list).toEqual(three.list);
  });

  it('never gives a key twice', () => {
    const step = fc.oneof(
      fc.constant({ type: 'clear' } as const),
      fc.record({
        type: fc.constantFrom('load' as const, 'add' as const),
        documents: fc.array(fc.constant({ text: 'x' })),
      }),
      fc.record({ type: fc.constant('remove' as const), key: fc.nat(9) }),
      fc.record({ type: fc.constant('move' as const), key: fc.nat(9), to: fc.nat(9) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const keys = steps.reduce(reducePassages, three).list.map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  it('leaves empty titles out of the request', () => {
    expect(documentsOf(three)[0]).toEqual({ text: 'a' });
  });
});

describe('samples', () => {
  it('have passages that differ, and answer their question', () => {
    for (const { documents } of samples) expect(new Set(documents.map(({ text }) => text)).size).toBe(documents.length);
    expect(harbourRegister(3)).toEqual(harbourRegister(5).slice(0, 3));
  });
});

describe('chatBody', () => {
  const request = { model: 'm', documents: [], question: 'q' };

  it('asks for a policy in block mode only, and never for an earlier prefix', () => {
    const settings = { ...defaultSettings, policy: ' deviation:0.15 ' };
    const options = (mode: 'block' | 'full') => chatBody({ ...request, mode, settings }).block_attention;
    expect(options('block')).toEqual({ mode: 'block', policy: 'deviation:0.15', prefix_reuse: false });
    expect(options('full')).toEqual({ mode: 'full', prefix_reuse: false });
    const silent = chatBody({ ...request, mode: 'block', settings: defaultSettings });
    expect(silent.block_attention).toEqual({ mode: 'block', prefix_reuse: false });
  });
});
