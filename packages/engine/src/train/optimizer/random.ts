/** Seeded randomness of training: the same seed gives the same numbers on every machine. */
import { createRandom } from '../../random.ts';

/** `count` normal numbers around 0, by the Box-Muller transform. */
export function createNormal(seed: number): (count: number, deviation: number) => Float32Array<ArrayBuffer> {
  const { uniform } = createRandom(seed);
  return (count, deviation) => {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      values[i] = radius * Math.cos(angle);
      if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  };
}

/** The values in random order, as a new array. */
export function shuffled<T>(values: readonly T[], seed: number): T[] {
  return createRandom(seed)
    .permutation(values.length)
    .flatMap((i) => values.slice(i, i + 1));
}
