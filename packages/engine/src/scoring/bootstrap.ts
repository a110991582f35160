/**
 * 95 % intervals by resampling questions with replacement (percentile bootstrap, seeded).
 *
 * Two modes are compared on the same questions: resample the differences question by question, which is far narrower
 * than the two modes' own intervals. A sample without variation has an interval of width 0, whatever its size: see the
 * least number of questions in verdict.ts.
 */
import { createRandom } from '../random.ts';

/** Half-open it is not: both ends belong to it. */
export type Interval = readonly [low: number, high: number];

export interface BootstrapOptions {
  /** Defaults to 10,000. */
  readonly resamples?: number | undefined;
  /** Defaults to 1. */
  readonly seed?: number | undefined;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** 95 % interval of the mean. Of nothing, [NaN, NaN]. */
export function bootstrapInterval(values: readonly number[], options: BootstrapOptions = {}): Interval {
  const { resamples = 10_000, seed = 1 } = options;
  if (values.length === 0) return [Number.NaN, Number.NaN];
  const random = createRandom(seed);
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let j = 0; j < values.length; j++) sum += values[random.integer(values.length)] ?? 0;
    means[i] = sum / values.length;
  }
  means.sort();
  const at = (share: number) => means[Math.min(resamples - 1, Math.floor(share * resamples))] ?? Number.NaN;
  return [at(0.025), at(0.975)];
}

export interface Difference {
  /** mean(left) − mean(right). */
  readonly value: number;
  readonly interval: Interval;
}

/** Mean difference of paired values and its 95 % interval. Both lists are in the order of the questions. */
export function pairedDifference(
  left: readonly number[],
  right: readonly number[],
  options: BootstrapOptions = {},
): Difference {
  const differences = left.map((value, i) => value - (right[i] ?? Number.NaN));
  return { value: mean(differences), interval: bootstrapInterval(differences, options) };
}

/**
 * 95 % interval of any figure of the questions, such as a ratio of means, by resampling whole groups of them. Questions
 * over the same passages are not independent draws: they go together.
 * @param groups indexes of questions. @param figure of a sample, in which an index may occur several times
 */
export function groupedInterval(
  groups: readonly (readonly number[])[],
  figure: (indexes: readonly number[]) => number,
  { resamples = 2_000, seed = 1 }: BootstrapOptions = {},
): Interval {
  if (groups.length === 0) return [Number.NaN, Number.NaN];
  const random = createRandom(seed);
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const sample: number[] = [];
    for (let drawn = 0; drawn < groups.length; drawn++) sample.push(...(groups[random.integer(groups.length)] ?? []));
    values.push(figure(sample));
  }
  const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return [at(0.025), at(0.975)];
}
