import { describe, expect, test } from 'vitest';
import { ThreadGovernor } from './thread-governor.ts';

/** A machine: what a step takes with a number of threads, in ms; a clock that only steps move. */
function machine(most: number, msOf: (threads: number, kind: string) => number) {
  let now = 0;
  let cost = msOf;
  let random = 1;
  /** Within 4 % of what it is. */
  const noise = () => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return 1 + (random / 2 ** 32 - 0.5) * 0.08;
  };
  const governor = new ThreadGovernor({ threads: most, now: () => now });
  const step = (kind = 'decode', size = '1', work = 1) => {
    const threads = governor.next(kind);
    const ms = cost(threads, kind) * noise() * work;
    now += ms;
    governor.record({ kind, size, threads, cost: ms / work });
    return { threads, ms };
  };
  return {
    governor,
    step,
    /** Runs for so long. @returns the mean ms of a step, and the most steps of a number of threads */
    run(ms: number, kind = 'decode') {
      const until = now + ms;
      const used = new Map<number, number>();
      let steps = 0;
      for (const from = now; now < until; steps++) {
        const { threads } = step(kind);
        used.set(threads, (used.get(threads) ?? 0) + 1);
        if (steps > 1e6) throw new Error(`the clock does not move: ${from}`);
      }
      return { meanMs: ms / steps, used, settled: governor.settled(kind) };
    },
    becomes: (next: typeof msOf) => {
      cost = next;
    },
  };
}

const quiet = (threads: number) => 16 / threads + 1;
/** One of the cores is somebody else's: all threads wait for the one that shares it, as ggml's barrier makes them. */
const spinning = (free: number) => (threads: number) => (threads > free ? 1000 : quiet(threads));

describe('a quiet machine', () => {
  test.each([2, 4, 16])('keeps all of %i threads, and tries nothing', (threads) => {
    expect(machine(threads, quiet).run(60_000).used).toEqual(new Map([[threads, expect.any(Number)]]));
  });

  test('a step that is slow for once changes nothing for good', () => {
    const m = machine(2, quiet);
    m.run(2000);
    m.becomes(() => 900);
    m.step();
    m.becomes(quiet);
    expect(m.run(2000).settled).toBe(2);
  });
});

describe('somebody takes a core', () => {
  test.each([
    [2, 1],
    [4, 3],
    [8, 7],
    [16, 12],
  ])('%i threads give way to at most as many as are free (%i)', (threads, free) => {
    const m = machine(threads, quiet);
    m.run(5000);
    m.becomes(spinning(free));
    m.run(60_000);
    const { meanMs, settled } = m.run(300_000);
    expect(settled).toBeLessThanOrEqual(free);
    // What trials cost is counted.
    expect(quiet(free) / meanMs).toBeGreaterThan(0.6);
  });

  test('within some steps, not minutes', () => {
    const m = machine(2, quiet);
    m.run(2000);
    m.becomes(spinning(1));
    const steps = Array.from({ length: 12 }, () => m.step().threads);
    expect(steps.lastIndexOf(2)).toBeLessThan(6);
  });

  test('and all come back when it has gone', () => {
    const m = machine(4, quiet);
    m.run(5000);
    m.becomes(spinning(2));
    m.run(30_000);
    m.becomes(quiet);
    // At the latest after the longest pause.
    m.run(130_000);
    expect(m.governor.settled('decode')).toBe(4);
  });

  test('sooner where cores stand idle', () => {
    const m = machine(2, quiet);
    m.run(2000);
    m.becomes(spinning(1));
    m.run(400_000);
    m.becomes(quiet);
    m.governor.observe(2);
    // Five times as long as the last trial took, at most.
    m.run(6000);
    expect(m.governor.settled('decode')).toBe(2);
  });

  test('but not for ever again and again where that does not pay', () => {
    const m = machine(2, quiet);
    m.run(2000);
    m.becomes(spinning(1));
    m.run(10_000);
    m.governor.observe(2);
    const { used } = m.run(100_000);
    // Each such step takes 1,000 ms; with one thread 17.
    expect(used.get(2) ?? 0).toBeLessThan(20);
  });

  test('before the first step: too few free cores begin the trial, times decide it', () => {
    const m = machine(2, spinning(1));
    m.governor.observe(1);
    m.run(20_000);
    expect(m.governor.settled('decode')).toBe(1);
    // Threads that yield may be faster although a core is shared.
    const yielding = machine(2, (threads) => quiet(threads) * (threads === 2 ? 1.3 : 2));
    yielding.governor.observe(1);
    const { used, settled } = yielding.run(60_000);
    expect(settled).toBe(2);
    expect((used.get(1) ?? 0) / (used.get(2) ?? 1)).toBeLessThan(0.01);
  });
});

test('kinds of work learn apart, sizes of a kind together', () => {
  const m = machine(2, (threads, kind) => (kind === 'decode' && threads > 1 ? 400 : quiet(threads)));
  m.governor.observe(1);
  m.run(5000, 'prompt');
  m.run(5000, 'decode');
  expect(m.governor.settled('prompt')).toBe(2);
  expect(m.governor.settled('decode')).toBe(1);
  // Ten times the work for ten times the time is not slow.
  const other = machine(2, quiet);
  for (let i = 0; i < 100; i++) other.step('prompt', String(i % 3), 1 + 9 * (i % 3));
  expect(other.governor.settled('prompt')).toBe(2);
});

test('what is not a time, or was taken with another number, is not learned from', () => {
  const governor = new ThreadGovernor({ threads: 2, now: () => 0 });
  for (const cost of [0, -1, Number.NaN, 1, 1, 1]) governor.record({ kind: 'k', size: '', threads: 2, cost });
  for (let i = 0; i < 10; i++) governor.record({ kind: 'k', size: '', threads: 1, cost: 100 });
  expect(governor.next('k')).toBe(2);
});
