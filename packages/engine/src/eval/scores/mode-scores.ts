/** The scores of a mode: means over its answers. */
import { bootstrapInterval, type Interval, mean } from '../../scoring/bootstrap.ts';
import type { Scores } from '../../scoring/metrics.ts';

/** Shares in [0, 1]: see metrics.ts. */
export interface ModeScores {
  readonly accuracy: number;
  readonly em: number;
  readonly f1: number;
  /** 95 % interval of the accuracy. */
  readonly interval: Interval;
}

export function modeScores(list: readonly Scores[]): ModeScores {
  const accuracies = list.map(({ accuracy }) => accuracy);
  return {
    accuracy: mean(accuracies),
    em: mean(list.map(({ em }) => em)),
    f1: mean(list.map(({ f1 }) => f1)),
    interval: bootstrapInterval(accuracies),
  };
}
