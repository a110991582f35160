/**
 * Passages for questions that come with one paragraph: others of the set that look relevant and do not answer.
 *
 * The same set and question give the same passages in the same order, whatever else is asked.
 */
import { createHash } from 'node:crypto';
import type { Passage } from '../../prompt/index.ts';
import { normalizeAnswer } from '../../scoring/metrics.ts';
import { bm25 } from './bm25.ts';
import type { Asked } from './question-rows.ts';

/** A paragraph of a set, with what is asked about it. */
export interface Paragraph {
  readonly passage: Passage;
  readonly asked: readonly Asked[];
}

export interface Distracted {
  readonly passages: readonly Passage[];
  /** Index of the paragraph that was asked about. */
  readonly gold: number;
  /** An answer that one of the others would have been right for; undefined without any. */
  readonly wrong: string | undefined;
}

/**
 * @param paragraphs the whole set
 * @returns for a question about the paragraph at an index: that one, at a place drawn from the question, and the
 *   `count - 1` others that BM25 ranks highest and that hold none of its answers; fewer where the set has no more
 */
export function distractors(paragraphs: readonly Paragraph[]) {
  const texts = paragraphs.map(({ passage }) => `${passage.title ?? ''} ${passage.text}`);
  const normal: string[] = [];
  const rank = bm25(texts);
  const holds = (index: number, answers: readonly string[]) => {
    // Whole words: the answer "L" is not a part of "long".
    normal[index] ??= ` ${normalizeAnswer(texts[index] ?? '')} `;
    const text = normal[index];
    return answers.some((answer) => text.includes(` ${answer} `));
  };
  return (gold: number, { question, answers }: Asked, count: number): Distracted | undefined => {
    const own = paragraphs[gold];
    if (own === undefined) return undefined;
    const golds = answers.map(normalizeAnswer).filter((answer) => answer !== '');
    const chosen: number[] = [];
    const seen = new Set([own.passage.text]);
    const consider = (index: number) => {
      const { text } = paragraphs[index]?.passage ?? own.passage;
      if (chosen.length >= count - 1 || seen.has(text) || holds(index, golds)) return;
      seen.add(text);
      chosen.push(index);
    };
    for (const index of rank(question)) consider(index);
    // A question of rare words may share none with enough others.
    for (let index = 0; index < paragraphs.length && chosen.length < count - 1; index++) consider(index);
    const place = number(question) % (chosen.length + 1);
    const wrong = chosen
      .flatMap((index) => paragraphs[index]?.asked ?? [])
      .flatMap((other) => other.answers.slice(0, 1))
      .find((answer) => isOther(normalizeAnswer(answer), golds));
    const passages = chosen.map((index) => paragraphs[index]?.passage ?? own.passage);
    passages.splice(place, 0, own.passage);
    return { passages, gold: place, wrong };
  };
}

function isOther(answer: string, golds: readonly string[]): boolean {
  return answer !== '' && golds.every((gold) => !gold.includes(answer) && !answer.includes(gold));
}

/** A number from 0 to 2³² - 1 that depends on the text alone. */
function number(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE(0);
}
