/**
 * Reading tasks on the chunks of documents: what a passage says may depend on the passages before it, as it does in
 * documents that were cut to be retrieved. Fictional like the other reading tasks, with their names and splits.
 *
 * Kinds of questions:
 *   - `continued`: a document is two passages with one title. The first names a person, the second goes on with "She";
 *     the answer stands in the second. Other documents state the same of others with the same pronoun;
 *   - `newest`: two passages state the same relation of one subject with different objects, and the later one counts;
 *   - `one-hop`: one passage names the subject and states the answer;
 *   - `two-hop`: a passage on a work names its maker, another states something of the maker.
 *
 * Invariants, which the tests hold: every answer stands in one passage; passages do not say where in the prompt they are;
 * splits share no entity; the same options give the same tasks on every machine, and task i does not depend on how many
 * there are.
 */

import type { Question } from '@block-attention/engine/eval';
import type { Random } from '@block-attention/engine/internal/base';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { capitalised, NameSource, namePools, type TaskSplit, workTitle } from './task-names.ts';
import { checkRange, checkSplit, invalidOption, taskRandom } from './task-options.ts';

export const documentTaskKinds = ['continued', 'newest', 'one-hop', 'two-hop'] as const;
export type DocumentTaskKind = (typeof documentTaskKinds)[number];

export const documentTitles = ['family', 'place', 'other'] as const;
export type DocumentTitles = (typeof documentTitles)[number];

export interface DocumentTaskOptions {
  /** Whole number from 0. */
  readonly seed: number;
  readonly count: number;
  /** Defaults to `train`. */
  readonly split?: TaskSplit | undefined;
  /** Passages per task, from 4 to 20. Defaults to 10: three documents of two, a pair of which one is newer, two others. */
  readonly passages?: number | undefined;
  /** Questions over the same passages, which follow one another: `count` then counts passage sets. Defaults to 1. */
  readonly questions?: number | undefined;
  /**
   * What documents are called. `family`, the default: by their subject's family, `The Ockhurst letters`, so a passage
   * that goes on with "She" can be read alone. `place`: `The Pelford letters`, so only the passage before says who she
   * is. `other`: by the family of another document's subject, which misleads whoever does not read the passage before.
   */
  readonly titles?: DocumentTitles | undefined;
}

export interface DocumentTask extends Question {
  readonly passages: readonly { readonly title: string; readonly text: string }[];
  readonly kind: DocumentTaskKind;
  /** Indices of the passages that are needed, the one with the answer last. */
  readonly gold: readonly number[];
  /** What a good reader says, to train on: the answer; for two hops a sentence that names what the first hop finds. */
  readonly response: string;
}

interface Relation {
  readonly say: (subject: string, object: string) => string;
  /** Of the one whom the passage before names. */
  readonly goOn: (pronoun: Pronoun, object: string) => string;
  readonly ask: readonly [(subject: string) => string, ...((subject: string) => string)[]];
}
type Pronoun = 'she' | 'he';
const possessive = { she: 'Her', he: 'His' } as const;

const relations: readonly [Relation, ...Relation[]] = [
  {
    say: (s, o) => `${s} was born in ${o}.`,
    goOn: (p, o) => `${capitalised(p)} was born in ${o}.`,
    ask: [(s) => `Where was ${s} born?`, (s) => `What is the birthplace of ${s}?`],
  },
  {
    say: (s, o) => `${s} lives in ${o}.`,
    goOn: (p, o) => `${possessive[p]} home is in ${o}.`,
    ask: [(s) => `Where does ${s} live?`, (s) => `Where is the home of ${s}?`],
  },
  {
    say: (s, o) => `${s} went to school in ${o}.`,
    goOn: (p, o) => `${capitalised(p)} went to school in ${o}.`,
    ask: [(s) => `Where did ${s} go to school?`, (s) => `Where was the school of ${s}?`],
  },
  {
    say: (s, o) => `${s} is buried in ${o}.`,
    goOn: (p, o) => `${possessive[p]} grave is in ${o}.`,
    ask: [(s) => `Where is ${s} buried?`, (s) => `Where is the grave of ${s}?`],
  },
];
const kept: Relation = {
  say: (s, o) => `${s} is kept in ${o}.`,
  goOn: (_, o) => `It is kept in ${o}.`,
  ask: [(s) => `Where is ${s} kept?`, (s) => `In which place is ${s} kept?`],
};
const made = (work: string, maker: string) => `${work} was made by ${maker}.`;

const documentKinds = ['chronicle', 'register', 'diary', 'letters'] as const;

/** A relation that a passage states, and how it is asked for. */
interface Stated {
  readonly kind: DocumentTaskKind;
  readonly relation: Relation;
  readonly subject: string;
  readonly object: string;
  /** Passages that are needed, the one with the answer last. */
  readonly passages: readonly Passage[];
}
interface Passage {
  readonly title: string;
  readonly text: string;
}
interface Made {
  readonly work: string;
  readonly maker: string;
  readonly passage: Passage;
}

/** How often a question is to be of a kind: shares, added up. */
const shares: readonly (readonly [DocumentTaskKind, number])[] = [
  ['continued', 0.5],
  ['newest', 0.65],
  ['two-hop', 0.82],
  ['one-hop', 1],
];

/** @throws INVALID_ARGUMENT for options that cannot be */
export function generateDocumentTasks(options: DocumentTaskOptions): DocumentTask[] {
  const { seed, count, split = 'train', passages = 10, questions = 1, titles = 'family' } = options;
  checkRange({ seed, count }, 0, 2 ** 31);
  checkRange({ passages }, 4, 20);
  checkRange({ questions }, 1, 100);
  checkSplit(split);
  if (!documentTitles.includes(titles)) throw invalidOption(`titles is ${titles}: use ${documentTitles.join(' or ')}`);
  const pools = namePools(split, 64, seed);
  return Array.from({ length: count }, (_, index) => {
    const random = taskRandom(seed, split, index, 0xc2b2ae35);
    const scene = new Scene(new NameSource(pools, random), random, passages, titles);
    return Array.from({ length: questions }, () => scene.ask());
  }).flat();
}

class Scene {
  readonly #random: Random;
  readonly #names: NameSource;
  readonly #order: readonly Passage[];
  #stated: Stated[] = [];
  readonly #made: Made[] = [];
  readonly #titles: DocumentTitles;

  constructor(names: NameSource, random: Random, count: number, titles: DocumentTitles) {
    this.#random = random;
    this.#titles = titles;
    this.#names = names;
    const pronoun = random.pick<Pronoun>(['she', 'he']);
    const split = random.shuffle(relations);
    const documents = Math.max(2, Math.round(0.3 * count));
    const units: Passage[][] = [];
    const subjects = Array.from({ length: documents }, () => names.person());
    for (const [i, subject] of subjects.entries()) {
      const called = { family: subject, other: subjects[(i + 1) % documents] ?? subject, place: names.place() }[titles];
      units.push(this.#document(subject, called.split(' ').at(-1) ?? '', pronoun, split));
    }
    const rest = count - 2 * documents;
    // Works are made by people of the scene, no two by the same as long as there are enough.
    const people = random.shuffle(subjects);
    for (let i = 0; i < rest; i++) {
      const left = rest - i;
      if (i === 0 && left >= 2) {
        units.push(...this.#pair(people).map((passage) => [passage]));
        i++;
      } else units.push([i % 2 === 0 ? this.#work(people) : this.#person(people)]);
    }
    this.#order = random.shuffle(units).flat();
    this.#settle();
  }

  ask(): DocumentTask {
    const random = this.#random;
    const draw = random.uniform();
    const wanted = shares.find(([, upTo]) => draw < upTo)?.[0] ?? 'one-hop';
    const work = random.shuffle(this.#made)[0];
    if (wanted === 'two-hop' && work !== undefined) {
      const known = random
        .shuffle(this.#stated)
        .find(({ kind, subject }) => kind === 'one-hop' && subject === work.maker);
      if (known !== undefined) {
        const { relation, object, subject } = known;
        const question = random.pick(relation.ask)(`the maker of ${work.work}`);
        const gold = [work.passage, ...known.passages];
        return this.#task('two-hop', question, object, gold, relation.say(subject, object));
      }
    }
    const of = (kind: DocumentTaskKind) => random.shuffle(this.#stated.filter((stated) => stated.kind === kind))[0];
    const stated = of(wanted) ?? of('continued');
    if (stated === undefined) throw new BlockAttentionError('INTERNAL', 'a scene without documents');
    const { kind, relation, subject, object, passages } = stated;
    return this.#task(kind, random.pick(relation.ask)(subject), object, passages);
  }

  #task(
    kind: DocumentTaskKind,
    question: string,
    answer: string,
    gold: readonly Passage[],
    response = answer,
  ): DocumentTask {
    return {
      question,
      answers: [answer],
      passages: this.#order,
      kind,
      gold: gold.map((passage) => this.#order.indexOf(passage)),
      response,
    };
  }

  /** Two passages: the first names a person, the second goes on. Relations are split alike in every document. */
  #document(subject: string, called: string, pronoun: Pronoun, split: readonly Relation[]): Passage[] {
    const title = `The ${called} ${this.#random.pick(documentKinds)}`;
    const state = (relation: Relation) => ({ relation, object: this.#names.place() });
    const [opening, ...going] = split.slice(0, 3).map(state);
    if (opening === undefined) throw new BlockAttentionError('INTERNAL', 'a document without relations');
    const lines = [opening.relation.say(subject, opening.object)];
    if (this.#titles !== 'family' && this.#random.uniform() < 0.5)
      lines.push(`${subject} is the subject of ${title.replace('The', 'the')}.`);
    const first = { title, text: lines.join(' ') };
    const more = this.#random.shuffle(going).map(({ relation, object }) => relation.goOn(pronoun, object));
    const second = { title, text: more.join(' ') };
    this.#stated.push(
      { kind: 'one-hop', ...opening, subject, passages: [first] },
      ...going.map((each): Stated => ({ kind: 'continued', ...each, subject, passages: [first, second] })),
    );
    return [first, second];
  }

  /** A work or a person twice, with another place the second time. Which passage counts, their order decides. */
  #pair(people: string[]): Passage[] {
    const work = this.#random.uniform() < 0.5;
    const subject = work ? workTitle(this.#names, this.#random) : this.#names.person();
    const relation = work ? kept : this.#random.pick(relations);
    const maker = people.pop() ?? this.#names.person();
    return [0, 1].map((i): Passage => {
      const object = this.#names.place();
      const lines = [...(work && i === 0 ? [made(subject, maker)] : []), relation.say(subject, object)];
      const passage = { title: capitalised(subject), text: lines.map(capitalised).join(' ') };
      if (work && i === 0) this.#made.push({ work: subject, maker, passage });
      this.#stated.push({ kind: 'newest', relation, subject, object, passages: [passage] });
      return passage;
    });
  }

  #work(people: string[]): Passage {
    const subject = workTitle(this.#names, this.#random);
    const maker = people.pop() ?? this.#names.person();
    const object = this.#names.place();
    const lines = [made(subject, maker), kept.say(subject, object)];
    const passage = { title: capitalised(subject), text: this.#random.shuffle(lines).map(capitalised).join(' ') };
    this.#made.push({ work: subject, maker, passage });
    this.#stated.push({ kind: 'one-hop', relation: kept, subject, object, passages: [passage] });
    return passage;
  }

  #person(people: string[]): Passage {
    const subject = this.#names.person();
    people.push(subject);
    const stated = this.#random
      .shuffle(relations)
      .slice(0, 2)
      .map((relation) => ({ relation, object: this.#names.place() }));
    const passage = {
      title: subject,
      text: stated.map(({ relation, object }) => relation.say(subject, object)).join(' '),
    };
    for (const each of stated) this.#stated.push({ kind: 'one-hop', ...each, subject, passages: [passage] });
    return passage;
  }

  /** Of a pair only the later passage answers. */
  #settle(): void {
    const last = new Map<string, Stated>();
    const at = ({ passages }: Stated) => this.#order.indexOf(passages[0] as Passage);
    for (const stated of this.#stated.filter(({ kind }) => kind === 'newest')) {
      const other = last.get(stated.subject);
      if (other === undefined || at(other) < at(stated)) last.set(stated.subject, stated);
    }
    this.#stated = this.#stated.filter((stated) => stated.kind !== 'newest' || last.get(stated.subject) === stated);
  }
}
