/**
 * What a writer practises on: contexts as retrieval would put them together from the documents, with questions about each
 * passage of them.
 *
 * Nobody marks the answers, so questions need not be clever: what counts is that an answer has to be read from the passages.
 * They are other ones than `verify` makes of the same documents (eval/document-questions.ts). Knows passages, not files.
 * The same passages and numbers give the same contexts in the same order.
 */

import { createRandom, type Random } from '@block-attention/engine/internal/base';
import type { Passage } from '@block-attention/engine/internal/prompt';
import {
  distractors,
  headingOf,
  isWorded,
  quoted,
  quotedStart,
  withoutId,
} from '@block-attention/engine/internal/questions';

export interface PracticeContext {
  /** In the order of the prompt. */
  readonly passages: readonly Passage[];
  /** At least one. */
  readonly questions: readonly string[];
}

export interface PracticeOptions {
  /** Most passages of a context; the least are two, or what there is. */
  readonly passages: number;
  /** Most questions of a context. Defaults to 6. */
  readonly questions?: number | undefined;
  /** Defaults to 1. */
  readonly seed?: number | undefined;
}

/** Contexts that begin with the same passage: what more of them would add is little. */
export const rounds = 8;
/** Longest text that is quoted in a question, in characters. */
const quoteLength = 160;

/** @returns contexts, until every passage has been the occasion of so many; none of documents without words */
export function* practice(all: readonly Passage[], options: PracticeOptions): Generator<PracticeContext> {
  const { passages: most, questions: asked = 6, seed = 1 } = options;
  const random = createRandom(seed);
  const among = distractors(all.map((passage) => ({ passage, asked: [] })));
  for (let round = 0; round < rounds; round++) {
    for (const index of random.shuffle([...all.keys()])) {
      const occasion = all[index];
      if (occasion === undefined) continue;
      const first = questionAbout(occasion, random);
      const size = Math.min(all.length, 2 + random.integer(Math.max(1, most - 1)));
      const found = first === undefined ? undefined : among(index, { question: first, answers: [] }, size);
      if (first === undefined || found === undefined) continue;
      const questions = new Set([first]);
      // Every passage is asked about before one is asked about again.
      const turns = [...random.shuffle(found.passages), ...random.shuffle(found.passages)];
      for (const passage of turns) {
        const question = questions.size < asked ? questionAbout(passage, random) : undefined;
        if (question !== undefined) questions.add(question);
      }
      yield { passages: found.passages.map(withoutId), questions: random.shuffle([...questions]) };
    }
  }
}

/** Undefined for a passage without words. */
function questionAbout(passage: Passage, random: Random): string | undefined {
  const heading = headingOf(passage);
  const sentences = sentencesOf(passage.text);
  const kinds: (() => string | undefined)[] = [
    () => (isWorded(heading) ? `Explain ${quoted(heading, quoteLength)} in one sentence.` : undefined),
    () => {
      const sentence = sentences[random.integer(sentences.length)];
      return sentence && `Is this so, and what follows from it: ${quoted(sentence, quoteLength)}?`;
    },
    () => {
      const half = firstHalf(sentences[random.integer(sentences.length)] ?? '');
      return half && `How does this sentence of the documents go on: ${half}`;
    },
  ];
  for (const kind of random.shuffle(kinds)) {
    const question = kind();
    if (question !== undefined) return question;
  }
  return undefined;
}

function sentencesOf(text: string): string[] {
  const parts = text.split(/(?<=[.!?])\s+|(?<=[。！？])|\n+/u).map((part) => part.replace(/\s+/gu, ' ').trim());
  return parts.filter((part) => isWorded(part) && Array.from(part).length >= 12);
}

/** `“The bridge was …”`; undefined of what is too short to have one. */
function firstHalf(sentence: string): string | undefined {
  const characters = Array.from(sentence);
  if (characters.length < 24) return undefined;
  return quotedStart(characters, Math.min(quoteLength, Math.floor(characters.length / 2)));
}
