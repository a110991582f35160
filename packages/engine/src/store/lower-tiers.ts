/**
 * The tiers below memory as one: searched from the fastest down, filled in the background.
 *
 * A block found in one tier is written to the faster ones that lacked it. Nothing here fails a request.
 */
import type { BlockKey, TierPlace, TierStats } from './block-store.ts';
import type { Acquisition, Found, Lower, Wanted } from './memory/flights.ts';
import type { ResidentSet } from './memory/resident-set.ts';
import type { Claims } from './remote/claims.ts';
import { Speed } from './speed.ts';
import type { BlockTier, LoadedBlock } from './tier.ts';
import { causeOf, type Warnings } from './warnings.ts';
import { WriteBehind } from './write-behind.ts';

/** Shields the store from a tier that throws, against its contract. */
function guarded<T>(place: TierPlace, work: Promise<T>, instead: T, warnings: Warnings): Promise<T> {
  return work.catch((error: unknown) => {
    warnings.warn(place, causeOf(error), `block store: the ${place} tier failed: ${String(error)}`);
    return instead;
  });
}

/**
 * `strict`: waits for as long as the other machine is alive, and loads whatever there is. `patient`: waits at most
 * about as long as encoding takes.
 */
export type ClaimWait = 'patient' | 'strict';

interface LowerTiersOptions {
  readonly queueBytes: number;
  readonly warnings: Warnings;
  readonly claims?: Claims | undefined;
  readonly claimWait?: ClaimWait | undefined;
}

const leastClaimPatienceMs = 500;

/** Loading is given up when it has taken as long as encoding would, but never sooner than this. */
const leastPatienceMs = 50;

interface PlacedTier {
  readonly tier: BlockTier;
  /** Tells it from all other tiers of the store, those of its kind included. */
  readonly place: TierPlace;
  readonly writer: WriteBehind;
}

export class LowerTiers implements Lower {
  readonly #tiers: readonly PlacedTier[];
  readonly #speed = new Speed();
  readonly #warnings: Warnings;
  readonly #claims: Claims | undefined;
  readonly #claimWait: ClaimWait;

  constructor(
    tiers: readonly BlockTier[],
    resident: ResidentSet,
    { queueBytes, warnings, claims, claimWait = 'patient' }: LowerTiersOptions,
  ) {
    this.#warnings = warnings;
    this.#claims = claims;
    this.#claimWait = claimWait;
    const places = placesOf(tiers.map(({ name }) => name));
    this.#tiers = tiers.map((tier, i) => {
      const place = places[i] ?? tier.name;
      return { tier, place, writer: new WriteBehind(tier, place, resident, queueBytes, warnings) };
    });
  }

  async load(
    wanted: readonly Wanted[],
    found: (wanted: Wanted, block: Found) => void,
    acquisition: Acquisition,
  ): Promise<void> {
    let rest = wanted;
    for (const placed of this.#tiers) {
      if (rest.length === 0 || acquisition.signal?.aborted) return;
      // Whoever waits for others' encoding takes it, fast or not.
      const all = this.#claims !== undefined && this.#claimWait === 'strict';
      const count = all ? rest.length : this.#speed.blocksToLoad(placed.place, modelOf(rest), sizesOf(rest));
      const skipped = rest.slice(count);
      for (const item of skipped) if (item.reason === 'absent') item.reason = 'slower';
      const missed = await this.#loadFrom(placed, rest.slice(0, count), found, acquisition);
      rest = [...missed, ...skipped];
    }
  }

  /** Resolves to the blocks that the tier did not bring. */
  async #loadFrom(
    { tier, place }: PlacedTier,
    wanted: readonly Wanted[],
    found: (wanted: Wanted, block: Found) => void,
    acquisition: Acquisition,
  ): Promise<Wanted[]> {
    if (wanted.length === 0) return [];
    const patience = new AbortController();
    const stop = () => patience.abort();
    const hurried = this.#claims === undefined || this.#claimWait === 'patient';
    const encodeMs = hurried ? this.#speed.encodeMs(modelOf(wanted), sizesOf(wanted)) : undefined;
    const timer = encodeMs === undefined ? undefined : setTimeout(stop, Math.max(encodeMs, leastPatienceMs));
    acquisition.signal?.addEventListener('abort', stop);
    const startedAt = performance.now();
    let triedBytes = 0;
    const loaded = new Set<Wanted>();
    try {
      await Promise.all(
        wanted.map(async (item) => {
          const loading = tier.load(item.request, { signal: patience.signal });
          const result = await guarded<LoadedBlock | string>(place, loading, 'failed', this.#warnings);
          if (result !== 'absent') triedBytes += item.request.bytes;
          if (typeof result !== 'string') {
            loaded.add(item);
            found(item, { ...result, tier: place, ms: performance.now() - startedAt });
            return;
          }
          if (result !== 'absent') item.reason = 'unreadable';
        }),
      );
    } finally {
      clearTimeout(timer);
      acquisition.signal?.removeEventListener('abort', stop);
    }
    const cancelled = acquisition.signal?.aborted ?? false;
    if (triedBytes > 0 && !cancelled) this.#speed.loaded(place, triedBytes, performance.now() - startedAt);
    return wanted.filter((item) => !loaded.has(item));
  }

  arrived(item: Wanted, from: TierPlace | undefined, acquisition: Acquisition): void {
    const { entry, request } = item;
    const { encodeMs } = entry;
    if (from === undefined) this.#speed.encoded(request.model ?? '', request.bytes, encodeMs);
    // Removed meanwhile: it goes nowhere.
    const tiers = entry.indexed ? this.#tiers : [];
    const known = tiers.findIndex(({ place }) => place === from);
    const targets = known < 0 ? tiers : tiers.slice(0, known);
    let open = targets.length;
    const onEnd = () => {
      open -= 1;
      if (open <= 0) this.#claims?.release(request.key);
    };
    if (targets.length === 0) onEnd();
    for (const { writer } of targets) writer.enqueue(entry, { request, encodeMs, tenant: acquisition.tenant }, onEnd);
  }

  async claim(wanted: readonly Wanted[], acquisition: Acquisition): Promise<Wanted[]> {
    const claims = this.#claims;
    if (claims === undefined) return [...wanted];
    const taken = await claims.take(wanted.map(({ request }) => request.key));
    const waitedMs = performance.now() - acquisition.startedAt;
    const patienceMs = leastClaimPatienceMs + 2 * (this.#speed.encodeMs(modelOf(wanted), sizesOf(wanted)) ?? 500);
    const impatient = this.#claimWait === 'patient' && waitedMs > patienceMs;
    const ours = await Promise.all(
      wanted.map(async (item) => {
        const { key } = item.request;
        if (!taken.has(key)) return impatient;
        // Its last holder may have written it between our look and our claim. What tiers have but cannot give is encoded.
        if (item.reason !== 'absent' || (await this.find(key)) === undefined) return true;
        item.reason = 'unreadable';
        claims.release(key);
        return false;
      }),
    );
    wanted.forEach((item, i) => {
      item.elsewhere = ours[i] !== true;
    });
    return wanted.filter(({ elsewhere }) => !elsewhere);
  }

  disclaim({ request }: Wanted): void {
    this.#claims?.release(request.key);
  }

  get pendingBytes(): number {
    return this.#tiers.reduce((sum, { writer }) => sum + writer.pendingBytes, 0);
  }

  async find(key: BlockKey): Promise<TierPlace | undefined> {
    for (const { tier, place } of this.#tiers)
      if (await guarded(place, tier.has(key), false, this.#warnings)) return place;
    return undefined;
  }

  /** Deletes blocks from every tier; resolves to those that one of them had. */
  async remove(keys: ReadonlySet<BlockKey>): Promise<BlockKey[]> {
    const removed = await Promise.all(
      this.#tiers.map(async ({ tier, place, writer }) => {
        await writer.cancel(keys);
        return guarded(place, tier.remove([...keys]), [], this.#warnings);
      }),
    );
    return removed.flat();
  }

  stats(): TierStats[] {
    return this.#tiers.map(({ tier, place }) => ({
      ...tier.stats(),
      name: place,
      loadMsPerMiB: this.#speed.loadMs(place, 1 << 20),
    }));
  }

  async flush(): Promise<void> {
    await Promise.all(this.#tiers.map(({ writer }) => writer.flush()));
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#claims?.close();
    await Promise.all(this.#tiers.map(({ tier }) => tier.close()));
  }
}

/** A place of its own for every tier: its name, numbered from the second of that name on. */
export function placesOf(names: readonly string[]): TierPlace[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let place = name;
    for (let number = 2; taken.has(place); number += 1) place = `${name} ${number}`;
    taken.add(place);
    return place;
  });
}

/** All blocks of a request belong to one model. */
function modelOf(wanted: readonly Wanted[]): string {
  return wanted[0]?.request.model ?? '';
}

function sizesOf(wanted: readonly Wanted[]): number[] {
  return wanted.map(({ request }) => request.bytes);
}
