/**
 * Loads a block only where that is expected to be faster than encoding it.
 *
 * Both are measured as they happen and taken to be a fixed time plus a time per byte, recent measurements weighing
 * more. While nothing is known, loading is tried. A tier that is too slow is tried again now and then with one block,
 * because networks recover.
 */
import type { TierPlace } from './block-store.ts';

/** Weight of what was known, against one new measurement. */
const decay = 0.9;
const probeEvery = 16;

/** Least squares of ms = fixed + perByte * bytes over weighted measurements. */
export class LinearCost {
  #weight = 0;
  #x = 0;
  #y = 0;
  #xx = 0;
  #xy = 0;

  add(bytes: number, ms: number): void {
    this.#weight = this.#weight * decay + 1;
    this.#x = this.#x * decay + bytes;
    this.#y = this.#y * decay + ms;
    this.#xx = this.#xx * decay + bytes * bytes;
    this.#xy = this.#xy * decay + bytes * ms;
  }

  /** Expected ms; undefined before the first measurement. */
  predict(bytes: number): number | undefined {
    if (this.#weight === 0) return undefined;
    const meanX = this.#x / this.#weight;
    const meanY = this.#y / this.#weight;
    const variance = this.#xx / this.#weight - meanX ** 2;
    const covariance = this.#xy / this.#weight - meanX * meanY;
    // With sizes too alike, or noise that says larger is faster, take time to be proportional to size.
    if (variance < (0.05 * meanX) ** 2 || covariance <= 0) return (meanY * bytes) / meanX;
    const perByte = covariance / variance;
    const fixed = meanY - perByte * meanX;
    return fixed < 0 ? (meanY * bytes) / meanX : fixed + perByte * bytes;
  }
}

export class Speed {
  /** By model: small models encode faster than large ones. */
  readonly #encode = new Map<string, LinearCost>();
  readonly #load = new Map<TierPlace, LinearCost>();
  readonly #skipped = new Map<TierPlace, number>();

  encoded(model: string, bytes: number, ms: number): void {
    addTo(this.#encode, model, bytes, ms);
  }

  /** Blocks of `bytes` in all were loaded together in `ms`. */
  loaded(tier: TierPlace, bytes: number, ms: number): void {
    addTo(this.#load, tier, bytes, ms);
  }

  encodeMs(model: string, sizes: readonly number[]): number | undefined {
    const cost = this.#encode.get(model);
    if (cost === undefined) return undefined;
    return sizes.reduce((sum, bytes) => sum + (cost.predict(bytes) ?? 0), 0);
  }

  loadMs(tier: TierPlace, bytes: number): number | undefined {
    return this.#load.get(tier)?.predict(bytes);
  }

  /** How many of the blocks of these sizes to load from a tier: all, none, or one to see whether it has recovered. */
  blocksToLoad(tier: TierPlace, model: string, sizes: readonly number[]): number {
    const loadMs = this.loadMs(
      tier,
      sizes.reduce((sum, bytes) => sum + bytes, 0),
    );
    const encodeMs = this.encodeMs(model, sizes);
    if (loadMs === undefined || encodeMs === undefined || loadMs < encodeMs) return sizes.length;
    const skipped = (this.#skipped.get(tier) ?? 0) + 1;
    this.#skipped.set(tier, skipped);
    return skipped % probeEvery === 0 ? 1 : 0;
  }
}

function addTo<K>(costs: Map<K, LinearCost>, name: K, bytes: number, ms: number): void {
  const cost = costs.get(name) ?? new LinearCost();
  cost.add(bytes, ms);
  costs.set(name, cost);
}
