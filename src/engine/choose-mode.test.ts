import { describe, expect, it } from 'vitest';
import { chooseMode, type ModeDefaults } from './choose-mode.ts';
import type { StoredVerdict } from './verdict-store.ts';

const verdict = (found: StoredVerdict['verdict'], repair: string | null = null): StoredVerdict => ({
  version: 1,
  identity: { weights: 'ab', template: 'auto 1', kvType: 'f16' },
  verdict: found,
  repair,
  reasons: found === 'full' ? ['block mode may lose up to 9.0 points'] : [],
  tolerance: 0.02,
  n: 200,
  fullAccuracy: 0.6,
  blockAccuracy: 0.6,
  difference: { value: 0, interval: [-0.01, 0.01] },
  measuredAt: '2026-01-01T00:00:00.000Z',
});
const defaults: ModeDefaults = { mode: 'auto', repair: undefined, verdict: undefined, modelPath: '/m.gguf' };
const head = { method: 'head', tokens: 8 } as const;
const none = { method: 'none' } as const;

describe('chooseMode', () => {
  it('runs what was asked for, whatever the verdict', () => {
    for (const found of [undefined, verdict('full'), verdict('block')]) {
      const with_ = { ...defaults, verdict: found };
      expect(chooseMode({ mode: 'block' }, with_)).toEqual({
        mode: 'block',
        repair: none,
        requested: 'block',
        reason: null,
      });
      expect(chooseMode({ mode: 'full', repair: head }, with_)).toMatchObject({
        mode: 'full',
        repair: none,
        reason: null,
      });
      expect(chooseMode({ mode: 'block', repair: head }, with_)).toMatchObject({ mode: 'block', repair: head });
    }
  });

  it('takes the default of the engine where the request is silent', () => {
    expect(chooseMode({}, { ...defaults, mode: 'block', repair: head })).toMatchObject({ mode: 'block', repair: head });
    expect(chooseMode({ repair: none }, { ...defaults, mode: 'block', repair: head })).toMatchObject({ repair: none });
  });

  it('is full attention without a verdict, and says how to get one', () => {
    const { mode, reason } = chooseMode({}, defaults);
    expect(mode).toBe('full');
    expect(reason).toContain('block-attention verify --model "/m.gguf"');
  });

  it('obeys the verdict', () => {
    const auto = (found: StoredVerdict, repair?: typeof head | typeof none) =>
      chooseMode({ mode: 'auto', repair }, { ...defaults, verdict: found });
    expect(auto(verdict('block'))).toMatchObject({ mode: 'block', repair: none });
    expect(auto(verdict('full'))).toMatchObject({ mode: 'full', reason: expect.stringContaining('9.0 points') });
    const repaired = verdict('block with repair', 'deviation:0.15');
    expect(auto(repaired)).toMatchObject({ mode: 'block', repair: { method: 'deviation', share: 0.15 } });
    expect(auto(repaired, none)).toMatchObject({ repair: { method: 'deviation', share: 0.15 } });
    expect(auto(repaired, head)).toMatchObject({ repair: head, reason: expect.stringContaining('not verified') });
  });

  it('refuses what is no mode', () => {
    expect(() => chooseMode({ mode: 'fast' as 'full' }, defaults)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
