/**
 * Decides how many threads the next step takes, from what steps took: fewer where others use the cores, more again when
 * they have gone.
 *
 * Knows kinds of work and times, no thread and no clock of its own. What decides is measured speed alone: a trial of
 * other numbers begins when steps are slower than the best seen for their kind, when fewer cores are free than there are
 * threads, and, with fewer threads than could be, after a while. It ends after a few steps; the faster number stays.
 * A trial that was lost is repeated after twice the time, and never so soon that trials take much of the time.
 * Invariant: between 1 and the most threads.
 */
export interface GovernorOptions {
  /** The most, and what is begun with. */
  readonly threads: number;
  /** Milliseconds. Defaults to performance.now() */
  readonly now?: (() => number) | undefined;
}

/** One step that was taken. */
export interface StepSample {
  /** Kinds learn apart: one row or many. */
  readonly kind: string;
  /** Steps of a kind whose costs compare, e.g. of about as many tokens. */
  readonly size: string;
  readonly threads: number;
  /** Time for a unit of work, in any unit that is the same for all of a size. */
  readonly cost: number;
}

/** Steps that a trial takes, and that are remembered for comparison. */
const trialSteps = 3;
const remembered = 5;
/** A trial that begins with a step so much slower than before is over. */
const hopeless = 1.5;
/** What is kept must be so much faster. */
const gain = 0.95;
/** Times the best seen for its size from which on a step counts as slow, and as held up. */
const slow = 1.5;
const heldUp = 4;
/** Cores that must be missing, of as many as there are threads. */
const missing = 0.4;
const firstPauseMs = 1000;
const longestPauseMs = 10_000;
/** A lost trial is followed by a pause of at least so many times what it took; of fewer where cores stand idle. */
const pausePerTrial = 20;
const idlePerTrial = 5;
/** Sizes whose best is kept. */
const mostSizes = 256;

type Direction = 'fewer' | 'more';

interface Pause {
  until: number;
  /** The same where cores stand idle. */
  soonest: number;
  ms: number;
}

interface Kind {
  threads: number;
  /** Costs of the last steps with so many threads, relative to the first of their size. */
  recent: number[];
  /** The same, relative to the best of their size. */
  slowness: number[];
  trial:
    | { readonly threads: number; readonly direction: Direction; readonly costs: number[]; readonly startedAt: number }
    | undefined;
  readonly pauses: Record<Direction, Pause>;
}

export class ThreadGovernor {
  readonly #most: number;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();
  readonly #sizes = new Map<string, { readonly first: number; best: number }>();
  #freeCores: number | undefined;

  constructor({ threads, now = () => performance.now() }: GovernorOptions) {
    this.#most = threads;
    this.#now = now;
  }

  /** Threads for the next step of a kind. */
  next(kind: string): number {
    const { trial, threads } = this.#kind(kind);
    return trial?.threads ?? threads;
  }

  /** The number a kind has settled on. */
  settled(kind: string): number {
    return this.#kind(kind).threads;
  }

  /** Cores that this process had or could have had lately; undefined where nobody knows. */
  observe(freeCores: number | undefined): void {
    this.#freeCores = freeCores;
  }

  /** What a step took. Steps with other numbers of threads than next() said are of no use, nor is a size's first. */
  record({ kind: name, size, threads, cost }: StepSample): void {
    if (!(cost > 0)) return;
    const key = `${name} ${size}`;
    const known = this.#sizes.get(key);
    if (known === undefined) {
      if (this.#sizes.size >= mostSizes) this.#sizes.clear();
      this.#sizes.set(key, { first: cost, best: cost });
      return;
    }
    known.best = Math.min(known.best, cost);
    const kind = this.#kind(name);
    const relative = cost / known.first;
    if (kind.trial !== undefined) {
      if (threads === kind.trial.threads) this.#try(kind, kind.trial, relative);
      return;
    }
    if (threads !== kind.threads) return;
    push(kind.recent, relative);
    push(kind.slowness, cost / known.best);
    this.#consider(kind);
  }

  #consider(kind: Kind): void {
    if (kind.recent.length < trialSteps) return;
    const slowness = median(kind.slowness);
    const crowded = this.#freeCores !== undefined && this.#freeCores < kind.threads - missing;
    if (kind.threads > 1 && (slowness > slow || crowded) && this.#now() >= kind.pauses.fewer.until) {
      const half = slowness > heldUp ? Math.floor(kind.threads / 2) : Math.ceil(kind.threads * 0.75);
      this.#begin(kind, 'fewer', Math.max(1, Math.min(half, kind.threads - 1)));
    } else if (kind.threads < this.#most && this.#now() >= this.#moreAt(kind)) {
      this.#begin(kind, 'more', Math.min(this.#most, Math.max(kind.threads + 1, Math.floor(kind.threads * 1.5))));
    }
  }

  #begin(kind: Kind, direction: Direction, threads: number): void {
    kind.trial = { threads, direction, costs: [], startedAt: this.#now() };
  }

  /** Sooner where a core is idle. */
  #moreAt({ threads, pauses: { more } }: Kind): number {
    const idle = this.#freeCores !== undefined && this.#freeCores > threads + 1 - missing;
    return idle ? more.soonest : more.until;
  }

  #try(kind: Kind, { threads, direction, costs, startedAt }: NonNullable<Kind['trial']>, cost: number): void {
    costs.push(cost);
    const before = median(kind.recent);
    if (costs.length < trialSteps && cost <= hopeless * before) return;
    const won = costs.length === trialSteps && median(costs) < gain * before;
    kind.trial = undefined;
    const now = this.#now();
    const pauseOf = (ms: number): Pause => {
      const took = now - startedAt;
      const soonest = now + Math.max(firstPauseMs, idlePerTrial * took);
      return { until: now + Math.max(ms, pausePerTrial * took), soonest, ms };
    };
    if (won) {
      const back = direction === 'fewer' ? 'more' : 'fewer';
      kind.threads = threads;
      kind.recent = costs;
      kind.slowness = [];
      kind.pauses[direction] = { until: now, soonest: now, ms: firstPauseMs };
      kind.pauses[back] = pauseOf(kind.pauses[back].ms);
    } else {
      const pause = pauseOf(kind.pauses[direction].ms);
      kind.pauses[direction] = { ...pause, ms: Math.min(2 * pause.ms, longestPauseMs) };
    }
  }

  #kind(name: string): Kind {
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      const pause = (): Pause => ({ until: 0, soonest: 0, ms: firstPauseMs });
      kind = {
        threads: this.#most,
        recent: [],
        slowness: [],
        trial: undefined,
        pauses: { fewer: pause(), more: pause() },
      };
      this.#kinds.set(name, kind);
    }
    return kind;
  }
}

function push(list: number[], value: number): void {
  list.push(value);
  if (list.length > remembered) list.shift();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}
