/**
 * One request's answers: its turn, its choices at once, their pieces in one stream, its turn given back.
 *
 * Choices share a prompt: the first reads it, the others start at its first token and copy what it has computed. The
 * turn ends when the last choice ends, whether or not anybody reads the events.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { AnswerRequest, AnswerResult, Engine, TokenReport } from '@block-attention/engine/internal/engine';
import type { Cancellation } from '../operate/cancellation.ts';

export type GenerationEvent =
  | { readonly type: 'piece'; readonly choice: number; readonly text: string; readonly tokens: readonly TokenReport[] }
  | {
      readonly type: 'result';
      readonly choice: number;
      readonly result: AnswerResult;
      /** Tokens whose text came with no piece. */
      readonly tokens: readonly TokenReport[];
    };

/** A choice's result with the reports on all its tokens. */
export interface ChoiceResult {
  readonly result: AnswerResult;
  readonly tokens: readonly TokenReport[];
}

export interface GenerationOptions {
  readonly engine: Pick<Engine, 'answer'>;
  readonly requests: readonly AnswerRequest[];
  readonly cancellation: Cancellation;
  /** Whether other requests are under way, which will leave the store room. */
  readonly othersRun: () => boolean;
  /** Called once when every choice has ended, with the results of those that did not fail. */
  readonly onEnd: (results: readonly AnswerResult[], error: unknown) => void;
}

/** Between attempts to find room in a store that is full of blocks in use. */
const retryMs = 25;

export class Generation {
  readonly #events: GenerationEvent[] = [];
  readonly #options: GenerationOptions;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #open: number;

  constructor(options: GenerationOptions) {
    this.#options = options;
    this.#open = options.requests.length;
    // Whoever reads is told at once: a step of the model can take seconds.
    const { signal } = options.cancellation;
    const onAbort = () => {
      const { reason } = options.cancellation;
      if (reason) this.#failure ??= { error: reason };
      this.#notify();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const results: AnswerResult[] = [];
    let begin = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    for (const [choice, request] of options.requests.entries()) {
      void this.#run(request, choice, choice === 0 ? begin : undefined, begun).then((result) => {
        if (choice === 0) begin();
        if (result) results.push(result);
        this.#open -= 1;
        if (this.#open === 0) options.onEnd(results, this.#failure?.error);
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
  async results(): Promise<ChoiceResult[]> {
    const tokens: TokenReport[][] = this.#options.requests.map(() => []);
    const results: ChoiceResult[] = [];
    for await (const event of this.events()) {
      const own = tokens[event.choice] ?? [];
      own.push(...event.tokens);
      if (event.type === 'result') results[event.choice] = { result: event.result, tokens: own };
    }
    return results;
  }

  /** @param begin to be called at the first token; absent for choices that wait for it */
  async #run(
    request: AnswerRequest,
    choice: number,
    begin: (() => void) | undefined,
    begun: Promise<void>,
  ): Promise<AnswerResult | undefined> {
    const { engine, cancellation } = this.#options;
    const { signal } = cancellation;
    try {
      if (begin === undefined) await begun;
      const reports: TokenReport[] = [];
      const onToken = request.onToken && ((report: TokenReport) => void reports.push(report));
      for (;;) {
        const stream = engine.answer({
          ...request,
          onToken,
          signal,
          onPromptLogits: (logits) => {
            request.onPromptLogits?.(logits);
            begin?.();
          },
        });
        try {
          for await (const text of stream) {
            this.#push({ type: 'piece', choice, text, tokens: reports.splice(0) });
          }
        } catch (error) {
          // Nothing was computed yet: blocks in use leave no room, and will when others are done.
          if (!isFull(error) || !this.#options.othersRun()) throw error;
          await delay(retryMs, undefined, { signal }).catch(() => undefined);
          continue;
        }
        const result = await stream.result;
        if (result.stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the request was cancelled');
        this.#push({ type: 'result', choice, result, tokens: reports.splice(0) });
        return result;
      }
    } catch (error) {
      this.#failure ??= { error: cancellation.explain(error) };
      // The other choices have no reader any more.
      cancellation.cancel();
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

function isFull(error: unknown): boolean {
  return BlockAttentionError.isInstance(error) && error.code === 'STORE_FULL';
}
