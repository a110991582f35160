/**
 * Whether two greedy continuations of one prompt agree.
 *
 * Where the two best logits of the reference lie closer together than rounding can move them, either token is right,
 * and whoever takes the other one is on another path from there on. So tokens are compared up to the first such step.
 * Where logits are at hand, both models are led along the reference's path instead: every step counts that is decided,
 * and the logits of all of them must be as close as rounding explains (rounding.ts).
 */
import { expect } from 'vitest';
import {
  openReference,
  type Reference,
  type ReferenceOptions,
} from '../../packages/engine/src/ggml/llama/reference.ts';
import { argmax, relativeError } from './oracle/forward-harness.ts';
import { expectWithin, rms, roundingMargin, withPerturbed } from './oracle/rounding.ts';

/** Standard deviations of the difference of two logits within which they may change places. */
const tieDeviations = 8;

/** A greedy path: what was chosen, and the logits it was chosen from, [vocabulary] each. */
export interface Path {
  readonly tokens: Int32Array;
  readonly logits: readonly Float32Array[];
}

/** llama.cpp's path from a prompt, and the relative error of logits that rounding explains on it. */
export interface Yardstick extends Path {
  readonly rounding: number;
}

/** Leads llama.cpp along its own path, `steps` tokens, and copies of the model moved by rounding along the same one. */
export async function measureYardstick(
  model: string,
  prompt: Int32Array,
  steps: number,
  options: ReferenceOptions,
): Promise<Yardstick> {
  await using reference = await openReference(model, options);
  const path = await lead(reference, prompt, Array(steps).fill(undefined));
  const errors = await withPerturbed(model, async (copy) => {
    await using perturbed = await openReference(copy, options);
    return errorAlong(path, (await lead(perturbed, prompt, [...path.tokens])).logits);
  });
  return { ...path, rounding: rms(errors) };
}

/** Reads a prompt, then the tokens given, or where there is none the likeliest one. */
async function lead(reference: Reference, prompt: Int32Array, given: readonly (number | undefined)[]): Promise<Path> {
  const tokens = new Int32Array(given.length);
  const logits: Float32Array[] = [];
  for (const [step, token] of given.entries()) {
    const read = step === 0 ? prompt : tokens.subarray(step - 1, step);
    const [row = new Float32Array(0)] = await reference.decode(read, { logits: 'last' });
    logits.push(row.slice());
    tokens[step] = token ?? argmax(row);
  }
  return { tokens, logits };
}

/** Relative error of logits along a path, over all steps. */
export function errorAlong({ logits }: Path, other: readonly Float32Array[]): number {
  return rms(logits.map((row, step) => relativeError(other[step] ?? new Float32Array(0), row)));
}

/**
 * Expects the logits of a model that was led along a path to be the reference's but for rounding, and every step that
 * is decided to be decided alike. At least one in sixteen must be: over 4-bit weights, on a CPU with narrow integers, a
 * trained model decides one in eight.
 */
export function expectAlong(yardstick: Yardstick, own: readonly Float32Array[]): void {
  const { tokens, logits, rounding } = yardstick;
  expect(own).toHaveLength(tokens.length);
  expectWithin(errorAlong(yardstick, own), roundingMargin * rounding);
  const decided = logits.flatMap((row, step) => (margin(row) > tieBound(row, rounding) ? [step] : []));
  const chosen = decided.map((step) => argmax(own[step] ?? new Float32Array(0)));
  expect(chosen).toEqual(decided.map((step) => tokens[step]));
  expect(decided.length).toBeGreaterThanOrEqual(Math.ceil(tokens.length / 16));
}

/**
 * Expects tokens to be the reference's up to its first choice whose lead is not above `tie`.
 * @returns how many were compared
 */
export function expectSameChoices<T extends string | number>(
  own: ArrayLike<T>,
  reference: readonly { readonly token: T; readonly lead: number }[],
  tie: number,
): number {
  const first = reference.findIndex(({ lead }) => !(lead > tie));
  const decided = first < 0 ? reference : reference.slice(0, first);
  const tokens = Array.from(own);
  // A whole answer ends where the reference ends.
  expect(first < 0 ? tokens : tokens.slice(0, first)).toEqual(decided.map(({ token }) => token));
  return decided.length;
}

/** Stands for logits of random-model.ts, whose heads multiply rows of size 1 by 3. */
export const randomLogits = Float32Array.of(3);

/**
 * By how much a logit must exceed another for rounding not to change their order: errors of logits are alike, so that
 * of one is the relative error times the logits' root mean square, and that of a difference √2 times as much.
 */
export function tieBound(logits: Float32Array, error: number): number {
  return tieDeviations * Math.SQRT2 * error * rms(logits);
}

/** By how much the best value exceeds the next one. */
function margin(values: Float32Array): number {
  const best = argmax(values);
  const next = values.reduce((most, value, i) => (i === best ? most : Math.max(most, value)), Number.NEGATIVE_INFINITY);
  return (values[best] ?? Number.NaN) - next;
}
