/** Seeded random numbers: the same seed gives the same numbers on every machine. */
export interface Prng {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform whole number in [0, below). */
  integer(below: number): number;
  /** `count` numbers of a normal distribution. */
  normal(count: number, deviation: number, mean?: number): Float32Array;
}

/** Mulberry32, and the Box-Muller transform on top of it. */
export function createPrng(seed: number): Prng {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    integer: (below) => Math.floor(uniform() * below),
    normal(count, deviation, mean = 0) {
      const out = new Float32Array(count);
      for (let i = 0; i < count; i += 2) {
        const radius = deviation * Math.sqrt(-2 * Math.log(1 - uniform()));
        const angle = 2 * Math.PI * uniform();
        out[i] = mean + radius * Math.cos(angle);
        // Writing past the end of a typed array is ignored.
        out[i + 1] = mean + radius * Math.sin(angle);
      }
      return out;
    },
  };
}
