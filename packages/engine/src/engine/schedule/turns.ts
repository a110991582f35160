/** Equal shares for groups that want the same thing: who is next. Knows no task. */

/**
 * Start-time fair queueing: a group's next work starts, in virtual time, when its last ended, but not in the past. So
 * groups that always want something get equal shares, and one that comes back after a while gets no credit for it.
 */
export class Turns {
  /** Virtual time at which each group's work so far ends. */
  readonly #ends = new Map<string, number>();
  #now = 0;

  /** When the group's next work would start: the least goes first. */
  start(group: string): number {
    return Math.max(this.#now, this.#ends.get(group) ?? 0);
  }

  /** Counts work of a group. @param early out of turn: time does not pass for the others */
  serve(group: string, amount: number, early = false): void {
    const start = this.start(group);
    if (!early) this.#now = start;
    this.#ends.set(group, start + amount);
    if (this.#ends.size <= 1024) return;
    for (const [name, end] of this.#ends) if (end <= this.#now) this.#ends.delete(name);
  }
}

/** Of work that waits, the oldest first, whose turn it is: the group that starts first, and of its own the most urgent. */
export function nextInTurn<T>(
  waiting: readonly T[],
  turns: Turns,
  of: (work: T) => { readonly group: string; readonly priority: number },
): T | undefined {
  let best: T | undefined;
  let first = { group: '', priority: 0, start: Number.POSITIVE_INFINITY };
  for (const work of waiting) {
    const { group, priority } = of(work);
    const start = turns.start(group);
    const better = best !== undefined && group === first.group ? priority > first.priority : start < first.start;
    if (!better) continue;
    best = work;
    first = { group, priority, start };
  }
  return best;
}

/** Takes at most `count` items out of a list: of each group in turn, the oldest first. The rest keeps its order. */
export function takeFair<T extends { readonly group: string }>(list: T[], count: number): T[] {
  if (list.length <= count) return list.splice(0);
  const rounds = new Map<string, number>();
  const ranked = list.map((item) => {
    const round = rounds.get(item.group) ?? 0;
    rounds.set(item.group, round + 1);
    return { item, round };
  });
  // Stable: within a round the older goes first.
  const taken = new Set(
    ranked
      .toSorted((a, b) => a.round - b.round)
      .slice(0, count)
      .map(({ item }) => item),
  );
  const rest = list.filter((item) => !taken.has(item));
  const out = list.filter((item) => taken.has(item));
  list.splice(0, list.length, ...rest);
  return out;
}
