/**
 * What happens when the memory of a device does not do: whatever is kept for speed alone is given back, then work is done
 * in smaller parts, and what cannot be had even then fails by itself.
 */
import { shortageOf } from '../../ggml/device/memory-account.ts';

/** Memory of the device that is kept for speed alone. Asked while nothing computes. */
export interface Spare {
  /** Bytes that could be given back. */
  readonly spareBytes: number;
  /** Gives back at least so many bytes, or all of them. */
  give(bytes: number): void;
}

/** What is given back may be what the next attempt takes first. */
const mostAttempts = 5;

/** Memory to be given back, in this order. */
export class Spares {
  readonly #spares: Spare[] = [];

  add(spare: Spare): void {
    this.#spares.push(spare);
  }

  /** Gives back what an error says is missing, if all spares together have as much. @returns whether to try again */
  relieve(error: unknown): boolean {
    let missing = shortageOf(error)?.missing ?? 0;
    const together = this.#spares.reduce((sum, { spareBytes }) => sum + spareBytes, 0);
    if (missing === 0 || together < missing) return false;
    for (const spare of this.#spares) {
      if (missing <= 0) break;
      const given = Math.min(spare.spareBytes, missing);
      if (given > 0) spare.give(given);
      missing -= given;
    }
    return true;
  }

  /** Runs work that a shortage leaves as it was, and again if that could be relieved: it may meet several, one by one. */
  async retry<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt === mostAttempts || !this.relieve(error)) throw error;
      }
    }
  }
}

export type Outcome<R> = { readonly value: R } | { readonly error: unknown };

/** How a part is cut in two, and what its halves gave is joined. */
export interface Halving<P, R> {
  /** Undefined for a part that is small enough. */
  halve(part: P): readonly [P, P] | undefined;
  join(first: R, second: R): R;
}

/**
 * Runs parts together, or in ever smaller groups, one after the other, as long as memory does not do for more.
 * @param run leaves the parts as they were where it throws a shortage
 * @returns what became of each part: with a shortage fail those alone that are too large by themselves
 */
export async function runInGroups<P, R>(
  parts: readonly P[],
  run: (parts: readonly P[]) => Promise<readonly R[]>,
  halving?: Halving<P, R>,
): Promise<Outcome<R>[]> {
  try {
    return Array.from(await run(parts), (value) => ({ value }));
  } catch (error) {
    if (shortageOf(error) === undefined) return parts.map(() => ({ error }));
    const [only] = parts;
    if (parts.length > 1) {
      const half = Math.ceil(parts.length / 2);
      const first = await runInGroups(parts.slice(0, half), run, halving);
      return [...first, ...(await runInGroups(parts.slice(half), run, halving))];
    }
    const halves = only === undefined ? undefined : halving?.halve(only);
    if (halves === undefined || halving === undefined) return parts.map(() => ({ error }));
    return [await joined(halves, run, halving)];
  }
}

async function joined<P, R>(
  [one, two]: readonly [P, P],
  run: (parts: readonly P[]) => Promise<readonly R[]>,
  halving: Halving<P, R>,
): Promise<Outcome<R>> {
  const [first] = await runInGroups([one], run, halving);
  if (first === undefined || 'error' in first) return first ?? { error: new Error('a part has an outcome') };
  const [second] = await runInGroups([two], run, halving);
  if (second === undefined || 'error' in second) return second ?? { error: new Error('a part has an outcome') };
  return { value: halving.join(first.value, second.value) };
}
