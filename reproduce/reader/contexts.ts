/**
 * Prompts to train on: passages of several sets among each other, all that is asked about them over one context, and
 * questions that none of them answers. A context is read once for all its questions (docs/finetuning.md), so many
 * questions cost little; so each passage is the one that answers, and a distractor for the others.
 *
 * Passages are a page's neighbours in half of the cases, as retrieval finds them, else of any set. Seeded: the same
 * sources and seed give the same contexts.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { sentenceRanges } from '../../src/rag/answer/passage-sentences.ts';
import { type Asked, isYesOrNo, type Passage, type Unit } from './sources.ts';

/** A line of `finetune --data`. */
export interface Context {
  readonly passages: readonly Passage[];
  readonly questions: readonly { readonly question: string; readonly answers: readonly string[] }[];
}

export interface ContextRecipe {
  /** How often a unit is drawn of each set. */
  readonly shares: Readonly<Record<string, number>>;
  /** Passages of a context, drawn of these. */
  readonly passages: readonly [number, ...number[]];
  /** Most questions about one unit, and in all. */
  readonly perUnit: number;
  readonly perContext: number;
  /** Most distractors of a unit's own that come with it. */
  readonly distractors: number;
  /** Probability that the next unit is the neighbour of the one before. */
  readonly neighbours: number;
  /** Probability that a context gets a question that it does not answer. */
  readonly unanswered: number;
  /** Most such questions about one passage that stands alone, of its own page where that has them. Defaults to one. */
  readonly aloneUnanswered?: number;
  /**
   * Probability that a passage which would stand alone gives its place to a distractor of its question's, which then is
   * what it does not answer. Defaults to 0.
   */
  readonly aloneDistractor?: number;
  /**
   * Probability that of a passage which would stand alone one sentence or row does, as answers from documents offer them:
   * what the others of the passage say is what it does not answer. Defaults to 0.
   */
  readonly aloneExcerpt?: number;
  /** Longest passage, in characters. */
  readonly longest: number;
}

/** Where questions that a passage does not answer are looked for first, counted from its own place. */
const nearby = [-2, 1, 2, 3];

/** Draws units of a set without putting them back until all were drawn. */
class Deck {
  readonly #units: readonly Unit[];
  readonly #random: Random;
  #order: number[] = [];

  constructor(units: readonly Unit[], random: Random) {
    this.#units = units;
    this.#random = random;
  }

  next(): Drawn | undefined {
    if (this.#order.length === 0) this.#order = this.#random.permutation(this.#units.length);
    return this.at(this.#order.pop() ?? -1);
  }

  /** The next one after `index`, if it is of the same page. */
  after({ index, unit }: Drawn): Drawn | undefined {
    const next = this.at(index + 1);
    return next !== undefined && titleOf(next.unit) === titleOf(unit) ? next : undefined;
  }

  at(index: number): Drawn | undefined {
    const unit = this.#units[index];
    return unit && { unit, index, deck: this };
  }
}

interface Drawn {
  readonly unit: Unit;
  readonly index: number;
  readonly deck: Deck;
}

export class ContextStream {
  readonly #recipe: ContextRecipe;
  readonly #random: Random;
  readonly #decks: readonly { readonly share: number; readonly deck: Deck }[];

  constructor(sources: ReadonlyMap<string, readonly Unit[]>, recipe: ContextRecipe, random: Random) {
    this.#recipe = recipe;
    this.#random = random;
    const fits = (unit: Unit) =>
      unit.passages.length > 0 && unit.passages.every(({ text }) => text.length <= recipe.longest);
    this.#decks = Object.entries(recipe.shares).map(([set, share]) => ({
      share,
      deck: new Deck((sources.get(set) ?? []).filter(fits), random),
    }));
  }

  next(): Context {
    const random = this.#random;
    const wanted = random.pick(this.#recipe.passages);
    if (wanted === 1) return this.#alone();
    const drawn: Drawn[] = [];
    const passages: Passage[] = [];
    while (passages.length < wanted) {
      const last = drawn.at(-1);
      const beside =
        last !== undefined && random.uniform() < this.#recipe.neighbours ? last.deck.after(last) : undefined;
      const one = beside ?? this.#draw();
      const { unit: own } = one;
      if (drawn.some(({ unit }) => unit === own || (own.kind !== undefined && unit.kind === own.kind))) continue;
      drawn.push(one);
      const extra = random.shuffle(one.unit.distractors).slice(0, random.integer(this.#recipe.distractors + 1));
      passages.push(...one.unit.passages, ...extra);
    }
    const asked = drawn.flatMap(({ unit }) => random.shuffle(unit.asked).slice(0, this.#recipe.perUnit));
    const chosen = random.shuffle(asked).slice(0, this.#recipe.perContext);
    const stray = random.uniform() < this.#recipe.unanswered ? this.#stray(drawn, passages) : undefined;
    const questions = [...chosen, ...(stray === undefined ? [] : [stray])].map(lineOf);
    return { passages: random.shuffle(passages), questions };
  }

  /**
   * One unit's passages by themselves. How a passage says that it does not answer is what blocks are chosen by (policy
   * part `select`), so there is much to refuse here, and it is near.
   */
  #alone(): Context {
    const random = this.#random;
    const { aloneDistractor = 0, aloneExcerpt = 0, aloneUnanswered = 1, perUnit } = this.#recipe;
    const one = this.#draw();
    const { unit } = one;
    if (aloneExcerpt > 0 && random.uniform() < aloneExcerpt) return this.#excerpt(one) ?? this.#alone();
    const [other] = random.shuffle(unit.distractors);
    if (other !== undefined && random.uniform() < aloneDistractor) {
      const held = `${other.title} ${other.text}`;
      const asked = unit.asked.filter(({ answer }) => answer !== undefined && !holds(held, answer));
      const questions = asked.slice(0, perUnit).map(({ question }) => ({ question, answers: [] }));
      if (questions.length > 0) return { passages: [other], questions };
    }
    const questions = random.shuffle(unit.asked).slice(0, perUnit);
    const strays = Array.from({ length: 1 + random.integer(aloneUnanswered) }, () => this.#stray([one], unit.passages));
    for (const stray of strays) {
      if (stray !== undefined && questions.every(({ question }) => question !== stray.question)) questions.push(stray);
    }
    // Some units have nothing that is asked about them.
    if (questions.length === 0) return this.#alone();
    return {
      passages: unit.passages,
      questions: random.shuffle(questions).map(lineOf),
    };
  }

  /** One sentence or row of a passage that several make up; undefined where no question is about one of them alone. */
  #excerpt({ unit }: Drawn): Context | undefined {
    const random = this.#random;
    const { aloneUnanswered = 1, perUnit } = this.#recipe;
    const passage = unit.passages[random.integer(unit.passages.length)];
    if (passage === undefined) return undefined;
    const sentences = sentenceRanges(passage.text).map((range) => passage.text.slice(...range));
    if (sentences.length < 2) return undefined;
    const placed = unit.asked.flatMap((asked) => {
      const { answer } = asked;
      if (answer === undefined || isYesOrNo(answer)) return [];
      const holding = sentences.filter((sentence) => holds(sentence, answer));
      const [sentence] = holding;
      return sentence === undefined || holding.length > 1 ? [] : [{ asked, answer, sentence }];
    });
    if (placed.length === 0) return undefined;
    // Now and then one that nothing is asked about.
    const from = random.uniform() < 0.8 ? placed.map((one) => one.sentence) : sentences;
    const sentence = from[random.integer(from.length)] ?? '';
    const held = `${passage.title}\n${sentence}`;
    const own = random.shuffle(placed.filter((one) => one.sentence === sentence)).slice(0, perUnit);
    const others = placed.filter((one) => one.sentence !== sentence && !holds(held, one.answer));
    const unanswered = random
      .shuffle(others)
      .slice(0, own.length === 0 ? perUnit : 1 + random.integer(aloneUnanswered));
    const questions = [
      ...own.map(({ asked }) => lineOf(asked)),
      ...unanswered.map(({ asked: { question } }) => ({ question, answers: [] })),
    ];
    if (questions.length === 0) return undefined;
    return { passages: [{ ...passage, text: sentence }], questions: random.shuffle(questions) };
  }

  #draw(): Drawn {
    const total = this.#decks.reduce((sum, { share }) => sum + share, 0);
    let at = this.#random.uniform() * total;
    for (const { share, deck } of this.#decks) {
      at -= share;
      const drawn = at < 0 ? deck.next() : undefined;
      if (drawn !== undefined) return drawn;
    }
    return this.#draw();
  }

  /** A question about the page of one of the passages, or any, whose answer none of them holds. */
  #stray(drawn: readonly Drawn[], passages: readonly Passage[]): Asked | undefined {
    const held = passages.map(({ title, text }) => `${title} ${text}`).join('\n');
    const near = drawn.flatMap(({ deck, index, unit }) =>
      nearby.flatMap((offset) => {
        const other = deck.at(index + offset)?.unit;
        return other !== undefined && titleOf(other) === titleOf(unit) && !drawn.some((one) => one.unit === other)
          ? other.asked
          : [];
      }),
    );
    const candidates = [...this.#random.shuffle(near), ...this.#draw().unit.asked];
    const found = candidates.find(({ answer }) => answer !== undefined && !isYesOrNo(answer) && !holds(held, answer));
    return found && { question: found.question, answer: undefined };
  }
}

function lineOf({ question, answer }: Asked): Context['questions'][number] {
  return { question, answers: answer === undefined ? [] : [answer] };
}

function holds(text: string, answer: string): boolean {
  return text.toLowerCase().includes(answer.toLowerCase());
}

function titleOf(unit: Unit): string | undefined {
  return unit.passages[0]?.title;
}
