/**
 * Hands a corpus to the workers and follows it to its end.
 *
 * At most `window` jobs are in the queue at a time, so the queue's server needs room for those alone, whatever the
 * corpus. Jobs are named by their content: a corpus handed in again joins the jobs that wait or run, and starts those
 * that ended again, which then find their blocks in the store.
 */

import { BlockAttentionError, throwIfAborted } from '@block-attention/engine/internal/base';
import type { Passage } from '@block-attention/engine/internal/engine';
import { Queue, QueueEvents } from 'bullmq';
import { connectQueue, defaultQueueName, keyPrefix, type QueueLocation } from './connection.ts';
import { type EncodeJobData, type EncodeJobResult, jobId, jobPolicy } from './job.ts';

const handingInCancelled = 'handing in the corpus was cancelled: what is queued stays, the same command joins it';

export interface EnqueueOptions {
  readonly queue: QueueLocation;
  /** Salt of the block keys. Defaults to none. */
  readonly tenant?: string | undefined;
  /** How passages are encoded, as parsePolicy() reads it; no file's text. Defaults to what the workers were started with. */
  readonly policy?: string | undefined;
  /** Passages of one job. Defaults to 16. */
  readonly batch?: number | undefined;
  /** Jobs in the queue at a time. Defaults to 512. */
  readonly window?: number | undefined;
  /** Returns once everything is queued. Then all of it is queued at once. Defaults to true. */
  readonly wait?: boolean | undefined;
  /** Stops handing in and following; what is queued stays queued. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EnqueueProgress) => void) | undefined;
}

/** Counted in passages, but `jobs` and `failedJobs`. */
export interface EnqueueProgress {
  readonly queued: number;
  readonly done: number;
  readonly jobs: number;
  readonly failedJobs: number;
  readonly encoded: number;
}

export interface EnqueueSummary {
  readonly passages: number;
  readonly jobs: number;
  /** Blocks encoded and found by the jobs that ended well. */
  readonly encoded: number;
  readonly present: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly ms: number;
  /** Names of the workers that did it. */
  readonly workers: readonly string[];
  readonly failed: readonly { readonly job: string; readonly reason: string }[];
}

/** Of a job that fails for a reason that may pass, such as a store that is away. */
const attempts = 4;
const sweepMs = 2000;

/** @throws QUEUE_UNREACHABLE, INVALID_ARGUMENT, ABORTED */
export async function enqueuePassages(
  passages: Iterable<Passage> | AsyncIterable<Passage>,
  options: EnqueueOptions,
): Promise<EnqueueSummary> {
  const { queue: location, batch = 16, window = 512, tenant, wait = true } = options;
  if (!Number.isInteger(batch) || batch < 1 || batch > 1024) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `batch is ${batch}: give a whole number from 1 to 1024`);
  }
  if (!Number.isInteger(window) || window < 1) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `window is ${window}: give a whole number of at least 1`);
  }
  const policy = options.policy === undefined ? undefined : jobPolicy(options.policy);
  const connection = await connectQueue(location);
  const name = location.name ?? defaultQueueName;
  const queue = new Queue<EncodeJobData, EncodeJobResult>(name, { connection, prefix: keyPrefix });
  // Reading events blocks a connection.
  const listening = wait ? await connectQueue(location) : undefined;
  const events = listening && new QueueEvents(name, { connection: listening, prefix: keyPrefix });
  queue.on('error', () => {});
  events?.on('error', () => {});
  const follower = new Follower(queue, options);
  const sweep = wait ? setInterval(() => void follower.sweep(), sweepMs) : undefined;
  try {
    if (events) {
      events.on('completed', ({ jobId: id }) => void follower.look(id));
      events.on('failed', ({ jobId: id }) => void follower.look(id));
      await events.waitUntilReady();
    }
    for await (const part of batches(passages, batch)) {
      const data: EncodeJobData = {
        passages: part,
        ...(tenant !== undefined && { tenant }),
        ...(policy !== undefined && { policy }),
      };
      if (wait) await follower.until((open) => open < window);
      throwIfAborted(options.signal, handingInCancelled);
      await follower.add(data, wait);
    }
    if (wait) await follower.until((open) => open === 0);
    return follower.summary();
  } finally {
    clearInterval(sweep);
    await events?.close();
    await queue.close();
    listening?.disconnect();
    connection.disconnect();
  }
}

/** The jobs under way, and what became of the others. */
class Follower {
  readonly #queue: Queue<EncodeJobData, EncodeJobResult>;
  readonly #options: EnqueueOptions;
  readonly #started = performance.now();
  /** Passages by job. */
  readonly #open = new Map<string, number>();
  readonly #seen = new Set<string>();
  readonly #workers = new Set<string>();
  readonly #failed: { readonly job: string; readonly reason: string }[] = [];
  readonly #totals = { queued: 0, done: 0, jobs: 0, encoded: 0, present: 0, tokens: 0, bytes: 0 };
  #wake = () => {};

  constructor(queue: Queue<EncodeJobData, EncodeJobResult>, options: EnqueueOptions) {
    this.#queue = queue;
    this.#options = options;
    options.signal?.addEventListener('abort', () => this.#wake());
  }

  async add(data: EncodeJobData, follow: boolean): Promise<void> {
    const id = jobId(data);
    this.#totals.queued += data.passages.length;
    if (this.#seen.has(id)) {
      this.#totals.done += data.passages.length;
      return;
    }
    this.#seen.add(id);
    this.#totals.jobs += 1;
    const state = await this.#queue.getJobState(id);
    if (state === 'completed' || state === 'failed') await this.#queue.remove(id);
    if (follow) this.#open.set(id, data.passages.length);
    await this.#queue.add('encode', data, {
      jobId: id,
      attempts,
      backoff: { type: 'exponential', delay: 500 },
      removeOnComplete: { age: 86_400, count: 100_000 },
    });
    this.#report();
  }

  /** Resolves when the number of jobs under way is as asked for. @throws ABORTED */
  async until(condition: (open: number) => boolean): Promise<void> {
    while (!condition(this.#open.size)) {
      throwIfAborted(this.#options.signal, handingInCancelled);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Looks whether a job has ended. */
  async look(id: string): Promise<void> {
    if (!this.#open.has(id)) return;
    const job = await this.#queue.getJob(id).catch(() => undefined);
    if (job?.finishedOn === undefined) return;
    const passages = this.#open.get(id);
    if (passages === undefined || !this.#open.delete(id)) return;
    this.#totals.done += passages;
    const { returnvalue, failedReason } = job;
    // A job that failed before and was then retried keeps its old reason until it ends.
    if (returnvalue !== null && typeof returnvalue === 'object') {
      this.#totals.encoded += returnvalue.encoded;
      this.#totals.present += returnvalue.present;
      this.#totals.tokens += returnvalue.tokens;
      this.#totals.bytes += returnvalue.bytes;
      this.#workers.add(returnvalue.worker);
    } else this.#failed.push({ job: id, reason: failedReason });
    this.#report();
    this.#wake();
  }

  /** Events may be missed while the server is away. */
  async sweep(): Promise<void> {
    for (const id of this.#open.keys()) {
      const state = await this.#queue.getJobState(id).catch(() => 'unknown');
      if (state === 'completed' || state === 'failed') await this.look(id);
      if (state === 'unknown') await this.#vanished(id);
    }
  }

  /** Somebody removed it, or the server lost its data. */
  async #vanished(id: string): Promise<void> {
    if ((await this.#queue.getJob(id).catch(() => null)) !== undefined || !this.#open.delete(id)) return;
    this.#failed.push({ job: id, reason: 'the job vanished from the queue: the same command starts it again' });
    this.#wake();
  }

  #report(): void {
    const { queued, done, jobs, encoded } = this.#totals;
    this.#options.onProgress?.({ queued, done, jobs, failedJobs: this.#failed.length, encoded });
  }

  summary(): EnqueueSummary {
    const { queued, jobs, encoded, present, tokens, bytes } = this.#totals;
    const ms = performance.now() - this.#started;
    return {
      passages: queued,
      jobs,
      encoded,
      present,
      tokens,
      bytes,
      ms,
      workers: [...this.#workers],
      failed: this.#failed,
    };
  }
}

async function* batches(
  passages: Iterable<Passage> | AsyncIterable<Passage>,
  size: number,
): AsyncGenerator<readonly Passage[]> {
  let part: Passage[] = [];
  for await (const passage of passages) {
    part.push(passage);
    if (part.length < size) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
