/** Exercises as training sequences: a seeded stream that never repeats itself. */

import { createRandom, type Random } from '@block-attention/engine/internal/base';
import type { Tokenizer } from '../packages/engine/src/ggml/llama/tokenizer.ts';
import type { FinalBlock, TrainingMode, TrainingSequence } from '../packages/engine/src/train/types.ts';
import type { DocumentTask, DocumentTitles } from '../src/tasks/document-tasks.ts';
import { makeExercise } from './exercises.ts';
import { choose } from './random-names.ts';
import { type TokenSample, tokenSample } from './samples.ts';

export interface BatchOptions {
  /** Numbers of passages that exercises have; all exercises of a batch have the same. */
  readonly passages: readonly number[];
  /** Tokens of a batch, at least; the last exercise goes beyond. */
  readonly tokens: number;
  /** Shares: of tasks among exercises, of those on documents among them, of questions of two hops among the others'. */
  readonly tasks: number;
  readonly documents: number;
  readonly twoHops: number;
  /** What documents are called. */
  readonly titles: DocumentTitles;
}

const mostQuestions = 12;

export class ExerciseStream {
  readonly #tokenizer: Tokenizer;
  readonly #random: Random;
  #next: number;

  /** Streams of different seeds below 1000 share no exercise. */
  constructor(tokenizer: Tokenizer, seed: number) {
    this.#tokenizer = tokenizer;
    this.#random = createRandom(seed);
    this.#next = seed * 2 ** 20;
  }

  batch({ passages: sizes, tokens, ...mixture }: BatchOptions): TokenSample[] {
    const passages = choose(this.#random, sizes);
    const questions = Math.min(3 * passages, mostQuestions);
    const samples: TokenSample[] = [];
    for (let sum = 0; sum < tokens; ) {
      const sample = tokenSample(
        makeExercise({ ...mixture, seed: this.#next++, passages, questions }),
        this.#tokenizer,
      );
      if (sample.questions.length === 0) continue;
      samples.push(sample);
      sum += sampleTokens(sample);
    }
    return samples;
  }
}

export function sampleTokens({ context, questions }: TokenSample): number {
  const asked = questions.reduce((sum, { prompt, answer }) => sum + prompt.length + answer.length, 0);
  return asked + context.reduce((sum, block) => sum + block.length, 0);
}

/** All questions of a sample as final blocks after one context. */
export function questionSequence({ context, questions }: TokenSample, mode: TrainingMode): TrainingSequence {
  const [first, ...branches] = questions.map(
    ({ prompt, answer }): FinalBlock => ({ tokens: joined([prompt, answer]), responseTokens: answer.length }),
  );
  if (first === undefined) throw new RangeError('a sample without questions');
  return { blocks: [...context, first.tokens], responseTokens: first.responseTokens, branches, mode };
}

/** The passages as text to go on with: teaches to repeat names. @param weight of all its tokens together */
export function textSequence({ context }: TokenSample, weight: number): TrainingSequence {
  const tokens = joined(context);
  return { blocks: [tokens], responseTokens: tokens.length - 1, mode: 'full', weight: weight / tokens.length };
}

/** A reading task as one sequence, to measure with. */
export function taskSequence(
  { passages, question, response }: Pick<DocumentTask, 'passages' | 'question' | 'response'>,
  tokenizer: Tokenizer,
  mode: TrainingMode,
): TrainingSequence {
  return questionSequence(tokenSample({ passages, questions: [{ question, response }] }, tokenizer), mode);
}

function joined(parts: readonly Int32Array[]): Int32Array {
  return Int32Array.from(parts.flatMap((part) => [...part]));
}
