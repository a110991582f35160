/**
 * Blocks in Redis or Valkey, single or cluster.
 *
 * A value is cut into chunks, because servers and networks dislike values of hundreds of megabytes. The chunks carry
 * the name of their writing, and the entry that lists them is set last: a reader sees one whole writing or none. All
 * keys of a block share a hash tag, so that a cluster keeps them on one node and they can be pipelined. Everything
 * expires, so what a crashed writer left goes too.
 */
import { randomBytes } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis } from 'ioredis';
import type { BlockKey } from '../block-store.ts';
import { type RemoteBackend, WrongLength } from './remote-tier.ts';

/** Where a Redis or Valkey is. */
export interface RedisLocation {
  /** `redis://[user:password@]host:port[/db]`, `rediss://` for TLS. Several URLs, or `cluster`, make a cluster. */
  readonly urls: readonly string[];
  readonly cluster?: boolean | undefined;
  /** Options of TLS connections, e.g. a `ca`. */
  readonly tls?: ConnectionOptions | undefined;
}

export interface RedisOptions extends RedisLocation {
  /** Life of a block on the server, in ms. */
  readonly ttlMs: number;
  /** Limit of connecting, in ms. */
  readonly timeoutMs: number;
}

const chunkBytes = 4 << 20;
/** `<bytes> <chunks> <name of the writing>` */
const listing = /^(\d{1,15}) (\d{1,6}) ([0-9a-f]{16})$/;

export class RedisBackend implements RemoteBackend {
  readonly name = 'redis';
  readonly #client: Redis | Cluster;
  readonly #ttlMs: number;
  #closed = false;

  constructor(options: RedisOptions) {
    this.#ttlMs = Math.min(options.ttlMs, 2 ** 40);
    this.#client = connectRedis(options);
    // Without a listener, a lost connection would end the process; failed commands report it as well.
    this.#client.on('error', () => {});
  }

  get(key: BlockKey, bytes: number, signal: AbortSignal, alive: () => void): Promise<Buffer | undefined> {
    return this.#watched(signal, () => this.#get(key, bytes, alive));
  }
  put(key: BlockKey, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    return this.#watched(signal, () => this.#put(key, parts, signal));
  }
  has(key: BlockKey, signal: AbortSignal): Promise<boolean> {
    return this.#watched(signal, async () => (await this.#client.exists(listKey(key))) > 0);
  }
  delete(key: BlockKey, signal: AbortSignal): Promise<boolean> {
    return this.#watched(signal, () => this.#delete(key));
  }
  ping(signal: AbortSignal): Promise<void> {
    return this.#watched(signal, async () => {
      await this.#client.ping();
    });
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
  }

  /**
   * Drops the connection when an operation runs out of time: commands that nobody waits for must not pile up before a
   * stopped server, and their late answers must not delay those of others.
   */
  async #watched<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const drop = () => {
      if (!this.#closed && signal.reason instanceof Error && signal.reason.name === 'TimeoutError') {
        this.#client.disconnect(true);
      }
    };
    signal.addEventListener('abort', drop);
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', drop);
    }
  }

  async #get(key: BlockKey, bytes: number, alive: () => void): Promise<Buffer | undefined> {
    const entry = await this.#client.get(listKey(key));
    if (entry === null) return undefined;
    const [, total, chunks, writing] = listing.exec(entry) ?? [];
    if (writing === undefined || Number(total) !== bytes || Number(chunks) !== Math.ceil(bytes / chunkBytes)) {
      throw new WrongLength(`the entry of block ${key} is ${JSON.stringify(entry.slice(0, 80))}, for ${bytes} bytes`);
    }
    alive();
    const pipeline = this.#client.pipeline();
    for (let at = 0; at < Number(chunks); at += 1) pipeline.getBuffer(chunkKey(key, writing, at));
    const parts = (await pipeline.exec()) ?? [];
    const value: Buffer[] = [];
    for (const [error, part] of parts) {
      if (error !== null) throw error;
      if (Buffer.isBuffer(part)) value.push(part);
    }
    if (value.length < Number(chunks)) {
      // A server that is full gives up keys one by one: without all its chunks a block is gone.
      await this.#client.del(listKey(key));
      return undefined;
    }
    const found = value.reduce((sum, part) => sum + part.byteLength, 0);
    if (found !== bytes) throw new WrongLength(`block ${key} has ${found} bytes instead of ${bytes}`);
    return Buffer.concat(value, bytes);
  }

  async #put(key: BlockKey, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const writing = randomBytes(8).toString('hex');
    let chunk = 0;
    for (const piece of rechunk(parts)) {
      if (signal.aborted) throw signal.reason;
      await this.#client.set(chunkKey(key, writing, chunk), piece, 'PX', this.#ttlMs);
      chunk += 1;
    }
    // The list goes before its chunks do.
    const listMs = Math.max(1, this.#ttlMs - 1000);
    await this.#client.set(listKey(key), `${bytes} ${chunk} ${writing}`, 'PX', listMs);
  }

  async #delete(key: BlockKey): Promise<boolean> {
    const entry = await this.#client.getBuffer(listKey(key));
    if (entry === null) return false;
    const [, , chunks, writing] = listing.exec(entry.toString('latin1').slice(0, 80)) ?? [];
    await this.#client.del(listKey(key));
    if (writing === undefined) return true;
    const pipeline = this.#client.pipeline();
    // One call per key: not every compatible server takes a large value off its main thread for DEL.
    for (let at = 0; at < Number(chunks); at += 1) pipeline.unlink(chunkKey(key, writing, at));
    await pipeline.exec();
    return true;
  }
}

function listKey(key: BlockKey): string {
  return `block-attention:{${key}}`;
}

function chunkKey(key: BlockKey, writing: string, at: number): string {
  return `block-attention:{${key}}:${writing}:${at}`;
}

/** Pieces of `chunkBytes`, the last one shorter. Copies: what is sent must not change or go away under the client. */
function* rechunk(parts: readonly Uint8Array[]): Generator<Buffer> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; ) {
      const piece = part.subarray(at, at + chunkBytes - pendingBytes);
      pending.push(piece);
      pendingBytes += piece.byteLength;
      at += piece.byteLength;
      if (pendingBytes < chunkBytes) continue;
      yield Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
    }
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}

/** Fails commands instead of keeping them while there is no connection. Needs a listener of `error`. */
export function connectRedis(options: RedisOptions): Redis | Cluster {
  const { urls, timeoutMs, tls } = options;
  const retryStrategy = (attempt: number) => Math.min(100 * attempt, 2000);
  const common = {
    connectTimeout: timeoutMs,
    // A command that waits for a connection fails with it instead of piling up.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...(tls === undefined ? {} : { tls }),
  };
  const [first = ''] = urls;
  if (urls.length === 1 && options.cluster !== true) return new Redis(first, { ...common, retryStrategy });
  const { username, password, protocol } = new URL(first);
  return new Cluster([...urls], {
    clusterRetryStrategy: retryStrategy,
    redisOptions: {
      ...common,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: tls ?? {} } : {}),
    },
  });
}
