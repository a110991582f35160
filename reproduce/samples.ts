/** Exercises as tokens, in the layout of the engine's own prompts. */

import { planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import type { Tokenizer } from '../packages/engine/src/ggml/llama/tokenizer.ts';
import type { Exercise } from './exercises.ts';

export interface TokenSample {
  /** Instruction and passages, one block each. */
  readonly context: readonly Int32Array[];
  readonly questions: readonly {
    /** The final block up to where the answer begins. */
    readonly prompt: Int32Array;
    /** The answer with the end token. */
    readonly answer: Int32Array;
  }[];
}

export function tokenSample({ passages, questions }: Exercise, tokenizer: Tokenizer): TokenSample {
  const { eos } = tokenizer;
  if (eos === undefined) throw new RangeError('the tokenizer has no end token');
  const prompts = questions.map(({ question }, i) => {
    // Passages tokenize alike under every question.
    const plan = planRag(
      { template: 'plain', passages: i === 0 ? passages : passages.slice(0, 1), question },
      tokenizer,
    );
    return tokenizePlan(plan, tokenizer).blocks.map(({ tokens }) => tokens);
  });
  return {
    context: (prompts[0] ?? []).slice(0, -1),
    questions: questions.map(({ response }, i) => ({
      prompt: prompts[i]?.at(-1) ?? new Int32Array(),
      answer: Int32Array.from([...tokenizer.tokenize(` ${response}`, false), eos]),
    })),
  };
}
