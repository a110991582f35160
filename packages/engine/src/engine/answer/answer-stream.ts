/**
 * One producer, one reader, one result: text pieces that can be iterated, and a promise of the whole.
 */
import type { AnswerResult, AnswerStream } from '../types.ts';

/** What the producer is given. */
export interface AnswerSink {
  push(piece: string): void;
  /** Fires when the caller's signal does, or when the reader leaves the loop early. */
  readonly signal: AbortSignal;
}

/**
 * Starts the producer at once.
 * Leaving the iteration early cancels it; `result` settles in any case, and an unread rejection is not an unhandled one.
 */
export function answerStream(produce: (sink: AnswerSink) => Promise<AnswerResult>, signal?: AbortSignal): AnswerStream {
  const controller = new AbortController();
  const combined = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
  const pieces: string[] = [];
  let finished = false;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const notify = () => {
    wake?.();
    wake = undefined;
  };
  const result = produce({
    push(piece) {
      if (piece === '') return;
      pieces.push(piece);
      notify();
    },
    signal: combined,
  }).then(
    (value) => {
      finished = true;
      notify();
      return value;
    },
    (error: unknown) => {
      finished = true;
      failure = { error };
      notify();
      throw error;
    },
  );
  result.catch(() => undefined);
  return {
    result,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const piece = pieces.shift();
          if (piece !== undefined) yield piece;
          else if (failure) throw failure.error;
          else if (finished) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        if (!finished) controller.abort(new Error('the reader left'));
      }
    },
  };
}
