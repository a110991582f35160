/** A share with its interval, as benchmarks print it: Wilson's, 95 %. */
import { round } from './harness.ts';

/** `91.2 % (88.4 to 93.4)`; of nothing `–`. */
export function shareWithInterval(count: number, all: number): string {
  if (all === 0) return '–';
  const [p, z] = [count / all, 1.96];
  const middle = (p + z ** 2 / (2 * all)) / (1 + z ** 2 / all);
  const half = (z / (1 + z ** 2 / all)) * Math.sqrt((p * (1 - p)) / all + z ** 2 / (4 * all ** 2));
  const percent = (value: number) => round(100 * value, 1);
  return `${percent(p)} % (${percent(middle - half)} to ${percent(middle + half)})`;
}
