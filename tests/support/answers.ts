/** Greedy answers of an engine with how clearly each token was chosen, and whether two of them agree. */

import type { AnswerRequest, AnswerResult, Engine } from '@block-attention/engine/internal/engine';
import { expect } from 'vitest';
import { expectSameChoices, measureYardstick, tieBound } from './continuations.ts';
import { randomTokens } from './oracle/forward-harness.ts';
import { createPrng } from './prng.ts';

export interface WitnessedAnswer extends AnswerResult {
  readonly choices: readonly { readonly token: number; readonly lead: number }[];
  /** Of the prompt's last token, [vocabulary]. */
  readonly logits: Float32Array;
}

/** An answer that was drawn greedily, whatever the request says. */
export async function witnessedAnswer(engine: Engine, request: AnswerRequest): Promise<WitnessedAnswer> {
  const choices: { token: number; lead: number }[] = [];
  let logits = new Float32Array(0);
  const result = await engine.answer({
    ...request,
    temperature: 0,
    topLogprobs: 2,
    onToken: ({ token, top: [first, second] }) =>
      choices.push({ token, lead: (first?.logprob ?? Number.NaN) - (second?.logprob ?? Number.NaN) }),
    onPromptLogits: (row) => (logits = row.slice()),
  }).result;
  return { ...result, choices, logits };
}

/** Relative error of an engine's logits that rounding explains, by a prompt of the model's own vocabulary. */
export async function engineRounding(model: string): Promise<number> {
  const prompt = randomTokens(createPrng(11), 300, 45);
  return (await measureYardstick(model, prompt, 8, { contextTokens: 64, threads: 1, kvType: 'f16' })).rounding;
}

/**
 * Expects two answers to agree up to the first token that rounding decides in the first of them, and that not to be
 * before a quarter of it.
 * @param rounding of engineRounding()
 */
export function expectSameAnswer(own: WitnessedAnswer, reference: WitnessedAnswer, rounding: number): void {
  const { choices, logits } = reference;
  const tokens = own.choices.map(({ token }) => token);
  const compared = expectSameChoices(tokens, choices, tieBound(logits, rounding));
  expect(compared).toBeGreaterThanOrEqual(Math.ceil(choices.length / 4));
  // Nothing was left to chance: then nothing differs.
  if (compared === choices.length) expect(own.text).toBe(reference.text);
}
