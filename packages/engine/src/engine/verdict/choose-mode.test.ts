import { describe, expect, it } from 'vitest';
import { parsePolicy, plainPolicy as plain } from '../policy/policy.ts';
import { chooseMode, type ModeDefaults } from './choose-mode.ts';
import type { StoredVerdict } from './verdict-store.ts';

const verdict = (found: StoredVerdict['verdict'], policy = 'plain'): StoredVerdict => ({
  version: 1,
  identity: { weights: 'ab', template: 'auto 1', kvType: 'f16' },
  verdict: found,
  policy: found === 'full' ? null : policy,
  reasons: found === 'full' ? ['block mode may lose up to 9.0 points'] : [],
  tolerance: 0.02,
  n: 200,
  fullAccuracy: 0.6,
  blockAccuracy: 0.6,
  difference: { value: 0, interval: [-0.01, 0.01] },
  measuredAt: '2026-01-01T00:00:00.000Z',
});
const defaults: ModeDefaults = {
  mode: 'auto',
  policy: undefined,
  fallback: plain,
  verdict: undefined,
  modelPath: '/m.gguf',
};
const head = parsePolicy('head:8');

describe('chooseMode', () => {
  it('runs what was asked for, whatever the verdict', () => {
    for (const found of [undefined, verdict('full'), verdict('block')]) {
      const with_ = { ...defaults, verdict: found };
      expect(chooseMode({ mode: 'block' }, with_)).toEqual({
        mode: 'block',
        policy: plain,
        requested: 'block',
        reason: null,
      });
      expect(chooseMode({ mode: 'full', policy: head }, with_)).toMatchObject({
        mode: 'full',
        policy: null,
        reason: null,
      });
      expect(chooseMode({ mode: 'block', policy: head }, with_)).toMatchObject({ mode: 'block', policy: head });
    }
  });

  it('takes the default of the engine where the request is silent', () => {
    expect(chooseMode({}, { ...defaults, mode: 'block', policy: head })).toMatchObject({ mode: 'block', policy: head });
    expect(chooseMode({ policy: plain }, { ...defaults, mode: 'block', policy: head })).toMatchObject({
      policy: plain,
    });
  });

  it('is full attention without a verdict, and says how to get one', () => {
    const { mode, reason } = chooseMode({}, defaults);
    expect(mode).toBe('full');
    expect(reason).toContain('block-attention verify --model "/m.gguf"');
  });

  it('obeys the verdict', () => {
    const auto = (found: StoredVerdict, policy?: typeof head) =>
      chooseMode({ mode: 'auto', policy }, { ...defaults, verdict: found });
    expect(auto(verdict('block'))).toMatchObject({ mode: 'block', policy: plain });
    expect(auto(verdict('full'))).toMatchObject({ mode: 'full', reason: expect.stringContaining('9.0 points') });
    const deviation = parsePolicy('deviation:0.15');
    const mended = verdict('block', 'deviation:0.15');
    expect(chooseMode({ mode: 'block' }, { ...defaults, verdict: mended })).toMatchObject({ policy: deviation });
    expect(auto(mended)).toMatchObject({ mode: 'block', policy: deviation });
    expect(auto(mended, plain)).toMatchObject({ policy: deviation });
    expect(auto(mended, head)).toMatchObject({ policy: head, reason: expect.stringContaining('not verified') });
  });

  it('refuses what is not a mode', () => {
    expect(() => chooseMode({ mode: 'fast' as 'full' }, defaults)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
