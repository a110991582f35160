/**
 * One request's answers: its turn, its choices at once, their pieces in one stream, its turn given back.
 *
 * The turn ends when the last choice ends, whether or not anybody reads the events.
 */
import type { AnswerRequest, AnswerResult, Engine } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import type { Cancellation } from './cancellation.ts';

export type GenerationEvent =
  | { readonly type: 'piece'; readonly choice: number; readonly text: string }
  | { readonly type: 'result'; readonly choice: number; readonly result: AnswerResult };

export interface GenerationOptions {
  readonly engine: Engine;
  readonly requests: readonly AnswerRequest[];
  readonly cancellation: Cancellation;
  /** Called once when every choice has ended, with the results of those that did not fail. */
  readonly onEnd: (results: readonly AnswerResult[], error: unknown) => void;
}

export class Generation {
  readonly #events: GenerationEvent[] = [];
  readonly #cancellation: Cancellation;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #open: number;

  constructor({ engine, requests, cancellation, onEnd }: GenerationOptions) {
    this.#cancellation = cancellation;
    this.#open = requests.length;
    const results: AnswerResult[] = [];
    for (const [choice, request] of requests.entries()) {
      void this.#run(engine, request, choice).then((result) => {
        if (result) results.push(result);
        this.#open -= 1;
        if (this.#open === 0) onEnd(results, this.#failure?.error);
        this.#notify();
      });
    }
  }

  /** Events of all choices as they come. @throws what the first failing choice met */
  async *events(): AsyncGenerator<GenerationEvent, void> {
    for (;;) {
      const event = this.#events.shift();
      if (this.#failure) throw this.#failure.error;
      if (event) yield event;
      else if (this.#open === 0) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Every choice's result, in order. @throws what the first failing choice met */
  async results(): Promise<AnswerResult[]> {
    const results: AnswerResult[] = [];
    for await (const event of this.events()) if (event.type === 'result') results[event.choice] = event.result;
    return results;
  }

  async #run(engine: Engine, request: AnswerRequest, choice: number): Promise<AnswerResult | undefined> {
    try {
      const stream = engine.answer({ ...request, signal: this.#cancellation.signal });
      for await (const text of stream) this.#push({ type: 'piece', choice, text });
      const result = await stream.result;
      if (result.stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the request was cancelled');
      this.#push({ type: 'result', choice, result });
      return result;
    } catch (error) {
      this.#failure ??= { error: this.#cancellation.explain(error) };
      // The other choices have no reader any more.
      this.#cancellation.cancel();
      return undefined;
    }
  }

  #push(event: GenerationEvent): void {
    this.#events.push(event);
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
