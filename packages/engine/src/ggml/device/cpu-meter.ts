/**
 * How many cores this process has and could have: those that stand idle, and what it uses itself.
 *
 * A reading covers the time since the one before. The system counts in steps of 10 ms, so readings are some hundred
 * milliseconds apart; it counts for the whole machine, so a limit on this process alone does not show.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { cpuList } from './cpu-budget.ts';

/** Milliseconds since some moment. */
export interface CpuTimes {
  readonly now: number;
  /** Of all cores that this process may use. */
  readonly idle: number;
  /** Of this process, all threads. */
  readonly own: number;
}

/** Shortest time between two readings. */
const shortestMs = 200;

export class CpuMeter {
  readonly #read: () => CpuTimes | undefined;
  #before: CpuTimes | undefined;
  #free: number | undefined;

  constructor(read: () => CpuTimes | undefined = readTimes) {
    this.#read = read;
    this.#before = read();
  }

  /** Free cores since the last reading; undefined before there is one. @param now on the clock of performance.now() */
  freeCores(now: number): number | undefined {
    if (this.#before !== undefined && now - this.#before.now < shortestMs) return this.#free;
    const times = this.#read();
    if (times !== undefined && this.#before !== undefined) {
      const { idle, own } = times;
      this.#free = Math.max(0, idle - this.#before.idle + own - this.#before.own) / (times.now - this.#before.now);
    }
    this.#before = times;
    return this.#free;
  }
}

function readTimes(): CpuTimes | undefined {
  const idle = process.platform === 'linux' ? linuxIdle() : cpus().reduce((sum, { times }) => sum + times.idle, 0);
  if (idle === undefined) return undefined;
  const { user, system } = process.cpuUsage();
  return { now: performance.now(), idle, own: (user + system) / 1000 };
}

const msPerTick = 10;

/** As os.cpus() does, which also reads the speed of every core: that takes milliseconds where there are many. */
function linuxIdle(): number | undefined {
  try {
    const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return idleTicks(readFileSync('/proc/stat', 'utf8'), allowed) * msPerTick;
  } catch {
    return undefined;
  }
}

/** Ticks that the allowed CPUs (a list such as `0-3,8`; all without one) stood idle, by the text of /proc/stat. */
export function idleTicks(stat: string, allowed?: string): number {
  const wanted = allowed === undefined ? undefined : new Set(cpuList(allowed));
  let ticks = 0;
  for (const [, cpu, idle, waiting] of stat.matchAll(/^cpu(\d+) \d+ \d+ \d+ (\d+) (\d+)/gm)) {
    if (wanted === undefined || wanted.has(Number(cpu))) ticks += Number(idle) + Number(waiting);
  }
  return ticks;
}
