/**
 * From the logits of a prompt to its answer: sample, stream, stop. Knows sequences and tokens, nothing of blocks.
 */
import type { Sampler } from '../../ggml/llama/sampler.ts';
import type { TokenLogits } from '../../ggml/llama/shortlist.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import type { Sequence } from '../../model/kv/sequence.ts';
import type { Runner } from '../schedule/runner.ts';
import type { AnswerResult, TokenReport } from '../types.ts';
import { TextAssembler } from './text-stream.ts';
import { reportToken } from './token-report.ts';

export interface Generation {
  readonly text: string;
  readonly tokens: Int32Array;
  readonly stopReason: AnswerResult['stopReason'];
  readonly stopText: string | undefined;
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
  /** Drops a space that the answer begins with. Defaults to false. */
  readonly afterSpace?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Whether control tokens are in the text, by their spelling. Defaults to false. */
  readonly controlText?: boolean | undefined;
  readonly push: (piece: string) => void;
  /** Who it is for: groups get equal shares. Defaults to one that all share. */
  readonly group?: string | undefined;
  /** Told of the tokens whose text comes out, before it does. Defaults to nobody. */
  readonly onToken?: ((token: TokenReport) => void) | undefined;
  /** Alternatives named in each report. Defaults to 0. */
  readonly topLogprobs?: number | undefined;
}

const encoder = new TextEncoder();

/** Generates until an end token, a stop string, the limit, or the signal, which ends the answer where it is. */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const { runner, tokenizer, sampler, sequence, maxTokens, signal, push, group, onToken, topLogprobs = 0 } = options;
  const text = new TextAssembler(options.stop, options.afterSpace);
  const tokens: number[] = [];
  // Tokens of text that is held back: a stop string would drop them.
  const held: TokenReport[] = [];
  const tell = () => {
    for (const report of held.splice(0)) onToken?.(report);
  };
  // A report is made of all logits.
  const shortlist = onToken === undefined ? sampler.shortlist : undefined;
  let logits: TokenLogits = options.logits;
  let firstTokenAt = Number.NaN;
  let stopReason: AnswerResult['stopReason'] = 'length';
  while (tokens.length < maxTokens) {
    const token = await sampler.sampleAside(logits);
    if (tokens.length === 0) firstTokenAt = performance.now();
    if (tokenizer.isEndOfGeneration(token)) {
      stopReason = 'end';
      break;
    }
    tokens.push(token);
    if (onToken && logits instanceof Float32Array) held.push(reportToken(logits, token, topLogprobs, tokenizer));
    const named = options.controlText === true && tokenizer.isControl(token);
    const piece = text.push(named ? encoder.encode(tokenizer.tokenText(token)) : tokenizer.tokenBytes(token));
    if (!text.holds && !text.stopped) tell();
    push(piece);
    if (text.stopped) {
      stopReason = 'stop';
      break;
    }
    if (signal.aborted) {
      stopReason = 'aborted';
      break;
    }
    if (tokens.length < maxTokens) logits = await runner.decode(sequence, token, { shortlist, group });
  }
  if (!text.stopped) tell();
  push(text.finish());
  return { text: text.text, tokens: Int32Array.from(tokens), stopReason, stopText: text.stopText, firstTokenAt };
}
