import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { bootstrapInterval, mean, pairedDifference } from './bootstrap.ts';

const ofOnes = (ones: number, n: number) => Array.from({ length: n }, (_, i) => (i < ones ? 1 : 0));

describe('bootstrapInterval', () => {
  it('comes near the normal interval of a proportion', () => {
    // 0.4 ± 1.96·sqrt(0.4·0.6/400) = [0.352, 0.448].
    const [low, high] = bootstrapInterval(ofOnes(160, 400));
    expect(low).toBeCloseTo(0.352, 2);
    expect(high).toBeCloseTo(0.448, 2);
  });

  it('is the same for the same seed, and other for another', () => {
    const values = Array.from({ length: 50 }, (_, i) => Math.sin(i));
    expect(bootstrapInterval(values, { seed: 7 })).toEqual(bootstrapInterval(values, { seed: 7 }));
    expect(bootstrapInterval(values, { seed: 7 })).not.toEqual(bootstrapInterval(values, { seed: 8 }));
  });

  it('covers the true mean about 95 times in 100', () => {
    const random = createRandom(3);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const values = Array.from({ length: 80 }, () => (random.uniform() < 0.3 ? 1 : 0));
      const [low, high] = bootstrapInterval(values, { resamples: 400, seed: trial });
      if (low <= 0.3 && 0.3 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(178);
    expect(covered).toBeLessThan(200);
  });

  it('knows nothing of nothing', () => {
    expect(mean([])).toBeNaN();
    expect(bootstrapInterval([])).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('pairedDifference', () => {
  it('is narrower than the modes apart when they agree on most questions', () => {
    const full = ofOnes(50, 100);
    const block = ofOnes(48, 100);
    const { value, interval } = pairedDifference(block, full);
    expect(value).toBeCloseTo(-0.02, 12);
    expect(interval[0]).toBeGreaterThanOrEqual(-0.06);
    expect(interval[1]).toBeLessThanOrEqual(0);
    const [low, high] = bootstrapInterval(full);
    expect(interval[1] - interval[0]).toBeLessThan((high - low) / 2);
  });

  it('turns its sign with the sides', () => {
    const [a, b] = [ofOnes(3, 9), ofOnes(7, 9)];
    expect(pairedDifference(a, b).value).toBeCloseTo(-pairedDifference(b, a).value, 12);
  });
});
