import { expect, test } from 'vitest';
import { CpuMeter, type CpuTimes, idleTicks } from './cpu-meter.ts';

test('free is what stands idle and what the process has, over the time between two readings', () => {
  let times: CpuTimes | undefined = { now: 0, idle: 1000, own: 50 };
  const meter = new CpuMeter(() => times);
  expect(meter.freeCores(100)).toBeUndefined();
  times = { now: 1000, idle: 1500, own: 1050 };
  expect(meter.freeCores(1000)).toBe(1.5);
  // Too early for another.
  times = { now: 1100, idle: 1500, own: 1050 };
  expect(meter.freeCores(1100)).toBe(1.5);
  times = { now: 3000, idle: 1500, own: 2050 };
  expect(meter.freeCores(3000)).toBe(0.5);
  times = undefined;
  expect(meter.freeCores(5000)).toBe(0.5);
});

test('idle ticks are those of the CPUs that the process may use', () => {
  const stat = 'cpu  10 0 10 700 30 0 0\ncpu0 5 0 5 100 10 0 0\ncpu1 5 0 5 200 20 0 0\ncpu10 0 0 0 400 0 0 0\nintr 5\n';
  expect(idleTicks(stat)).toBe(730);
  expect(idleTicks(stat, '0-1')).toBe(330);
  expect(idleTicks(stat, '10')).toBe(400);
});

test('this machine can be read, or says nothing', () => {
  const meter = new CpuMeter();
  const free = meter.freeCores(performance.now() + 1000);
  expect(free === undefined || free >= 0).toBe(true);
});
