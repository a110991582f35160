/**
 * The likeliest tokens alone, as a device finds them among its logits: enough to choose from where no others can be chosen.
 *
 * Invariant: whoever chooses from a shortlist chooses what he would have chosen from all logits, to the token. Where equal
 * logits leave that open, there is no shortlist.
 */

/** Token ids and their logits, the greatest first, no two equal. */
export interface Shortlist {
  readonly ids: Int32Array;
  readonly values: Float32Array;
}

/** Logits of all tokens, or of the likeliest. */
export type TokenLogits = Float32Array | Shortlist;

/** Longest shortlist: finding more takes a device longer than copying all. */
export const mostShort = 255;
/** Lengths that are asked of a device, so that few graphs differ. */
const lengths = [1, 63, mostShort];

/** Entries that a graph finds for shortlists of up to `wanted` tokens: one more than it may have. */
export function entriesFor(wanted: number): number {
  return 1 + (lengths.find((length) => length >= wanted) ?? mostShort);
}

/**
 * The first `count` of what a device found.
 * @param ids of the greatest logits, in any order, more than `count`
 * @param sum of all logits
 * @returns undefined where equal logits, or logits that are not numbers, leave open what samplers would make of all of them
 */
export function shortlistOf(ids: Int32Array, values: Float32Array, sum: number, count: number): Shortlist | undefined {
  if (!(sum < Number.POSITIVE_INFINITY) || ids.length <= count) return undefined;
  const order = Array.from(ids, (_, i) => i).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  const sorted = Float32Array.from(order, (i) => values[i] ?? Number.NaN);
  for (let i = 0; i < count; i++) if (!((sorted[i] ?? 0) > (sorted[i + 1] ?? 0))) return undefined;
  return { ids: Int32Array.from(order.slice(0, count), (i) => ids[i] ?? 0), values: sorted.slice(0, count) };
}
