/**
 * Decides what runs next. Pure bookkeeping: knows tasks, their order and sizes, no tensor and no time (decision D6).
 *
 * Two kinds of work: prompts (encoding a block, or reading a final block), cut into chunks; and decoding, one token of
 * every sequence that waits for one. They take turns, so a long document does not stall the tokens of others, and
 * answers' prompts go before encodes of the same age only by priority.
 */

/** Tokens that must run through the model before their task is done. */
export interface PromptTask<S> {
  readonly sequence: S;
  readonly tokens: Int32Array;
  /** Higher runs first. */
  readonly priority: number;
}

export interface DecodeTask<S> {
  readonly sequence: S;
  readonly token: number;
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
  /** Sequences of one decode batch. */
  readonly batchSequences: number;
  /** Most tokens of this task that one batch may hold, at least 1: bounds the memory of long contexts. */
  readonly chunkTokens: (task: P) => number;
}

export class Scheduler<S, P extends PromptTask<S>, D extends DecodeTask<S>> {
  readonly #options: SchedulerOptions<P>;
  readonly #prompts: { readonly task: P; done: number }[] = [];
  readonly #decodes: D[] = [];
  #lastKind: 'prompt' | 'decode' = 'decode';

  constructor(options: SchedulerOptions<P>) {
    this.#options = options;
  }

  get pending(): number {
    return this.#prompts.length + this.#decodes.length;
  }

  addPrompt(task: P): void {
    const after = this.#prompts.findIndex((entry) => entry.task.priority < task.priority && entry.done === 0);
    const entry = { task, done: 0 };
    if (after === -1) this.#prompts.push(entry);
    else this.#prompts.splice(after, 0, entry);
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
      return { kind: 'decode', tasks: this.#decodes.splice(0, this.#options.batchSequences) };
    }
    if (this.#prompts.length === 0) return undefined;
    this.#lastKind = 'prompt';
    const chunks: Chunk<P>[] = [];
    let room = this.#options.batchTokens;
    // A copy: entries leave the list while it is walked.
    for (const entry of this.#prompts.slice()) {
      const rest = entry.task.tokens.length - entry.done;
      const count = Math.min(rest, room, Math.max(1, this.#options.chunkTokens(entry.task)));
      // Splitting a prompt that would fit into the next batch whole costs more than an unfilled batch.
      if (chunks.length > 0 && count < rest && rest <= this.#options.batchTokens) continue;
      chunks.push({ task: entry.task, first: entry.done, count });
      entry.done += count;
      room -= count;
      if (entry.done === entry.task.tokens.length) this.#prompts.splice(this.#prompts.indexOf(entry), 1);
      if (room <= 0) break;
    }
    return { kind: 'prompt', chunks };
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
