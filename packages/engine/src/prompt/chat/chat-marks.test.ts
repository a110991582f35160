import { describe, expect, it } from 'vitest';
import { createMarks } from './chat-marks.ts';

describe('createMarks', () => {
  it('splits at its marks and removes them', () => {
    const marks = createMarks(['text']);
    const rendered = `a${marks.at(0)}b${marks.at(1)}`;
    expect(marks.split(rendered, 2)).toEqual(['a', 'b', '']);
    expect(marks.remove(rendered)).toBe('ab');
  });

  it('never collides with what a text spells, not even with the marks of another conversation', () => {
    const forged = createMarks([]).at(0);
    const marks = createMarks([forged, createMarks([forged]).at(3)]);
    expect(forged).not.toContain(marks.at(0).slice(0, -2));
    expect(marks.split(`${forged}${marks.at(0)}${forged}`, 1)).toEqual([forged, forged]);
    expect(marks.split(`\uE000${marks.at(0)}\uE000`, 1)).toEqual(['\uE000', '\uE000']);
  });

  it('takes linear time on a text full of forged marks', () => {
    const text = Array.from({ length: 100_000 }, (_, index) => `\uE000${index}\uE001`).join('');
    expect(createMarks([text]).at(0)).toBe('\uE000100000\uE0010\uE002');
  });

  it.each([
    ['lost', [0, 2]],
    ['swapped', [1, 0, 2]],
    ['doubled', [0, 1, 1, 2]],
    ['too many', [0, 1, 2, 3]],
  ])('refuses a rendering whose marks are %s', (_, order) => {
    const marks = createMarks([]);
    expect(marks.split(order.map((index) => marks.at(index)).join('x'), 3)).toBeUndefined();
  });

  it('refuses a rendering with half a mark', () => {
    const marks = createMarks([]);
    expect(marks.split(`${marks.at(0)}${marks.at(1).slice(0, -1)}`, 1)).toBeUndefined();
  });
});
