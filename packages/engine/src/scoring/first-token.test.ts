import { describe, expect, it } from 'vitest';
import { firstTokenKl } from './first-token.ts';

const logits = (...shares: number[]) => Float32Array.from(shares, (share) => Math.log(share) + 5);

describe('firstTokenKl', () => {
  it('is what one computes by hand', () => {
    // 0.5·ln(0.5/0.25) + 0.5·ln(0.5/0.75) = 0.143841…
    expect(firstTokenKl(logits(0.5, 0.5), logits(0.25, 0.75)).kl).toBeCloseTo(0.1438410362, 6);
    expect(firstTokenKl(logits(0.25, 0.75), logits(0.5, 0.5)).kl).toBeCloseTo(0.1308120359, 6);
  });

  it('is 0 for equal distributions, whatever the logits add', () => {
    const { kl, sameTop } = firstTokenKl(Float32Array.of(1, 2, 3), Float32Array.of(101, 102, 103));
    expect(kl).toBeCloseTo(0, 12);
    expect(sameTop).toBe(true);
  });

  it('stays finite where a token is ruled out', () => {
    expect(firstTokenKl(Float32Array.of(0, -Infinity), Float32Array.of(0, 0)).kl).toBeCloseTo(Math.LN2, 6);
  });

  it('sees another choice', () => {
    expect(firstTokenKl(logits(0.6, 0.4), logits(0.4, 0.6)).sameTop).toBe(false);
  });
});
