/**
 * Which sentence of the passages bears out a statement that answers a question, by words alone.
 *
 * Numbers and names decide: the sentence, with its passage's title, must have all that the statement says of its own,
 * and most of the other words, and it must speak of what was asked about as much as any other sentence does. What every
 * answer says ("the answer to the question is") and what the question said already prove nothing. A yes or no needs a
 * sentence that speaks of the question as a whole, and is negated as the answer is. Words cannot tell an answer to a
 * question that is but a little different: docs/rag.md says how often.
 */
import { normalize } from '../words/normalize.ts';
import { isPair, type Words } from '../words/words.ts';
import { answersYesOrNo, isNegated } from './negation.ts';
import { type CutPassage, numbersOf, type Sentence } from './passage-sentences.ts';

export interface Support {
  readonly passage: CutPassage;
  readonly sentence: Sentence;
}

/** Thresholds, tuned on training articles of SQuAD and reported on others: `npm run bench -- citations`. */
const limits = {
  /** Share of the question, by rarity, that a sentence must speak of. */
  asked: 0.15,
  /** The same, against the sentence that speaks most of it. */
  askedOfBest: 0.6,
  /** What it speaks of by itself, against the sentence of the same passage that does so most. */
  aloneOfBest: 0.6,
  /** The same for an answer with numbers, and also against sentences of other passages that have other numbers. */
  numbersOfBest: 0.75,
  /** Share of the names in the question that the passage must have. */
  names: 0.5,
  /** Share of a statement's own words; of pairs of characters, which include endings and particles. */
  own: 0.6,
  ownPairs: 0.5,
  /** A statement with so many own words as this, of which a sentence has so many, may speak less of the question. */
  restated: { words: 5, own: 0.8, askedOfBest: 0.35 },
  /** For a yes or no. */
  yesOrNo: { asked: 0.45, askedOfBest: 0.85 },
} as const;

/** What a word of the question is worth, by where it stands. */
const around = { sentence: 1, title: 0.7, near: 0.6, passage: 0.35 } as const;
/** Where neighbours have numbers of their own, what stands around says little. */
const byItself = { sentence: 1, title: 0.7, near: 0.3, passage: 0.2 } as const;

/** What any answer may say. */
const boilerplate = `according answer answers based below context correct describe described determine document documents
  excerpt explain follow following follows given indicate information mention passage passages provide provided question
  reference refer response say section sentence source state statement stated text title`;
/** At a sentence's beginning a capital says nothing, unless there is hardly anything else. */
const fewWords = 2;

interface Place {
  readonly passage: CutPassage;
  readonly sentence: Sentence;
  /** Share of the question that it speaks of with what stands around it, and by itself, in [0, 1]. */
  readonly asked: number;
  readonly alone: number;
  /** The most that a sentence of its passage speaks of the question by itself. */
  readonly rival: number;
  /** Whether its passage has what decides in the question: numbers, and most names. */
  readonly fits: boolean;
}

/** A question and the passages that were found for it. */
export class Evidence {
  readonly #words: Words;
  readonly #plain: ReadonlySet<string>;
  readonly #inQuestion: ReadonlySet<string>;
  readonly #question: string;
  readonly #asked: ReadonlyMap<string, number>;
  readonly #places: readonly Place[];
  readonly #best: number;
  readonly #bestOfNumbers: number;
  readonly #choice: boolean;

  constructor(question: string, passages: readonly CutPassage[], words: Words) {
    this.#words = words;
    this.#question = question;
    this.#plain = new Set(words.all(boilerplate));
    this.#inQuestion = new Set(words.all(question));
    const asked = [...new Set(words.content(question))].filter((word) => !this.#plain.has(word));
    this.#asked = new Map(asked.map((word) => [word, rarity(word, passages)]));
    const numbers = numbersOf(question);
    const names = namesIn(question, words, 1);
    this.#places = passages.flatMap((passage) => {
      const fits = speaksOf(passage, names, numbers);
      const alone = passage.sentences.map((_, at) => this.#spokenOf(passage, at, byItself));
      const rival = Math.max(0, ...alone);
      return passage.sentences.map((sentence, at) => {
        return { passage, sentence, asked: this.#spokenOf(passage, at, around), alone: alone[at] ?? 0, rival, fits };
      });
    });
    const most = (of: readonly Place[], what: 'asked' | 'alone') => Math.max(0, ...of.map((place) => place[what]));
    this.#best = most(this.#places, 'asked');
    const rivals = this.#places.filter(({ sentence }) => [...sentence.numbers].some((one) => !numbers.includes(one)));
    this.#bestOfNumbers = most(rivals, 'alone');
    this.#choice = /\b(?:or|oder|ou|o)\b|или|还是/i.test(question);
  }

  /** Whether it says anything that could be borne out. */
  states(statement: string): boolean {
    const { own, numbers } = this.#told(statement);
    return own.length > 0 || numbers.length > 0 || answersYesOrNo(statement) !== undefined;
  }

  /** Undefined when nothing bears the statement out, or it states nothing. */
  of(statement: string): Support | undefined {
    const { own, names, numbers } = this.#told(statement);
    const yesOrNo = answersYesOrNo(statement);
    if (own.length === 0 && numbers.length === 0) return yesOrNo && this.#ofYesOrNo(yesOrNo === 'no');
    const negated = isNegated(statement);
    const least = own.some(isPair) ? limits.ownPairs : limits.own;
    let best: Place | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const place of this.#places) {
      const { sentence, passage } = place;
      if (!place.fits && !this.#choice && yesOrNo === undefined) continue;
      const holds = (word: string) => sentence.words.has(word) || passage.title.has(word);
      const share = own.length === 0 ? 1 : own.filter(holds).length / own.length;
      const restated = own.length >= limits.restated.words && share >= limits.restated.own;
      if (share < least || !this.#isAbout(place, restated ? limits.restated.askedOfBest : limits.askedOfBest)) continue;
      const rival =
        numbers.length > 0
          ? limits.numbersOfBest * Math.max(place.rival, this.#bestOfNumbers)
          : limits.aloneOfBest * place.rival;
      if (!restated && place.alone < rival) continue;
      if (!numbers.every((number) => sentence.numbers.has(number) || passage.titleNumbers.has(number))) continue;
      if (!restated && !names.every(holds)) continue;
      // `No, it takes 45 days` denies what was asked, not what it says.
      const decided = yesOrNo !== undefined && names.length + numbers.length > 0;
      if (!decided && contradicts({ negated, restated }, isNegated(sentence.text))) continue;
      const score = share + place.asked;
      if (score > bestScore) [best, bestScore] = [place, score];
    }
    return best;
  }

  /** What the statement says beyond question and boilerplate. */
  #told(statement: string) {
    const fresh = (word: string) => !this.#plain.has(word) && !this.#inQuestion.has(word);
    const said = [...new Set(this.#words.content(statement))];
    const own = said.filter(fresh);
    const known = new Set(numbersOf(this.#question));
    const numbers = numbersOf(statement).filter((number) => !known.has(number));
    if (own.length > 0 || numbers.length > 0)
      return { own, numbers, names: namesIn(statement, this.#words, own.length <= fewWords ? 0 : 1).filter(fresh) };
    // `Red or blue?` is answered in its own words.
    const chosen = said.filter((word) => !this.#plain.has(word));
    if (!this.#choice || chosen.length * 2 > this.#asked.size) return { own: [], numbers: [], names: [] };
    return { own: chosen, numbers: numbersOf(statement), names: [] };
  }

  #isAbout({ asked }: Place, ofBest: number): boolean {
    return this.#asked.size === 0 || (asked >= limits.asked && asked >= ofBest * this.#best);
  }

  #ofYesOrNo(denies: boolean): Support | undefined {
    const { asked, askedOfBest } = limits.yesOrNo;
    const speaking = this.#places.filter((place) => place.asked >= asked && place.asked >= askedOfBest * this.#best);
    const [first] = speaking.toSorted((a, b) => b.asked - a.asked);
    return first !== undefined && isNegated(first.sentence.text) === denies ? first : undefined;
  }

  #spokenOf({ title, words, sentences }: CutPassage, at: number, places: typeof around | typeof byItself): number {
    const [sentence, before, after] = [sentences[at], sentences[at - 1], sentences[at + 1]];
    let [spoken, all] = [0, 0];
    for (const [word, weight] of this.#asked) {
      all += weight;
      if (sentence?.words.has(word)) spoken += weight * places.sentence;
      else if (title.has(word)) spoken += weight * places.title;
      else if (before?.words.has(word) || after?.words.has(word)) spoken += weight * places.near;
      else if (words.has(word)) spoken += weight * places.passage;
    }
    return all === 0 ? 0 : spoken / all;
  }
}

/** A denial of what is said plainly, or the plain saying of what is denied in the same words. */
function contradicts(said: { readonly negated: boolean; readonly restated: boolean }, negated: boolean): boolean {
  return said.negated ? !negated : negated && said.restated;
}

function rarity(word: string, passages: readonly CutPassage[]): number {
  const having = passages.filter(({ words }) => words.has(word)).length;
  return Math.log(1 + (passages.length + 1) / (having + 0.5));
}

/** The words of names, by their capitals. @param from capitals before this offset come from the place, not the name */
function namesIn(text: string, words: Words, from: number): string[] {
  // Nouns, there.
  if (words.language === 'German') return [];
  const written = [...normalize(text).matchAll(/\p{Lu}[\p{L}\p{N}\p{M}'’.-]*/gu)];
  return written.filter(({ index }) => index >= from).flatMap(([name]) => words.content(name));
}

/** Whether a passage can be about a question with these numbers and names. */
function speaksOf(passage: CutPassage, names: readonly string[], numbers: readonly string[]): boolean {
  const { words, titleNumbers, sentences } = passage;
  const hasNumber = (number: string) =>
    titleNumbers.has(number) || sentences.some((sentence) => sentence.numbers.has(number));
  return numbers.every(hasNumber) && names.filter((name) => words.has(name)).length >= limits.names * names.length;
}
