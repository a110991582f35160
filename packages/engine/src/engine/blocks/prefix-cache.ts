/**
 * Own keys and values of earlier answers, kept for requests that begin alike: whole conversations in full mode, final
 * blocks that grow turn by turn in block mode.
 *
 * What an own cache holds depends on everything before it, so entries are found only within a scope: tenant,
 * and the keys of all context blocks in order (tokens alone do not name them: block boundaries decide what was seen). A
 * cache of sequences, least recently used first to go; never of blocks: what has seen other context must not pass for a
 * clean block. Of a model with short convolutions a sequence is of use as a whole alone: what stood behind its earlier
 * tokens is gone. Invariant: a sequence is disposed once, and not while anybody copies from it or generates into it.
 */
import { createHash } from 'node:crypto';
import type { Sequence } from '../../model/kv/sequence.ts';
import type { Runner } from '../schedule/runner.ts';
import type { Spare } from '../schedule/shortage.ts';

/** Fewer tokens are computed as fast as copied. */
const leastTokens = 16;

interface Entry {
  readonly scope: string;
  readonly sequence: Sequence;
  readonly release: () => void;
  /** What the sequence holds: its own tokens, in order. */
  tokens: Int32Array;
  /** Copies under way, and the answer that generates into it. */
  users: number;
  /** Nobody may find it any more. */
  dropped: boolean;
}

export interface PrefixStats {
  readonly entries: number;
  readonly bytes: number;
  readonly budgetBytes: number;
  /** Requests that found a beginning, and the tokens they did not compute. */
  readonly hits: number;
  readonly reusedTokens: number;
}

/** A sequence that is being generated into, and may be copied from. */
export interface Offer {
  /** The answer is done: the sequence, holding the beginning of `tokens`, is kept or disposed. */
  finish(tokens: Int32Array): void;
}

export class PrefixCache implements Spare {
  readonly #budgetBytes: number;
  /** Least recently used first. */
  readonly #entries = new Set<Entry>();
  #hits = 0;
  #reusedTokens = 0;
  #epoch = 0;

  readonly #onIdle: () => void;

  /**
   * @param budgetBytes of sequences that nobody uses; 0 keeps none
   * @param onIdle called when a sequence is not in use any more: give() could free it now
   */
  constructor(budgetBytes: number, onIdle: () => void) {
    this.#budgetBytes = budgetBytes;
    this.#onIdle = onIdle;
  }

  get enabled(): boolean {
    return this.#budgetBytes > 0;
  }

  /** Changes when everything is forgotten: what was begun before must not be kept. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Copies the longest known beginning of `tokens` into an empty sequence, the last token excepted. @returns how many
   */
  async restore(runner: Runner, scope: string, tokens: Int32Array, target: Sequence): Promise<number> {
    let best: Entry | undefined;
    let most = leastTokens - 1;
    for (const entry of this.#entries) {
      if (entry.dropped || entry.scope !== scope) continue;
      const common = Math.min(commonLength(entry.tokens, tokens), tokens.length - 1);
      if (common <= most || !entry.sequence.holds(common)) continue;
      most = common;
      best = entry;
    }
    if (best === undefined) return 0;
    best.users += 1;
    let copied = false;
    try {
      copied = await runner.copyPrefix(best.sequence, target, most);
    } finally {
      this.#leave(best);
      this.#onIdle();
    }
    if (!copied) return 0;
    this.#touch(best);
    this.#hits += 1;
    this.#reusedTokens += most;
    return most;
  }

  /**
   * Takes over a sequence that holds `tokens`.
   * @param epoch at the time the request came
   * @param release called once when the sequence has been disposed
   */
  offer(scope: string, epoch: number, tokens: Int32Array, sequence: Sequence, release: () => void): Offer {
    const dropped = !this.enabled || epoch !== this.#epoch;
    const entry: Entry = { scope, sequence, release, tokens, users: 1, dropped };
    this.#touch(entry);
    return {
      finish: (all) => {
        entry.tokens = all.slice(0, sequence.length);
        if (!sequence.holds(entry.tokens.length)) entry.dropped = true;
        this.#dropCovered(entry);
        this.#leave(entry);
        this.#shrink(this.#budgetBytes);
        this.#onIdle();
      },
    };
  }

  /** Of sequences that nobody uses. */
  get spareBytes(): number {
    let bytes = 0;
    for (const { sequence, users } of this.#entries) if (users === 0) bytes += sequence.bytes;
    return bytes;
  }

  /** Disposes unused sequences until `bytes` are free, or none is left. */
  give(bytes: number): void {
    this.#shrink(Math.max(0, this.spareBytes - bytes));
  }

  /** Forgets everything: a document was deleted, and states reveal its text. */
  clear(): void {
    this.#epoch += 1;
    for (const entry of this.#entries) this.#drop(entry);
  }

  stats(): PrefixStats {
    const kept = [...this.#entries].filter((entry) => !entry.dropped);
    return {
      entries: kept.length,
      bytes: kept.reduce((sum, { sequence }) => sum + sequence.bytes, 0),
      budgetBytes: this.#budgetBytes,
      hits: this.#hits,
      reusedTokens: this.#reusedTokens,
    };
  }

  /** Of two sequences of a scope, one of which begins with the other, the longer is enough if it still holds the shorter. */
  #dropCovered(entry: Entry): void {
    for (const other of this.#entries) {
      if (other === entry || other.scope !== entry.scope || other.dropped) continue;
      const common = commonLength(entry.tokens, other.tokens);
      if (common === entry.tokens.length && other.sequence.holds(common)) this.#drop(entry);
      else if (common === other.tokens.length && other.users === 0 && entry.sequence.holds(common)) this.#drop(other);
    }
  }

  /** Makes it the most recently used. */
  #touch(entry: Entry): void {
    if (entry.dropped) return;
    this.#entries.delete(entry);
    this.#entries.add(entry);
  }

  #leave(entry: Entry): void {
    entry.users -= 1;
    if (entry.dropped) this.#drop(entry);
  }

  #drop(entry: Entry): void {
    entry.dropped = true;
    this.#entries.delete(entry);
    if (entry.users > 0) return;
    entry.sequence.dispose();
    entry.release();
  }

  #shrink(limit: number): void {
    let bytes = this.spareBytes;
    for (const entry of this.#entries) {
      if (bytes <= limit) return;
      if (entry.users > 0) continue;
      bytes -= entry.sequence.bytes;
      this.#drop(entry);
    }
  }
}

/**
 * Names what a final block has seen besides itself.
 * @param context keys of the context blocks, in order; none in full mode, where the final block is the whole prompt
 * @param changed how the context was changed for this prompt, if it was
 */
export function prefixScope(tenant: string, context: readonly string[], changed = ''): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, context, changed]))
    .digest('hex');
}

function commonLength(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  let i = 0;
  while (i < most && a[i] === b[i]) i++;
  return i;
}
