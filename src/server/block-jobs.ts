/** Pre-warming: passages encoded ahead of questions, as jobs with progress. The same passages are the same job. */
import { createHash } from 'node:crypto';
import type { EncodeSummary, Engine, Passage } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { errorBody } from './request-error.ts';
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

/** Jobs remembered, finished ones included. */
const maxKept = 1000;

export class BlockJobs {
  readonly #engine: Engine;
  readonly #maxRunning: number;
  readonly #signal: AbortSignal;
  readonly #jobs = new Map<string, BlockJob>();
  #running = 0;

  /** @param signal ends what is running */
  constructor(engine: Engine, maxRunning: number, signal: AbortSignal) {
    this.#engine = engine;
    this.#maxRunning = maxRunning;
    this.#signal = signal;
  }

  /** Starts a job, unless it is running. One that is done runs again: blocks may have left since. @throws OVERLOADED */
  start(passages: readonly Passage[], tenant: Tenant): BlockJob {
    const content = JSON.stringify([tenant.salt ?? '', passages.map(({ id, title, text }) => [id, title, text])]);
    const id = `blocks-${createHash('sha256').update(content).digest('hex').slice(0, 32)}`;
    const known = this.#jobs.get(key(id, tenant));
    if (known?.status === 'running') return known;
    if (this.#running >= this.#maxRunning) {
      throw new BlockAttentionError('OVERLOADED', `${this.#running} jobs are running already: try again later`);
    }
    this.#running += 1;
    const job: BlockJob = { id, object: 'block_attention.blocks', status: 'running', done: 0, total: passages.length };
    this.#keep(tenant, job);
    void this.#run(passages, tenant, job).finally(() => (this.#running -= 1));
    return job;
  }

  /** A job of this tenant. @throws NOT_FOUND, also for another tenant's */
  get(id: string, tenant: Tenant): BlockJob {
    const job = this.#jobs.get(key(id, tenant));
    if (job) return job;
    throw new BlockAttentionError('NOT_FOUND', 'there is no such job: POST /v1/blocks starts one');
  }

  async #run(passages: readonly Passage[], tenant: Tenant, job: BlockJob): Promise<void> {
    const onProgress = (done: number) => this.#keep(tenant, { ...job, done });
    const options = { tenant: tenant.salt, signal: this.#signal, onProgress };
    try {
      const summary = await this.#engine.encode(passages, options);
      this.#keep(tenant, { ...job, status: 'done', done: job.total, summary });
    } catch (error) {
      const { code, message } = errorBody(error).body.error;
      this.#keep(tenant, { ...job, status: 'failed', error: { code, message } });
    }
  }

  #keep(tenant: Tenant, job: BlockJob): void {
    this.#jobs.set(key(job.id, tenant), job);
    if (this.#jobs.size <= maxKept) return;
    const oldest = [...this.#jobs].find(([, { status }]) => status !== 'running');
    if (oldest) this.#jobs.delete(oldest[0]);
  }
}

function key(id: string, { name }: Tenant): string {
  return `${name} ${id}`;
}
