/** Seeded random numbers: the same seed gives the same numbers on every machine. */
export interface Random {
  /** Uniform in [0, 1). Needs no `this`. */
  readonly uniform: () => number;
  /** Uniform whole number in [0, below). */
  integer(below: number): number;
  /** One of the values, which must not be empty. */
  pick<T>(values: readonly [T, ...T[]]): T;
  /** The numbers from 0 to count − 1 in random order (Fisher-Yates). */
  permutation(count: number): number[];
  /** The values in random order, as a new array. Takes quadratic time, and draws otherwise than `permutation`. */
  shuffle<T>(values: readonly T[]): T[];
}

/** Mulberry32. @param seed whole number; its lower 32 bits count */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below: number): number => Math.floor(uniform() * below);
  return {
    uniform,
    integer,
    pick: (values) => values[integer(values.length)] ?? values[0],
    permutation: (count) => {
      const order = Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = integer(i + 1);
        [order[i], order[j]] = [order[j] ?? j, order[i] ?? i];
      }
      return order;
    },
    shuffle: (values) => {
      const rest = [...values];
      return values.flatMap(() => rest.splice(integer(rest.length), 1));
    },
  };
}
