/** Files of types that are not read, counted by their ending: what a folder holds besides documents is not passed over in silence. */
import { extname } from 'node:path';
import type { IndexSummary } from '../types.ts';

/** What looks like an ending; `.2026 final version (old)` is a part of the name. */
const ending = /^\.[\p{L}\p{N}_+-]{1,12}$/u;

export class OtherFiles {
  readonly #counts = new Map<string, number>();

  add(path: string): void {
    const extension = extname(path).toLowerCase();
    const name = ending.test(extension) ? extension : '';
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** The commonest endings first, equally common ones by name. */
  counts(): IndexSummary['files']['others'] {
    const order = [...this.#counts].sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1));
    return { total: order.reduce((sum, [, count]) => sum + count, 0), endings: Object.fromEntries(order) };
  }
}
