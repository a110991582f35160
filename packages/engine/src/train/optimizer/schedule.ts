/** The learning rate over a run: up in a line, then down in a line or a half cosine. */

export interface Schedule {
  readonly peak: number;
  /** Steps of the run. */
  readonly steps: number;
  /** Steps until the peak. */
  readonly warmup: number;
  /** Defaults to `linear`. */
  readonly decay?: 'linear' | 'cosine' | 'none' | undefined;
  /** Share of the peak at the end. Defaults to 0. */
  readonly floor?: number | undefined;
}

/** @param step from 0. The first step already learns, the last one too. */
export function learningRateAt({ peak, steps, warmup, decay = 'linear', floor = 0 }: Schedule, step: number): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  if (decay === 'none') return peak;
  const left = Math.max(0, 1 - (step - warmup) / Math.max(1, steps - warmup));
  const share = decay === 'linear' ? left : 0.5 * (1 - Math.cos(Math.PI * left));
  return peak * (floor + (1 - floor) * share);
}
