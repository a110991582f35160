import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Progress, progressLine } from './progress.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function sink(isTTY: boolean, columns?: number) {
  const written: string[] = [];
  return { written, isTTY, columns, write: (text: string) => written.push(text) };
}

describe('Progress', () => {
  it('says nothing where nobody looks', () => {
    for (const [target, env] of [
      [sink(false), {}],
      [sink(true), { TERM: 'dumb' }],
    ] as const) {
      const progress = new Progress(target, env);
      progress.show({ label: 'encoding', done: 1, total: 2 });
      vi.advanceTimersByTime(5000);
      progress.clear();
      expect(target.written).toEqual([]);
    }
  });

  it('says nothing of quick work', () => {
    const target = sink(true);
    const progress = new Progress(target, {});
    progress.show({ label: 'encoding' });
    vi.advanceTimersByTime(400);
    progress.clear();
    vi.advanceTimersByTime(5000);
    expect(target.written).toEqual([]);
  });

  it('draws one line, within the width, and wipes it', () => {
    const target = sink(true, 40);
    const progress = new Progress(target, {});
    progress.show({ label: 'encoding', done: 1, total: 4, detail: 'x'.repeat(100) });
    vi.advanceTimersByTime(2000);
    progress.clear();
    const last = target.written.pop();
    expect(last).toBe('\r\u001b[K');
    expect(target.written.length).toBeGreaterThan(5);
    for (const text of target.written) {
      expect(text.startsWith(`\r\u001b[Kencoding  [${'#'.repeat(6)}-`)).toBe(true);
      expect(text.length).toBeLessThanOrEqual(39 + 4);
    }
  });
});

describe('progressLine', () => {
  it('has a bar when the end is known', () => {
    expect(progressLine({ label: 'a', done: 6, total: 12, detail: '6 of 12' }, 61_000)).toBe(
      'a  [############------------] 50%  6 of 12  1 min 01 s',
    );
    expect(progressLine({ label: 'a' }, 1000)).toBe('a  1 s');
    expect(progressLine({ label: 'a', done: 9, total: 3 }, 0)).toContain('100%');
  });

  it('stays one harmless line', () => {
    expect(progressLine({ label: 'a\n\u001b[31mb' }, 0)).toBe('a [31mb  0 s');
  });
});
