/** What a figure was measured on: stated with every measurement. */
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface Machine {
  /** As the system names it, e.g. `AMD EPYC 7B13`. */
  readonly cpu: string;
  /** Cores this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** e.g. `linux x64`. */
  readonly platform: string;
  /** e.g. `v20.20.0`. */
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}
