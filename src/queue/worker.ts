/**
 * A worker: takes jobs from the queue, one at a time, until it is told to stop or the queue is empty.
 *
 * A job whose worker shows no sign of life goes to another; so does one that is interrupted by an orderly end. Blocks
 * that were stored by then stay: the next worker encodes the rest. All workers of a queue run one model the same way:
 * the first one says which, and others that differ are refused.
 */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine } from '@block-attention/engine/internal/engine';
import { type Job, Queue, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { connectQueue, defaultQueueName, keyPrefix, type QueueLocation } from './connection.ts';
import { encodeJob, PoisonError } from './encode-job.ts';
import type { EncodeJobData, EncodeJobResult } from './job.ts';

export interface WorkerOptions {
  /** Over a store that keeps nothing in memory: what it has must be what the machines share. */
  readonly engine: Engine;
  readonly queue: QueueLocation;
  /** In reports. Defaults to host name and process id. */
  readonly name: string;
  /** Time without a sign of life after which others take a worker's job, in ms. Defaults to 30,000. */
  readonly takeoverMs?: number | undefined;
  /** Ends when no job waits or runs. Defaults to false: waits for more. */
  readonly untilEmpty?: boolean | undefined;
  /** Ends the worker: its job goes back to the queue. */
  readonly signal: AbortSignal;
  readonly onJob?: ((report: JobReport) => void) | undefined;
  /** Told once per cause what goes wrong with the queue's server. */
  readonly onTrouble?: ((message: string) => void) | undefined;
}

export type JobReport =
  | { readonly status: 'done'; readonly job: string; readonly result: EncodeJobResult }
  | { readonly status: 'failed'; readonly job: string; readonly reason: string; readonly final: boolean };

export interface WorkerSummary {
  readonly jobs: number;
  readonly failed: number;
  readonly encoded: number;
  readonly present: number;
  readonly tokens: number;
  readonly ms: number;
}

const pollMs = 250;
/** How often a job may lose its worker: one that ends its workers is not given to all of them. */
const mostTakeovers = 2;

/** Resolves when the worker has ended in order. @throws QUEUE_UNREACHABLE, INVALID_ARGUMENT */
export async function runWorker(options: WorkerOptions): Promise<WorkerSummary> {
  const { engine, queue: location, name, signal, takeoverMs = 30_000 } = options;
  const started = performance.now();
  const connection = await connectQueue(location);
  const troubles = new Set<string>();
  const trouble = (error: Error) => {
    const message = error.message || error.name;
    if (!troubles.has(message)) options.onTrouble?.(message);
    troubles.add(message);
  };
  const queueName = location.name ?? defaultQueueName;
  const queue = new Queue(queueName, { connection, prefix: keyPrefix });
  queue.on('error', trouble);
  const totals = { jobs: 0, failed: 0, encoded: 0, present: 0, tokens: 0 };
  const identity = `${engine.model.name} ${engine.kvType} ${engine.blockKeys([{ text: 'identity' }])[0] ?? ''}`;
  const lease = new IdentityLease(connection, `${keyPrefix}:${queueName}:model`, identity, takeoverMs);
  try {
    await lease.take();
    const worker = new Worker<EncodeJobData, EncodeJobResult>(
      queueName,
      (job, token) => processJob(engine, job, token, name, signal),
      {
        connection,
        prefix: keyPrefix,
        concurrency: 1,
        lockDuration: takeoverMs,
        stalledInterval: takeoverMs,
        maxStalledCount: mostTakeovers,
        removeOnComplete: { age: 86_400, count: 100_000 },
      },
    );
    worker.on('error', trouble);
    worker.on('completed', (job, result) => {
      totals.jobs += 1;
      totals.encoded += result.encoded;
      totals.present += result.present;
      totals.tokens += result.tokens;
      options.onJob?.({ status: 'done', job: job.id ?? '', result });
    });
    worker.on('failed', (job, error) => {
      const final = error instanceof UnrecoverableError || (job?.attemptsMade ?? 0) >= (job?.opts.attempts ?? 1);
      if (final) totals.failed += 1;
      options.onJob?.({ status: 'failed', job: job?.id ?? '', reason: error.message, final });
    });
    while (!signal.aborted) {
      await pause(pollMs, signal);
      if (options.untilEmpty === true && (await isEmpty(queue))) break;
    }
    await worker.close();
    return { ...totals, ms: performance.now() - started };
  } finally {
    lease.release();
    await queue.close();
    connection.disconnect();
  }
}

async function processJob(
  engine: Engine,
  job: Job<EncodeJobData, EncodeJobResult>,
  token: string | undefined,
  worker: string,
  signal: AbortSignal,
): Promise<EncodeJobResult> {
  try {
    return await encodeJob(engine, job.data, { signal, worker });
  } catch (error) {
    if (signal.aborted && token !== undefined) {
      await job.moveToWait(token);
      throw new WaitingError();
    }
    if (error instanceof PoisonError) throw new UnrecoverableError(error.message);
    throw error;
  }
}

async function isEmpty(queue: Queue): Promise<boolean> {
  const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
  return Object.values(counts).every((count) => count === 0);
}

/** Says which model a queue's workers run, for as long as one of them lives. */
class IdentityLease {
  readonly #connection: Awaited<ReturnType<typeof connectQueue>>;
  readonly #key: string;
  readonly #identity: string;
  readonly #leaseMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Awaited<ReturnType<typeof connectQueue>>, key: string, identity: string, leaseMs: number) {
    this.#connection = connection;
    this.#key = key;
    this.#identity = identity;
    this.#leaseMs = leaseMs;
  }

  /** @throws INVALID_ARGUMENT when workers of another model are at it */
  async take(): Promise<void> {
    await this.#connection.set(this.#key, this.#identity, 'PX', this.#leaseMs, 'NX');
    const holder = await this.#connection.get(this.#key);
    if (holder !== null && holder !== this.#identity) {
      const other = holder.split(' ').slice(0, -1).join(', ');
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `workers of this queue encode with another model (${other}): start this one with the same model file and ` +
          'options, or on a queue of another name',
      );
    }
    const renew = () => this.#connection.set(this.#key, this.#identity, 'PX', this.#leaseMs).catch(() => {});
    this.#timer = setInterval(() => void renew(), this.#leaseMs / 3).unref();
  }

  /** Leaves the key to expire: other workers may hold it as well. */
  release(): void {
    clearInterval(this.#timer);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
