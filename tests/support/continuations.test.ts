/** That the judge of continuations says no: to a wrong token, to a wrong logit, and to having compared nothing. */
import { describe, expect, it } from 'vitest';
import { expectAlong, expectSameChoices, tieBound, type Yardstick } from './continuations.ts';
import { argmax } from './oracle/forward-harness.ts';
import { createPrng } from './prng.ts';

const rounding = 1e-3;
const prng = createPrng(1);

/** Logits of size 1 whose best one, `token`, leads the next by `lead`. */
function logits(token: number, lead: number): Float32Array {
  const row = prng.normal(400, 1);
  const best = Math.max(...row);
  row[token] = best + lead;
  return row;
}

function yardstick(leads: readonly number[]): Yardstick {
  const rows = leads.map((lead, step) => logits(step, lead));
  return { tokens: Int32Array.from(rows, argmax), logits: rows, rounding };
}
const leads = Array.from({ length: 40 }, () => 0.3);
const copy = ({ logits }: Yardstick) => logits.map((row) => row.slice());

describe('expectAlong', () => {
  it('takes what rounding explains', () => {
    const path = yardstick(leads);
    expectAlong(path, path.logits);
    expectAlong(
      path,
      copy(path).map((row) => row.map((value) => value + rounding * (prng.integer(2) ? 1 : -1))),
    );
  });

  it('refuses one decided token that differs, though the logits of all steps are close', () => {
    const path = yardstick(leads.map(() => 0.013));
    const own = copy(path);
    const row = own[7];
    if (row === undefined) throw new Error('40 rows');
    row[path.tokens[7] ?? 0] = (row[path.tokens[7] ?? 0] ?? 0) - 0.02;
    expect(() => expectAlong(path, own)).toThrow(/to deeply equal/);
  });

  it('lets an undecided one differ', () => {
    const path = yardstick(leads.map((lead, step) => (step === 7 ? 0.005 : lead)));
    const own = copy(path);
    const row = own[7];
    if (row === undefined) throw new Error('40 rows');
    row[path.tokens[7] ?? 0] = (row[path.tokens[7] ?? 0] ?? 0) - 0.01;
    expect(argmax(row)).not.toBe(path.tokens[7]);
    expectAlong(path, own);
  });

  it.each([
    ['logits further away than rounding explains', (row: Float32Array) => row.map((value) => value * 1.004)],
    ['logits that are no numbers', (row: Float32Array) => row.map(() => Number.NaN)],
  ])('refuses %s', (_, change) => {
    const path = yardstick(leads);
    expect(() => expectAlong(path, copy(path).map(change))).toThrow();
  });

  it('refuses a path of which nothing is decided, and rows that are missing', () => {
    const path = yardstick(leads.map(() => 0.001));
    expect(() => expectAlong(path, path.logits)).toThrow(/greater than or equal to 3/);
    expect(() => expectAlong(yardstick(leads), [])).toThrow();
  });
});

describe('expectSameChoices', () => {
  const reference = [9, 8, 7, 6].map((token, step) => ({ token, lead: step === 2 ? 0.01 : 1 }));

  it('compares up to the first undecided step', () => {
    expect(expectSameChoices([9, 8, 7, 6], reference, 0.001)).toBe(4);
    expect(expectSameChoices([9, 8, 5, 5, 5], reference, 0.1)).toBe(2);
    expect(() => expectSameChoices([9, 5, 7, 6], reference, 0.1)).toThrow();
    expect(() => expectSameChoices([9, 8, 7, 5], reference, 0.001)).toThrow();
  });

  it('refuses an answer that ends too soon or goes on, and takes a lead that is not a number for undecided', () => {
    expect(() => expectSameChoices([9], reference, 0.1)).toThrow();
    expect(() => expectSameChoices([9, 8, 7, 6, 5], reference, 0.001)).toThrow();
    expect(expectSameChoices([1], [{ token: 2, lead: Number.NaN }], 0.1)).toBe(0);
  });
});

it('tieBound grows with the error and with the logits', () => {
  expect(tieBound(Float32Array.of(3, -3), 1e-3)).toBeCloseTo(8 * Math.SQRT2 * 3e-3, 6);
});
