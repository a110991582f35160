/** Pre-warming: passages encoded ahead of questions, as jobs with progress. The same passages are the same job. */
import { createHash } from 'node:crypto';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import {
  checkPolicy,
  type EncodeSummary,
  type Engine,
  encodingPart,
  type KeyOptions,
  type Passage,
} from '@block-attention/engine/internal/engine';
import type { BlockKey } from '@block-attention/engine/internal/store';
import { errorBody } from '../requests/request-error.ts';
import type { Tenant } from './tenants.ts';

export interface BlockJob {
  readonly id: string;
  readonly object: 'block_attention.blocks';
  readonly status: 'running' | 'done' | 'failed';
  readonly done: number;
  readonly total: number;
  readonly summary?: EncodeSummary;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Entry {
  job: BlockJob;
  /** Of the passages' blocks so far. */
  readonly keys: BlockKey[];
  readonly controller: AbortController;
  ended: Promise<void>;
}

/** Jobs remembered, finished ones included. */
const maxKept = 1000;

export class BlockJobs {
  readonly #engine: Engine;
  readonly #maxRunning: number;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, Entry>();
  #running = 0;

  /** @param signal ends what is running */
  constructor(engine: Engine, maxRunning: number, signal: AbortSignal) {
    this.#engine = engine;
    this.#maxRunning = maxRunning;
    this.#signal = signal;
  }

  /**
   * Starts a job, unless it is running. One that is done runs again: blocks may have left since.
   * @param owner who may see it @param options salt of the blocks, and how they are encoded @throws OVERLOADED, INVALID_ARGUMENT
   */
  start(passages: readonly Passage[], owner: Tenant, options: KeyOptions): BlockJob {
    const { tenant: salt = '', policy } = options;
    // Policies that read blocks differently share them.
    const encoded = policy === undefined ? [] : [encodingPart(checkPolicy(policy)).name];
    const content = JSON.stringify([
      salt,
      passages.map(({ id, title, text, previous }) => [id, title, text, previous]),
      ...encoded,
    ]);
    const id = `blocks-${createHash('sha256').update(content).digest('hex').slice(0, 32)}`;
    const known = this.#entries.get(keyOf(id, owner));
    if (known?.job.status === 'running') return known.job;
    if (this.#running >= this.#maxRunning) {
      throw new BlockAttentionError('OVERLOADED', `too many jobs are running (${this.#running}): try again later`);
    }
    this.#running += 1;
    const entry: Entry = {
      job: { id, object: 'block_attention.blocks', status: 'running', done: 0, total: passages.length },
      keys: [],
      controller: new AbortController(),
      ended: Promise.resolve(),
    };
    this.#keep(keyOf(id, owner), entry);
    entry.ended = this.#run(passages, options, entry).finally(() => (this.#running -= 1));
    return entry.job;
  }

  /** A job of this tenant. @throws NOT_FOUND, also for another tenant's */
  get(id: string, owner: Tenant): BlockJob {
    return this.#entry(id, owner).job;
  }

  /** Ends a job and removes its blocks from every tier. @returns how many there were @throws NOT_FOUND */
  async remove(id: string, owner: Tenant): Promise<number> {
    const entry = this.#entry(id, owner);
    entry.controller.abort();
    await entry.ended;
    this.#entries.delete(keyOf(id, owner));
    return this.#engine.forgetBlocks(entry.keys);
  }

  #entry(id: string, owner: Tenant): Entry {
    const entry = this.#entries.get(keyOf(id, owner));
    if (entry) return entry;
    throw new BlockAttentionError('NOT_FOUND', 'there is no such job: POST /v1/blocks starts one');
  }

  async #run(passages: readonly Passage[], options: KeyOptions, entry: Entry): Promise<void> {
    const { job, keys, controller } = entry;
    const end = () => controller.abort();
    this.#signal.addEventListener('abort', end, { once: true });
    try {
      const summary = await this.#engine.encode(passages, {
        ...options,
        signal: controller.signal,
        onProgress: (done) => (entry.job = { ...job, done }),
        onBlock: (key) => void keys.push(key),
      });
      entry.job = { ...job, status: 'done', done: job.total, summary };
    } catch (error) {
      const { code, block_attention_code: own = code, message } = errorBody(error).body.error;
      entry.job = { ...job, done: entry.job.done, status: 'failed', error: { code: own, message } };
    } finally {
      this.#signal.removeEventListener('abort', end);
    }
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= maxKept) return;
    const oldest = [...this.#entries].find(([, { job }]) => job.status !== 'running');
    if (oldest) this.#entries.delete(oldest[0]);
  }
}

function keyOf(id: string, { name }: Tenant): string {
  return `${name} ${id}`;
}
