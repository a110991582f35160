/**
 * Prompts of an exact number of tokens, for measuring time: their content does not matter, only its length.
 *
 * Ordinary words of the model's own vocabulary in random order, as passages and a question in the layout `plain`, so
 * that they take the way of every request: planned, tokenized, looked up. Same arguments, same prompt.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/index.ts';
import { type Passage, planRag, type TokenizedPlan, tokenizePlan } from '../../prompt/index.ts';

export interface ExactPrompt {
  readonly system: string | undefined;
  readonly passages: readonly Passage[];
  readonly question: string;
  /** All blocks, joined: `tokens` of them. */
  readonly tokens: Int32Array;
  /** Tokens of the context blocks, in order; the first is the instruction. */
  readonly blockTokens: readonly number[];
}

export interface ExactPromptOptions {
  /** Length of the whole prompt. */
  readonly tokens: number;
  /** Length of the final block, at most `tokens`. */
  readonly questionTokens: number;
  /** Longest passage block. */
  readonly blockTokens: number;
  readonly tokenizer: Tokenizer;
}

/** Passage blocks are at least this long. */
const leastPassage = 16;
const template = 'plain';

/** @throws INVALID_ARGUMENT when no such prompt exists: the lengths leave no room for the layout's own words. */
export function exactPrompt({ tokens, questionTokens, blockTokens, tokenizer }: ExactPromptOptions): ExactPrompt {
  const words = new Words(tokenizer, tokens);
  const plan = (passages: readonly Passage[], question: string): TokenizedPlan =>
    tokenizePlan(
      planRag({ template, ...(passages.length > 0 && { system }), passages, question }, tokenizer),
      tokenizer,
    );
  const finalLength = (passages: readonly Passage[]) => (text: string) =>
    plan(passages, text).blocks.at(-1)?.tokens.length;
  if (tokens <= questionTokens) {
    const question = words.text(tokens, finalLength([]));
    return assemble(undefined, [], question, plan([], question), tokens);
  }
  const sample: Passage[] = [{ text: 'a' }];
  const opening = plan(sample, 'a').blocks[0]?.tokens.length ?? 0;
  const room = tokens - questionTokens - opening;
  if (room < leastPassage) {
    const least = questionTokens + opening + leastPassage;
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `a prompt of ${tokens} tokens has no room for a passage before a question of ${questionTokens}: use at most ${questionTokens} or at least ${least}`,
    );
  }
  const count = Math.ceil(room / blockTokens);
  const passages = Array.from({ length: count }, (_, i): Passage => {
    // Of equal length, to a token: no passage is a mere rest.
    const length = Math.floor(((i + 1) * room) / count) - Math.floor((i * room) / count);
    const text = words.text(length, (candidate) => plan([{ text: candidate }], 'a').blocks[1]?.tokens.length);
    return { text };
  });
  const question = words.text(questionTokens, finalLength(sample));
  return assemble(system, passages, question, plan(passages, question), tokens);
}

/** Instruction of the measured prompts: short, since the context is to be passages. */
const system = 'Answer.';

function assemble(
  instruction: string | undefined,
  passages: readonly Passage[],
  question: string,
  plan: TokenizedPlan,
  expected: number,
): ExactPrompt {
  const tokens = Int32Array.from(plan.blocks.flatMap((block) => Array.from(block.tokens)));
  if (tokens.length !== expected) throw new Error(`a prompt of ${expected} tokens came out with ${tokens.length}`);
  return {
    system: instruction,
    passages,
    question,
    tokens,
    blockTokens: plan.blocks.slice(0, -1).map((b) => b.tokens.length),
  };
}

/** Random texts of a given length. */
class Words {
  readonly #words: readonly string[];
  #state: number;

  constructor(tokenizer: Tokenizer, seed: number) {
    const decoder = new TextDecoder();
    const words: string[] = [];
    for (let token = 0; token < tokenizer.size && words.length < 4000; token++) {
      if (tokenizer.isControl(token)) continue;
      const text = decoder.decode(tokenizer.tokenBytes(token)).trim();
      if (/^[a-z]+$/.test(text)) words.push(text);
    }
    if (words.length === 0) {
      throw new BlockAttentionError(
        'MODEL_UNSUPPORTED',
        'the vocabulary has no words of letters a to z to measure with',
      );
    }
    this.#words = words;
    this.#state = seed;
  }

  /** A text for which `measure` tells exactly `wanted`. @throws INVALID_ARGUMENT when none is found */
  text(wanted: number, measure: (text: string) => number | undefined): string {
    const chosen = [this.#next()];
    // Words may merge with their neighbours or be several tokens: add and take away until it fits.
    for (let attempt = 0; attempt < 1000; attempt++) {
      const text = chosen.join(' ');
      const length = measure(text) ?? 0;
      if (length === wanted) return text;
      if (length < wanted) {
        const missing = Math.max(1, Math.floor((wanted - length) / 2));
        for (let i = 0; i < missing; i++) chosen.push(this.#next());
      } else if (chosen.length > 1) {
        chosen.length = Math.max(1, chosen.length - Math.max(1, Math.floor((length - wanted) / 2)));
      } else chosen[0] = this.#next();
    }
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `no text of exactly ${wanted} tokens was found for this model: use other lengths`,
    );
  }

  #next(): string {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    const share = ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    return this.#words[Math.floor(share * this.#words.length)] ?? 'a';
  }
}
