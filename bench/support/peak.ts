/**
 * What the machine can do at most: multiply-adds per second and bytes read per second, measured by packages/engine/native/bench with as
 * many threads as the benchmark uses.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Peak {
  /** f32 operations, a multiply-add counting two. */
  readonly gflops: number;
  readonly readGbPerSecond: number;
}

/** A second thread that was held up halves a measurement: the best of so many counts. */
const attempts = 3;

/** @param threads 1 or 2. @returns undefined where there is no compiler */
export function measurePeak(threads: number): Peak | undefined {
  const native = join(import.meta.dirname, '..', '..', 'packages', 'engine', 'native');
  if (spawnSync(process.execPath, [join(native, 'build.mjs'), '--bench']).status !== 0) return undefined;
  const peaks = Array.from({ length: attempts }, () => measureOnce(join(native, 'build', 'bench'), threads));
  const best = (figure: keyof Peak) => Math.max(...peaks.map((peak) => peak?.[figure] ?? 0));
  return peaks.includes(undefined) ? undefined : { gflops: best('gflops'), readGbPerSecond: best('readGbPerSecond') };
}

function measureOnce(program: string, threads: number): Peak | undefined {
  const run = spawnSync(program, ['0'], { encoding: 'utf8' });
  const last = run.stdout.trim().split('\n').at(-1);
  if (run.status !== 0 || last === undefined) return undefined;
  const figures = JSON.parse(last) as Record<string, number>;
  const gflops = figures[`peak_gflops_${threads}`];
  const readGbPerSecond = figures[`read_gbs_${threads}`];
  return gflops === undefined || readGbPerSecond === undefined ? undefined : { gflops, readGbPerSecond };
}
