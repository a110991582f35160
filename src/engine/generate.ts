/**
 * From the logits of a prompt to its answer: sample, stream, stop. Knows sequences and tokens, nothing of blocks.
 */
import type { Sampler } from '../ggml/sampler.ts';
import type { Tokenizer } from '../ggml/tokenizer.ts';
import type { Sequence } from '../model/sequence.ts';
import type { Runner } from './runner.ts';
import { TextAssembler } from './text-stream.ts';
import type { AnswerResult } from './types.ts';

export interface Generation {
  readonly text: string;
  readonly tokens: Int32Array;
  readonly stopReason: AnswerResult['stopReason'];
  /** When the first token was sampled, by performance.now(). */
  readonly firstTokenAt: number;
}

export interface GenerateOptions {
  readonly runner: Runner;
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  readonly sequence: Sequence;
  /** Logits of the prompt's last token, [vocabulary]. */
  readonly logits: Float32Array;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly signal: AbortSignal;
  readonly push: (piece: string) => void;
}

/** Generates until an end token, a stop string, the limit, or the signal, which ends the answer where it is. */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const { runner, tokenizer, sampler, sequence, maxTokens, signal, push } = options;
  const text = new TextAssembler(options.stop);
  const tokens: number[] = [];
  let logits = options.logits;
  let firstTokenAt = Number.NaN;
  let stopReason: AnswerResult['stopReason'] = 'length';
  while (tokens.length < maxTokens) {
    const token = sampler.sample(logits);
    if (tokens.length === 0) firstTokenAt = performance.now();
    if (tokenizer.isEndOfGeneration(token)) {
      stopReason = 'end';
      break;
    }
    tokens.push(token);
    push(text.push(tokenizer.tokenBytes(token)));
    if (text.stopped) {
      stopReason = 'stop';
      break;
    }
    if (signal.aborted) {
      stopReason = 'aborted';
      break;
    }
    if (tokens.length < maxTokens) logits = await runner.decode(sequence, token);
  }
  push(text.finish());
  return { text: text.text, tokens: Int32Array.from(tokens), stopReason, firstTokenAt };
}
