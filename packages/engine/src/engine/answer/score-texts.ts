/**
 * How likely a model finds given texts as its answer: teacher forcing behind a prompt that was read.
 *
 * Knows a sequence and its prompt's last logits; not what the prompt is made of, nor how its blocks came about.
 * Invariant: the sequence is afterwards where it was before.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import type { Sequence } from '../../model/kv/sequence.ts';
import type { Runner } from '../schedule/runner.ts';
import type { TextScore } from '../types.ts';

export interface ScoreParts {
  readonly runner: Runner;
  readonly tokenizer: Tokenizer;
  /** Holds the prompt, and has room for the longest text. */
  readonly sequence: Sequence;
  /** Logits of the prompt's last token, [vocabulary]. */
  readonly logits: Float32Array;
  readonly priority: number;
  readonly group: string | undefined;
  readonly signal: AbortSignal;
}

/** Tokens whose logits are held at once: 64 rows of 262,144 f32 are 64 MiB. */
const mostRows = 64;

/** Tokens of a text as an answer. @throws INVALID_ARGUMENT for tokens that are none. @param afterSpace the layout leaves the space before the answer to the model */
export function answerTokens(
  text: string | readonly number[],
  afterSpace: boolean | undefined,
  tokenizer: Tokenizer,
): Int32Array {
  if (typeof text === 'string') return tokenizer.tokenize(afterSpace ? ` ${text}` : text, false);
  const strange = text.find((token) => !Number.isInteger(token) || token < 0 || token >= tokenizer.size);
  if (strange === undefined) return Int32Array.from(text);
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `score has the token ${String(strange)}: give whole numbers from 0 to ${tokenizer.size - 1}`,
  );
}

/** One score per text, in order. @param texts their tokens */
export async function scoreTexts(texts: readonly Int32Array[], parts: ScoreParts): Promise<TextScore[]> {
  const { runner, sequence } = parts;
  const scores: TextScore[] = [];
  if (texts.length === 0) return scores;
  const prompt = await runner.mark(sequence);
  for (const tokens of texts) {
    try {
      scores.push({ tokens: tokens.length, logprob: await scoreText(tokens, parts) });
    } finally {
      await runner.rewind(sequence, prompt);
    }
  }
  return scores;
}

async function scoreText(tokens: Int32Array, parts: ScoreParts): Promise<number> {
  const { runner, sequence, logits, priority, group, signal } = parts;
  let sum = textLogprob(logits, tokens.subarray(0, 1));
  // The last token is predicted, never read.
  for (let at = 0; at < tokens.length - 1; at += mostRows) {
    const read = tokens.subarray(at, Math.min(at + mostRows, tokens.length - 1));
    const { logits: rows } = await runner.prompt(sequence, read, { logits: 'all', priority, group, signal });
    sum += textLogprob(rows, tokens.subarray(at + 1, at + 1 + read.length));
  }
  return sum;
}

/** Sum of the tokens' log probabilities. @param rows what predicts each of them, [tokens, vocabulary] */
export function textLogprob(rows: Float32Array, tokens: Int32Array): number {
  const vocabulary = rows.length / tokens.length;
  return tokens.reduce((sum, token, i) => sum + logprob(rows.subarray(i * vocabulary, (i + 1) * vocabulary), token), 0);
}

/** Natural logarithm of a token's probability. */
function logprob(logits: Float32Array, token: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return (logits[token] ?? Number.NEGATIVE_INFINITY) - most - Math.log(sum);
}
