/**
 * Decides what runs next. Pure bookkeeping: knows tasks, their order and sizes, no tensor and no time.
 *
 * Two kinds of work: prompts (encoding a block, or reading a final block), cut into chunks; and decoding, one token of
 * every sequence that waits for one. They take turns, and while somebody waits for tokens chunks are short, so a long
 * document does not stall the tokens of others.
 *
 * Among prompts, groups (tenants) get equal shares of tokens, by start-time fair queueing; within a group the higher
 * priority goes first, then the older task, even before a task that is half done. Every fourth batch begins with the
 * oldest task whatever its priority, so that nothing waits for ever.
 */
import { nextInTurn, Turns, takeFair } from './turns.ts';

/** Tokens that must run through the model before their task is done. */
export interface PromptTask<S> {
  readonly sequence: S;
  readonly tokens: Int32Array;
  /** Higher runs first. */
  readonly priority: number;
  /** Who it is for. */
  readonly group: string;
}

export interface DecodeTask<S> {
  readonly sequence: S;
  readonly token: number;
  /** Who it is for. */
  readonly group: string;
}

/** A part of a prompt task: tokens [first, first + count). */
export interface Chunk<P> {
  readonly task: P;
  readonly first: number;
  readonly count: number;
}

export type Work<P, D> =
  | { readonly kind: 'prompt'; readonly chunks: readonly Chunk<P>[] }
  | { readonly kind: 'decode'; readonly tasks: readonly D[] };

export interface SchedulerOptions<P> {
  /** Tokens of one prompt batch. */
  readonly batchTokens: number;
  /**
   * The same while sequences wait for their next token, or when the batch gives one its first: what these wait
   * for. Defaults to `batchTokens`.
   */
  readonly busyBatchTokens?: number | undefined;
  /** Sequences of one decode batch. */
  readonly batchSequences: number;
  /** Most tokens of this task that one batch may hold, at least 1: bounds the memory of long contexts. */
  readonly chunkTokens: (task: P) => number;
  /** Whether somebody gets a first token when this task is done. Defaults to no. */
  readonly givesToken?: ((task: P) => boolean) | undefined;
}

interface Entry<P> {
  readonly task: P;
  done: number;
}

/** One batch in so many begins with the oldest task. */
const agingEvery = 4;

export class Scheduler<S, P extends PromptTask<S>, D extends DecodeTask<S>> {
  readonly #options: SchedulerOptions<P>;
  /** Oldest first. */
  readonly #prompts: Entry<P>[] = [];
  readonly #decodes: D[] = [];
  readonly #turns = new Turns();
  #lastKind: 'prompt' | 'decode' = 'decode';
  #batches = 0;

  constructor(options: SchedulerOptions<P>) {
    this.#options = options;
  }

  get pending(): number {
    return this.#prompts.length + this.#decodes.length;
  }

  addPrompt(task: P): void {
    this.#prompts.push({ task, done: 0 });
  }

  addDecode(task: D): void {
    this.#decodes.push(task);
  }

  /** Removes a task that is not part of the work handed out last. True if it was waiting. */
  remove(task: P | D): boolean {
    const prompt = this.#prompts.findIndex((entry) => entry.task === task);
    if (prompt !== -1) {
      this.#prompts.splice(prompt, 1);
      return true;
    }
    const decode = this.#decodes.indexOf(task as D);
    if (decode !== -1) this.#decodes.splice(decode, 1);
    return decode !== -1;
  }

  /** Takes the next batch out, or undefined when nothing waits. A prompt stays until all its chunks were handed out. */
  next(): Work<P, D> | undefined {
    const decodeFirst = this.#lastKind === 'prompt' || this.#prompts.length === 0;
    if (this.#decodes.length > 0 && decodeFirst) {
      this.#lastKind = 'decode';
      return { kind: 'decode', tasks: takeFair(this.#decodes, this.#options.batchSequences) };
    }
    if (this.#prompts.length === 0) return undefined;
    this.#lastKind = 'prompt';
    return { kind: 'prompt', chunks: this.#chunks() };
  }

  #chunks(): Chunk<P>[] {
    const { batchTokens, busyBatchTokens = batchTokens, chunkTokens, givesToken = () => false } = this.#options;
    const limit = this.#decodes.length > 0 ? busyBatchTokens : batchTokens;
    const chunks: Chunk<P>[] = [];
    const open = this.#prompts.slice();
    let room = limit;
    let urgent = false;
    let aged = ++this.#batches % agingEvery === 0;
    while (room > 0 && open.length > 0) {
      // Somebody gets a first token from this batch, and would wait for whatever else was put into it.
      if (urgent && limit - room >= busyBatchTokens) break;
      const early = aged;
      const entry = early ? open[0] : nextInTurn(open, this.#turns, ({ task }) => task);
      aged = false;
      if (entry === undefined) break;
      open.splice(open.indexOf(entry), 1);
      const { task } = entry;
      const rest = task.tokens.length - entry.done;
      const count = Math.min(rest, room, Math.max(1, chunkTokens(task)));
      // Splitting a prompt that would fit into the next batch whole costs more than an unfilled batch.
      if (chunks.length > 0 && count < rest && rest <= limit) continue;
      chunks.push({ task, first: entry.done, count });
      this.#turns.serve(task.group, count, early);
      entry.done += count;
      room -= count;
      if (entry.done < task.tokens.length) continue;
      this.#prompts.splice(this.#prompts.indexOf(entry), 1);
      urgent ||= givesToken(task);
    }
    return chunks;
  }

  /** Checks the bookkeeping. @throws Error naming the first violation. */
  checkIntegrity(): void {
    for (const { task, done } of this.#prompts) {
      if (done < 0 || done >= task.tokens.length)
        throw new Error(`prompt task has ${done} of ${task.tokens.length} done`);
    }
    const all = [...this.#prompts.map((entry) => entry.task as unknown), ...this.#decodes];
    if (new Set(all).size !== all.length) throw new Error('a task waits twice');
  }
}
