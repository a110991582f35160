import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Breaker } from './breaker.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('opens after failures in a row, asks in the background, closes when the server is back', async () => {
  let isBack = false;
  let asked = 0;
  const probe = async () => {
    asked += 1;
    if (!isBack) throw new Error('still away');
  };
  const breaker = new Breaker({ failures: 3, pauseMs: 100, probe });
  breaker.failed();
  breaker.failed();
  breaker.succeeded();
  breaker.failed();
  breaker.failed();
  expect(breaker.isOpen).toBe(false);
  breaker.failed();
  expect(breaker.isOpen).toBe(true);
  breaker.failed();
  await vi.advanceTimersByTimeAsync(350);
  expect([asked, breaker.isOpen]).toEqual([3, true]);
  isBack = true;
  await vi.advanceTimersByTimeAsync(100);
  expect([asked, breaker.isOpen]).toEqual([4, false]);
  breaker.failed();
  expect(breaker.isOpen).toBe(false);
});

test('asks nothing after it was closed', async () => {
  const probe = vi.fn(async () => {});
  const breaker = new Breaker({ failures: 1, pauseMs: 10, probe });
  breaker.failed();
  breaker.close();
  await vi.advanceTimersByTimeAsync(100);
  breaker.failed();
  await vi.advanceTimersByTimeAsync(100);
  expect(probe).not.toHaveBeenCalled();
});
