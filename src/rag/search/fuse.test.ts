import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuse } from './fuse.ts';

describe('reciprocal rank fusion', () => {
  it('adds 1 / (60 + rank) over the lists', () => {
    expect(
      fuse([
        ['a', 'b'],
        ['b', 'c'],
      ]),
    ).toEqual([
      { id: 'b', score: 1 / 62 + 1 / 61, ranks: [2, 1] },
      { id: 'a', score: 1 / 61, ranks: [1, undefined] },
      { id: 'c', score: 1 / 62, ranks: [undefined, 2] },
    ]);
    expect(fuse([])).toEqual([]);
  });

  it('keeps the order of a single list, and what leads all lists leads', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.uniqueArray(fc.string()), (list, other) => {
        expect(fuse([list]).map(({ id }) => id)).toEqual(list);
        const [first = ''] = list;
        expect(fuse([list, [first, ...other.filter((id) => id !== first)]])[0]?.id).toBe(first);
      }),
    );
  });
});
