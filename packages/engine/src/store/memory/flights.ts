/**
 * Single flight: of all the requests that need a block at the same time, one loads or encodes it, the others wait.
 *
 * A flight is one request's work on the blocks it found nobody working on. Blocks become visible to everyone as each
 * finishes. When a flight ends without having brought a block (its encoder failed, its request was cancelled), the
 * next request that waits for it takes over with its own encoder; nobody fails with another request's error.
 */
import { requestAborted } from '../../abort.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import type { BlockHandle, BlockKey, BlockRequest, Decision, EncodeMisses, TierPlace } from '../block-store.ts';
import type { LoadedBlock } from '../tier.ts';
import type { Entry, ResidentSet } from './resident-set.ts';

/** One request's view of a block. */
export interface Wanted {
  readonly request: BlockRequest;
  readonly entry: Entry;
  /** How often the request names the block: that many pins are its own. */
  readonly count: number;
  /** Set when this request's own flight brought the block, or it was there from the start. */
  outcome: Outcome | undefined;
  /** Why no tier brought it. */
  reason: Decision;
  /** Another machine is encoding it: it is looked for again. */
  elsewhere: boolean;
}

export type Outcome = Pick<BlockHandle, 'status' | 'tier' | 'decision' | 'ms'>;

export interface Acquisition {
  readonly wanted: readonly Wanted[];
  readonly encode: EncodeMisses;
  readonly signal: AbortSignal | undefined;
  readonly tenant: string;
  readonly startedAt: number;
}

/** A block that a tier had. Passes the memory on. */
export interface Found extends LoadedBlock {
  readonly tier: TierPlace;
  readonly ms: number;
}

/** What flights need from the tiers. */
export interface Lower {
  /**
   * Calls `found` for each block that a tier brings, sets `reason` of the others, and resolves when all have been
   * tried. Never throws.
   */
  load(
    wanted: readonly Wanted[],
    found: (wanted: Wanted, block: Found) => void,
    acquisition: Acquisition,
  ): Promise<void>;
  /**
   * Those of the blocks that no tier brought that this process is to encode. The others get `elsewhere`: another
   * machine is at it. Never throws.
   */
  claim(wanted: readonly Wanted[], acquisition: Acquisition): Promise<Wanted[]>;
  /** A claimed block will not be encoded after all. */
  disclaim(wanted: Wanted): void;
  /** A block came into memory, from a tier or (undefined) an encoder. The entry is held during the call. */
  arrived(wanted: Wanted, from: TierPlace | undefined, acquisition: Acquisition): void;
}

export class Flights {
  readonly #resident: ResidentSet;
  readonly #lower: Lower;
  /** The flight that works on an entry. */
  readonly #working = new Map<Entry, symbol>();
  readonly #waiting = new Map<Entry, Set<() => void>>();

  constructor(resident: ResidentSet, lower: Lower) {
    this.#resident = resident;
    this.#lower = lower;
  }

  /**
   * Resolves when every wanted block is in memory. The caller has pinned them.
   * @throws ABORTED as soon as the signal fires; what the request's own encoder throws.
   */
  async complete(acquisition: Acquisition): Promise<void> {
    const { wanted, signal } = acquisition;
    for (;;) {
      throwIfAborted(signal);
      const pending = wanted.filter(({ entry }) => entry.memory === undefined);
      if (pending.length === 0) return;
      const orphans = pending.filter(({ entry }) => !this.#working.has(entry));
      if (orphans.length > 0) {
        await untilAborted(this.#fly(orphans, acquisition), signal);
        const waits = orphans.every(({ entry, elsewhere }) => elsewhere && entry.memory === undefined);
        if (waits) await untilAborted(pause(pollMs), signal);
      } else await this.#change(pending, signal);
    }
  }

  async #fly(wanted: readonly Wanted[], acquisition: Acquisition): Promise<void> {
    const flight = Symbol('flight');
    for (const { entry } of wanted) {
      this.#working.set(entry, flight);
      this.#resident.startFlight(entry);
    }
    const isOurs = ({ entry }: Wanted) => this.#working.get(entry) === flight;
    const land = (item: Wanted, memory: NativeMemory, encodeMs: number, found?: Found) => {
      const { entry } = item;
      entry.memory = memory;
      entry.encodeMs = encodeMs;
      entry.readyAt = performance.now();
      item.outcome =
        found === undefined
          ? { status: 'miss', tier: 'none', decision: item.reason, ms: encodeMs }
          : { status: 'hit', tier: found.tier, decision: 'loaded', ms: item.elsewhere ? since(acquisition) : found.ms };
      this.#lower.arrived(item, found?.tier, acquisition);
      this.#finish(entry);
    };
    let claimed: Wanted[] = [];
    try {
      await this.#lower.load(
        wanted,
        (item, found) => {
          if (isOurs(item)) land(item, found.memory, found.encodeMs, found);
          else found.memory.free();
        },
        acquisition,
      );
      throwIfAborted(acquisition.signal);
      const absent = wanted.filter(isOurs);
      if (absent.length === 0) return;
      claimed = await this.#lower.claim(absent, acquisition);
      throwIfAborted(acquisition.signal);
      // None of them may have been taken over meanwhile.
      const missing = new Map(claimed.filter(isOurs).map((item): [BlockKey, Wanted] => [item.request.key, item]));
      if (missing.size === 0) return;
      const commit = (request: BlockRequest, memory: NativeMemory, ms: number) => {
        const item = missing.get(request.key);
        checkCommit(request, memory, item);
        // After the encoder has returned, somebody else may have taken over.
        if (item !== undefined && isOurs(item)) land(item, memory, ms);
        else if (item?.entry.memory !== memory) memory.free();
      };
      await acquisition.encode(
        [...missing.values()].map(({ request }) => request),
        commit,
        acquisition.signal,
      );
      const left = [...missing.values()].filter(isOurs);
      if (left.length > 0) {
        throw new BlockAttentionError(
          'COMPUTE_FAILED',
          `the encoder returned without committing ${left.length} of ${missing.size} blocks`,
        );
      }
    } finally {
      for (const item of claimed) if (item.entry.memory === undefined) this.#lower.disclaim(item);
      for (const item of wanted) if (isOurs(item)) this.#finish(item.entry);
    }
  }

  #finish(entry: Entry): void {
    this.#working.delete(entry);
    for (const wake of this.#waiting.get(entry) ?? []) wake();
    this.#resident.endFlight(entry);
  }

  /** Resolves when one of the pending blocks arrives or loses its flight. */
  async #change(pending: readonly Wanted[], signal: AbortSignal | undefined): Promise<void> {
    let wake = () => {};
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    for (const { entry } of pending) {
      const sleepers = this.#waiting.get(entry) ?? new Set();
      this.#waiting.set(entry, sleepers.add(wake));
    }
    try {
      await untilAborted(changed, signal);
    } finally {
      for (const { entry } of pending) {
        const sleepers = this.#waiting.get(entry);
        sleepers?.delete(wake);
        if (sleepers?.size === 0) this.#waiting.delete(entry);
      }
    }
  }

  /** @throws Error when a flight works on something that does not need it. */
  checkIntegrity(): void {
    for (const [entry] of this.#working) {
      if (entry.flights !== 1) throw new Error(`block store: block ${entry.key} is in flight but not held`);
      if (entry.memory !== undefined) throw new Error(`block store: block ${entry.key} is in flight and in memory`);
    }
  }
}

/** Pause between looks for a block that another machine encodes, in ms. */
const pollMs = 40;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function since({ startedAt }: Acquisition): number {
  return performance.now() - startedAt;
}

function checkCommit(request: BlockRequest, memory: NativeMemory, item: Wanted | undefined): void {
  const size = memory.size;
  const problem =
    item === undefined
      ? 'was not asked for'
      : size !== item.request.bytes
        ? `has ${size} bytes instead of ${item.request.bytes}`
        : undefined;
  if (problem === undefined) return;
  throw new BlockAttentionError('INVALID_ARGUMENT', `committed block ${request.key} ${problem}: fix the encoder`);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw requestAborted(signal);
}

/** Like `promise`, but rejects with ABORTED as soon as the signal fires; what happens to `promise` then is ignored. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(requestAborted(signal));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
