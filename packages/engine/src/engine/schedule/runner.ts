/**
 * Runs what the scheduler picks, one batch at a time, and gives results back to whoever asked. Knows sequences and
 * logits; no text, no store.
 */
import { setMaxListeners } from 'node:events';
import { requestAborted } from '../../abort.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import type { TokenLogits } from '../../ggml/llama/shortlist.ts';
import { type AttentionFactory, DecodeGraph, forwardStep, type WantedLogits } from '../../model/graph/step.ts';
import { convertBlock, type StoredBlock } from '../../model/kv/convert-kv.ts';
import { copyPrefix } from '../../model/kv/copy-prefix.ts';
import type { KvLayout } from '../../model/kv/kv-layout.ts';
import { RowStates } from '../../model/kv/row-states.ts';
import type { Sequence, SequenceMark } from '../../model/kv/sequence.ts';
import type { Model } from '../../model/model.ts';
import { blockDamaged, modelDamaged } from './damaged-files.ts';
import { Pace } from './pace.ts';
import { type Chunk, type DecodeTask, type PromptTask, Scheduler } from './scheduler.ts';
import { type Outcome, runInGroups, type Spare, Spares } from './shortage.ts';
import { halvedSteps, joinRows, type Written, wantedOf } from './steps.ts';

interface Settled<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

interface Prompt extends PromptTask<Sequence>, Settled<PromptResult> {
  readonly logits: WantedLogits;
  readonly writes: boolean;
  /** Of the chunks so far. */
  readonly rows: Float32Array[];
  cancelled: boolean;
  computeMs: number;
}

interface Decode extends DecodeTask<Sequence>, Settled<TokenLogits> {
  readonly shortlist: number | undefined;
  cancelled: boolean;
}

export interface PromptResult {
  /** Logits of the tokens that were asked for, [tokens, vocabulary]; empty when none were. */
  readonly logits: Float32Array;
  /** This prompt's share of the time its batches took, in ms. */
  readonly computeMs: number;
}

export interface RunnerOptions {
  readonly model: Model;
  readonly attention: AttentionFactory;
  /** Most tokens of one prompt batch. Defaults to 512. */
  readonly batchTokens?: number | undefined;
  /** The same while others wait for their next token or get their first one. Defaults to 128. */
  readonly busyBatchTokens?: number | undefined;
  /** Bytes that one sequence's score matrix may take. Defaults to 256 MiB. */
  readonly scoreBytes?: number | undefined;
  /** Whether the device finds shortlists itself. Defaults to false: all logits are copied. */
  readonly shortlists?: boolean | undefined;
  /** Chooses the threads of every step. Defaults to as many as the backend has. */
  readonly pace?: Pace | undefined;
}

export class Runner {
  readonly #model: Model;
  readonly #attention: AttentionFactory;
  readonly #allocator: GraphAllocator;
  readonly #scoreBytes: number;
  readonly #shortlists: boolean;
  readonly #pace: Pace;
  readonly #scheduler: Scheduler<Sequence, Prompt, Decode>;
  /** Work that is not a forward pass but needs the backend to itself. */
  readonly #exclusives: (() => Promise<void>)[] = [];
  readonly #inFlight = new Set<Prompt | Decode>();
  /** Asked between batches alone. */
  readonly #spares = new Spares();
  #decodeGraph: DecodeGraph | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: RunnerOptions) {
    this.#model = options.model;
    this.#attention = options.attention;
    this.#allocator = options.model.backend.allocator();
    this.#pace = options.pace ?? new Pace(options.model);
    this.#shortlists = options.shortlists ?? false;
    this.#scoreBytes = options.scoreBytes ?? 256 * 2 ** 20;
    this.#scheduler = new Scheduler({
      batchTokens: options.batchTokens ?? 512,
      busyBatchTokens: options.busyBatchTokens ?? 128,
      batchSequences: 64,
      chunkTokens: ({ sequence, tokens }) => this.mostTokens(sequence.keys + tokens.length),
      givesToken: ({ logits }) => logits === 'last',
    });
    this.#spares.add(this.#scratch());
  }

  /** Names memory of the device that may be had back before a request fails for want of it, in the order of the calls. */
  addSpare(spare: Spare): void {
    this.#spares.add(spare);
  }

  /**
   * Runs tokens through the model, appending their keys and values to the sequence.
   * @throws ABORTED when the signal fires; the sequence may then hold a part of the tokens
   */
  prompt(
    sequence: Sequence,
    tokens: Int32Array,
    options: {
      readonly logits: WantedLogits;
      /** Whether the model's writer acts on the tokens, which then give no logits. Defaults to false. */
      readonly writes?: boolean | undefined;
      readonly priority?: number;
      /** Who it is for: groups get equal shares. Defaults to one that all share. */
      readonly group?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<PromptResult> {
    const { logits, writes = false, priority = 0, group = '', signal } = options;
    return this.#submit(signal, (settled): Prompt => {
      const asked = { sequence, tokens, logits, writes, priority, group };
      const task = { ...asked, rows: [], cancelled: false, computeMs: 0, ...settled };
      this.#scheduler.addPrompt(task);
      return task;
    });
  }

  /**
   * Runs one token of a sequence.
   * @param options `shortlist`: how many of the likeliest tokens are enough. Defaults to all
   * @returns its logits, [vocabulary], or a shortlist of just so many tokens; valid until the next call for the sequence
   */
  decode(
    sequence: Sequence,
    token: number,
    options: {
      readonly shortlist?: number | undefined;
      readonly group?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<TokenLogits> {
    const { group = '', signal } = options;
    const shortlist = this.#shortlists ? options.shortlist : undefined;
    return this.#submit(signal, (settled): Decode => {
      const task = { sequence, token, group, shortlist, cancelled: false, ...settled };
      this.#scheduler.addDecode(task);
      return task;
    });
  }

  /** Converts a finished block between element types. */
  async convert(source: StoredBlock, target: StoredBlock, tokens: number): Promise<void> {
    await this.#exclusive(() => convertBlock(this.#model, this.#allocator, source, target, tokens));
  }

  /** Copies the first own tokens of one sequence into another, empty one: see copy-prefix.ts. @returns whether it could */
  copyPrefix(source: Sequence, target: Sequence, tokens: number): Promise<boolean> {
    return this.#exclusive(() => copyPrefix(this.#model, this.#allocator, source, target, tokens));
  }

  /** Where a sequence is that nobody else computes, to come back to by rewind(). */
  mark(sequence: Sequence): Promise<SequenceMark> {
    return this.#aside(() => sequence.mark());
  }

  rewind(sequence: Sequence, mark: SequenceMark): Promise<void> {
    return this.#aside(() => sequence.rewind(mark));
  }

  /** Touches memory that nothing computes with: the CPU's at once, a device's when it is idle. */
  async #aside<T>(work: () => T): Promise<T> {
    return this.#model.backend.isCpu ? work() : this.#exclusive(() => Promise.resolve(work()));
  }

  /** Most tokens of one sequence in a batch whose scores of so many keys stay within the bound. At least 1. */
  mostTokens(keys: number): number {
    return Math.max(1, Math.floor(this.#scoreBytes / (4 * this.#model.hyperParameters.heads * keys)));
  }

  /**
   * Runs work that is not a scheduled pass but needs the backend to itself, when the batch in flight is done.
   * @param work leaves everything as it was where memory does not do: it is then called again, if some could be had back
   */
  exclusive<T>(work: (allocator: GraphAllocator) => Promise<T>): Promise<T> {
    return this.#exclusive(() => work(this.#allocator));
  }

  /**
   * Zeroed rows for a sequence. Drivers may not be called from two threads at once, and graphs compute on one of their
   * own: memory is asked for between them. @throws MODEL_TOO_LARGE
   */
  rows(layout: KvLayout, count: number): Promise<RowStates> {
    return this.exclusive(async () => new RowStates(this.#model.backend, layout, count));
  }

  checkIntegrity(): void {
    this.#scheduler.checkIntegrity();
  }

  /** Waits for the batch in flight and frees graphs. Waiting tasks are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#dropGraph();
    this.#allocator.dispose();
  }

  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#exclusives.push(() => this.#spares.retry(task).then(resolve, reject));
      this.#start();
    });
  }

  #submit<T>(signal: AbortSignal | undefined, add: (settled: Settled<T>) => Prompt | Decode): Promise<T> {
    if (this.#closed)
      return Promise.reject(new BlockAttentionError('DISPOSED', 'the engine is closed: create a new one'));
    if (signal?.aborted) return Promise.reject(requestAborted(signal));
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => {
        task.cancelled = true;
        // A batch in flight still writes to the sequence, whose memory the caller frees once we reject: wait for it.
        if (this.#inFlight.has(task)) return;
        this.#scheduler.remove(task);
        task.reject(requestAborted(signal));
      };
      const settle =
        <V>(how: (value: V) => void) =>
        (value: V) => {
          signal?.removeEventListener('abort', onAbort);
          how(value);
        };
      const task = add({ resolve: settle(resolve), reject: settle(reject) });
      if (signal) {
        // Every block of a prompt listens to the one signal of its request: that many are not a leak.
        setMaxListeners(0, signal);
        signal.addEventListener('abort', onAbort, { once: true });
      }
      this.#start();
    });
  }

  #start(): void {
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
      if (!this.#closed && this.#scheduler.pending + this.#exclusives.length > 0) this.#start();
    });
  }

  async #loop(): Promise<void> {
    let exclusiveBefore = false;
    for (;;) {
      // Sequences that were just given a token ask for the next one within this turn of the event loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
      // They take turns with what is scheduled: neither waits for more than one of the other kind.
      const yields: boolean = exclusiveBefore && this.#scheduler.pending > 0;
      const exclusive: (() => Promise<void>) | undefined = yields ? undefined : this.#exclusives.shift();
      exclusiveBefore = exclusive !== undefined;
      if (exclusive) {
        await exclusive();
        continue;
      }
      const work = this.#scheduler.next();
      if (work === undefined) return;
      const tasks = work.kind === 'decode' ? work.tasks : work.chunks.map((chunk) => chunk.task);
      for (const task of tasks) this.#inFlight.add(task);
      if (work.kind === 'decode') await this.#decode(work.tasks);
      else await this.#prompt(work.chunks);
      this.#inFlight.clear();
    }
  }

  async #decode(tasks: readonly Decode[]): Promise<void> {
    const outcomes = await runInGroups(tasks, (group) => this.#spares.retry(() => this.#decodeTogether(group)));
    for (const [i, outcome] of outcomes.entries()) {
      const task = tasks[i];
      if (task === undefined) continue;
      const damage = this.#damageOf(task.sequence);
      if ('error' in outcome) task.reject(outcome.error);
      else if (damage) task.reject(damage);
      else task.resolve(outcome.value);
    }
  }

  async #decodeTogether(tasks: readonly Decode[]): Promise<TokenLogits[]> {
    const sequences = tasks.map((task) => task.sequence);
    const wanted = tasks.map(({ shortlist }) => shortlist);
    const longest = Math.max(...wanted.map((count) => count ?? 0));
    const graph = this.#graphFor(sequences, longest);
    const parts = sequences.map((sequence) => ({ sequence, tokens: 1 }));
    const tokens = Int32Array.from(tasks, (task) => task.token);
    return this.#pace.run({ kind: 'decode', parts }, () =>
      longest === 0 ? graph.run(tokens) : graph.runShort(tokens, wanted),
    );
  }

  /** Why what was just computed for a sequence is wrong: a mapped file has lost what it was computed from. */
  #damageOf({ blocks }: Sequence): BlockAttentionError | undefined {
    const { damaged, file } = this.#model;
    if (damaged) {
      return modelDamaged(file.path);
    }
    return blocks.some(({ memory }) => memory.isDamaged?.() === true) ? blockDamaged() : undefined;
  }

  #graphFor(sequences: readonly Sequence[], shortlist: number): DecodeGraph {
    if (this.#decodeGraph?.serves(sequences, shortlist)) return this.#decodeGraph;
    this.#dropGraph();
    this.#decodeGraph = new DecodeGraph(this.#model, this.#attention, sequences, shortlist);
    return this.#decodeGraph;
  }

  #dropGraph(): void {
    this.#decodeGraph?.dispose();
    this.#decodeGraph = undefined;
  }

  /** The memory of graphs: what is needed of it is taken again with the next one. */
  #scratch(): Spare {
    const held = () => this.#allocator.bytes + (this.#decodeGraph?.bytes ?? 0);
    return {
      get spareBytes() {
        return held();
      },
      give: () => {
        this.#dropGraph();
        this.#allocator.release();
      },
    };
  }

  /** What a writer acts on and what it does not in a pass each: neither meets an operation of the other. */
  async #forward(steps: readonly Written[]): Promise<Outcome<Float32Array>[]> {
    const outcomes = new Map<Written, Outcome<Float32Array>>();
    for (const writes of [false, true]) {
      const part = steps.filter((step) => step.writes === writes);
      if (part.length === 0) continue;
      const run = (group: readonly Written[]) =>
        this.#spares.retry(() => forwardStep(this.#model, this.#attention, this.#allocator, group, writes));
      const found = await runInGroups(part, run, halvedSteps);
      for (const [i, step] of part.entries()) outcomes.set(step, found[i] ?? nothing);
    }
    return steps.map((step) => outcomes.get(step) ?? nothing);
  }

  async #prompt(chunks: readonly Chunk<Prompt>[]): Promise<void> {
    const started = performance.now();
    const isLast = ({ task, first, count }: Chunk<Prompt>) => first + count === task.tokens.length;
    try {
      const steps = chunks.map((chunk) => ({
        sequence: chunk.task.sequence,
        tokens: chunk.task.tokens.subarray(chunk.first, chunk.first + chunk.count),
        logits: wantedOf(chunk),
        writes: chunk.task.writes,
      }));
      const parts = steps.map(({ sequence, tokens }) => ({ sequence, tokens: tokens.length }));
      const outcomes = await this.#pace.run({ kind: 'prompt', parts }, () => this.#forward(steps));
      const elapsed = performance.now() - started;
      const total = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
      chunks.forEach((chunk, i) => {
        const { task } = chunk;
        const outcome = outcomes[i] ?? nothing;
        if ('error' in outcome) {
          this.#scheduler.remove(task);
          task.reject(outcome.error);
          return;
        }
        task.computeMs += (elapsed * chunk.count) / total;
        task.rows.push(outcome.value);
        const damage = this.#damageOf(task.sequence);
        if (task.cancelled || damage) {
          this.#scheduler.remove(task);
          task.reject(damage ?? requestAborted());
        } else if (isLast(chunk)) task.resolve({ logits: joinRows(task.rows), computeMs: task.computeMs });
      });
    } catch (error) {
      for (const { task } of chunks) {
        this.#scheduler.remove(task);
        task.reject(error);
      }
    }
  }
}

const nothing: Outcome<Float32Array> = { value: new Float32Array(0) };
