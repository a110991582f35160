/** Reciprocal rank fusion: one ranking of several, by ranks alone, since their scores cannot be compared. */

const smoothing = 60;

export interface Fused {
  readonly id: string;
  readonly score: number;
  /** Rank in each list, 1-based; undefined where a list does not have it. */
  readonly ranks: readonly (number | undefined)[];
}

/** @param lists ids, best first, each at most once per list */
export function fuse(lists: readonly (readonly string[])[]): Fused[] {
  const found = new Map<string, { score: number; ranks: (number | undefined)[] }>();
  for (const [list, ids] of lists.entries()) {
    for (const [index, id] of ids.entries()) {
      const entry = found.get(id) ?? { score: 0, ranks: lists.map(() => undefined) };
      entry.score += 1 / (smoothing + index + 1);
      entry.ranks[list] = index + 1;
      found.set(id, entry);
    }
  }
  const fused = [...found].map(([id, entry]) => ({ id, ...entry }));
  // Equal scores: by the best rank, then by id, so that the order does not depend on the lists' order of arrival.
  const best = ({ ranks }: Fused) => Math.min(...ranks.map((rank) => rank ?? Number.POSITIVE_INFINITY));
  return fused.sort((a, b) => b.score - a.score || best(a) - best(b) || (a.id < b.id ? -1 : 1));
}
