/**
 * Single flight between machines: who encodes a block that no tier holds.
 *
 * A claim is a key on the shared Redis that expires unless its holder renews it, so what a dead machine was encoding is
 * free again after `leaseMs`. Claims save work and decide nothing else: when the server does not answer, everybody
 * encodes, and the blocks are the same.
 */
import { randomBytes } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { BlockKey } from '../block-store.ts';
import { causeOf, type Warnings } from '../warnings.ts';
import { Breaker } from './breaker.ts';
import { connectRedis, type RedisLocation } from './redis-backend.ts';

export interface Claims {
  /** Those of the keys that this process may encode now; the others are being encoded elsewhere. Never throws. */
  take(keys: readonly BlockKey[]): Promise<ReadonlySet<BlockKey>>;
  /** The block is written, or given up. Idempotent. */
  release(key: BlockKey): void;
  close(): Promise<void>;
}

export interface RedisClaimsOptions extends RedisLocation {
  /** Limit of one operation, in ms. */
  readonly timeoutMs: number;
  /** Pause before a failing server is tried again, in ms. */
  readonly retryMs: number;
  /** Life of a claim that nobody renews, in ms. */
  readonly leaseMs: number;
  readonly warnings: Warnings;
}

const renew = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`;
const release = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

export class RedisClaims implements Claims {
  readonly #client: Redis | Cluster;
  readonly #options: RedisClaimsOptions;
  readonly #breaker: Breaker;
  readonly #owner = randomBytes(12).toString('hex');
  readonly #held = new Set<BlockKey>();
  readonly #releasing = new Set<Promise<unknown>>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: RedisClaimsOptions) {
    this.#options = options;
    this.#client = connectRedis({ ...options, ttlMs: options.leaseMs });
    this.#client.on('error', () => {});
    const probe = () => this.#timed(this.#client.ping());
    this.#breaker = new Breaker({ failures: 2, pauseMs: options.retryMs, probe });
    this.#timer = setInterval(() => this.#renew(), options.leaseMs / 3).unref();
  }

  async take(keys: readonly BlockKey[]): Promise<ReadonlySet<BlockKey>> {
    if (this.#breaker.isOpen) return new Set(keys);
    const answers = await Promise.all(keys.map(async (key) => ((await this.#take(key)) ? key : undefined)));
    const taken = new Set(answers.filter((key) => key !== undefined));
    for (const key of taken) this.#held.add(key);
    return taken;
  }

  async #take(key: BlockKey): Promise<boolean> {
    if (this.#held.has(key)) return true;
    try {
      const answer = await this.#timed(this.#client.set(claimKey(key), this.#owner, 'PX', this.#options.leaseMs, 'NX'));
      this.#breaker.succeeded();
      return answer !== null;
    } catch (error) {
      this.#failed(error);
      return true;
    }
  }

  release(key: BlockKey): void {
    if (!this.#held.delete(key) || this.#breaker.isOpen) return;
    const done = this.#timed(this.#client.eval(release, 1, claimKey(key), this.#owner))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#releasing.delete(done));
    this.#releasing.add(done);
  }

  #renew(): void {
    if (this.#breaker.isOpen) return;
    for (const key of this.#held) {
      this.#timed(this.#client.eval(renew, 1, claimKey(key), this.#owner, this.#options.leaseMs)).catch(
        (error: unknown) => this.#failed(error),
      );
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const key of this.#held) this.release(key);
    await Promise.all(this.#releasing);
    this.#breaker.close();
    this.#client.disconnect();
  }

  #failed(error: unknown): void {
    this.#breaker.failed();
    const message = `block store: claims cannot be made (${causeOf(error)}); machines may encode the same block`;
    this.#options.warnings.warn('redis', `claims ${causeOf(error)}`, message);
  }

  #timed<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timeout = () => reject(Object.assign(new Error('no answer'), { name: 'TimeoutError' }));
      const timer = setTimeout(timeout, this.#options.timeoutMs);
      work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

/** On the node of a cluster that has the block itself. */
function claimKey(key: BlockKey): string {
  return `block-attention:{${key}}:claim`;
}
