/**
 * Synthetic reading tasks in plain English: fictional people, places and works; questions of one or two hops; passages
 * that answer them among passages that look alike. Nothing in them can be known from elsewhere.
 *
 * Invariants, which the tests hold:
 *   - the answer stands in exactly one passage; for two hops, `gold` is that passage and the one that leads to it;
 *   - other passages state the same relations of other entities, and no entity of one stands in another;
 *   - splits share no entity; the same options give the same tasks on every machine, and task i of a data set does not
 *     depend on how many there are.
 */

import type { Question } from '@block-attention/engine/eval';
import type { Random } from '@block-attention/engine/internal/base';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { capitalised, type NamePools, NameSource, namePools, type TaskSplit, workTitle } from './task-names.ts';
import { checkRange, checkSplit, invalidOption, taskRandom } from './task-options.ts';

export type { TaskSplit };

export interface ReadingTaskOptions {
  /** Whole number from 0. */
  readonly seed: number;
  readonly count: number;
  /** Defaults to `train`. */
  readonly split?: TaskSplit | undefined;
  /** Passages per task, from 2 to 20. Defaults to 10. */
  readonly passages?: number | undefined;
  /** 1: one passage holds the answer. 2: another names what that passage is about. Defaults to `both`, half each. */
  readonly hops?: 1 | 2 | 'both' | undefined;
  /** Most different names of each kind, which bounds the vocabulary. Defaults to all, which is 64. */
  readonly names?: number | undefined;
  /** Questions over the same passages, which follow one another: `count` then counts passage sets. Defaults to 1. */
  readonly questions?: number | undefined;
}

export interface ReadingTask extends Question {
  readonly hops: 1 | 2;
  /** Indices of the passages that are needed, in the order of the hops. */
  readonly gold: readonly number[];
  /**
   * What a good reader says, to train on: the answer alone for one hop; for two hops a sentence that names what the
   * first hop finds.
   */
  readonly response: string;
}

interface Relation {
  readonly state: readonly [Statement, ...Statement[]];
  readonly ask: readonly [(subject: string) => string, ...((subject: string) => string)[]];
  readonly object: 'person' | 'place';
}
type Statement = (subject: string, object: string) => string;

/** What is said of a person. */
const personRelations: readonly [Relation, ...Relation[]] = [
  {
    state: [(s, o) => `${s} was born in ${o}.`, (s, o) => `The birthplace of ${s} is ${o}.`],
    ask: [(s) => `Where was ${s} born?`, (s) => `What is the birthplace of ${s}?`],
    object: 'place',
  },
  {
    state: [(s, o) => `${s} lives in ${o}.`, (s, o) => `The home of ${s} is in ${o}.`],
    ask: [(s) => `Where does ${s} live?`, (s) => `Where is the home of ${s}?`],
    object: 'place',
  },
  {
    state: [(s, o) => `${s} was taught by ${o}.`, (s, o) => `The teacher of ${s} was ${o}.`],
    ask: [(s) => `Who taught ${s}?`, (s) => `Who was the teacher of ${s}?`],
    object: 'person',
  },
];

/** What is said of a work. The first relation leads to a person. */
const maker: Relation = {
  state: [(s, o) => `${s} was made by ${o}.`, (s, o) => `The maker of ${s} is ${o}.`],
  ask: [(s) => `Who made ${s}?`, (s) => `Who is the maker of ${s}?`],
  object: 'person',
};
const workRelations: readonly [Relation, ...Relation[]] = [
  maker,
  {
    state: [(s, o) => `${s} is kept in ${o}.`, (s, o) => `The place where ${s} is kept is ${o}.`],
    ask: [(s) => `Where is ${s} kept?`],
    object: 'place',
  },
];

/** @throws INVALID_ARGUMENT for options that cannot be */
export function generateReadingTasks(options: ReadingTaskOptions): ReadingTask[] {
  const { seed, count, split = 'train', passages = 10, hops = 'both', names = 64, questions = 1 } = options;
  checkRange({ seed, count }, 0, 2 ** 31);
  checkRange({ passages }, 2, 20);
  checkRange({ questions }, 1, 100);
  // A passage takes at most two places, and at most two people with its subject.
  checkRange({ names }, 2 * passages, Infinity, `: a task of ${passages} passages needs them`);
  checkSplit(split);
  if (hops !== 1 && hops !== 2 && hops !== 'both') throw invalidOption(`hops is ${String(hops)}: use 1, 2 or both`);
  const pools = namePools(split, names, seed);
  return Array.from({ length: count }, (_, index) => {
    const random = taskRandom(seed, split, index, 0x85ebca6b);
    const scene = makeScene(pools, random, passages);
    return Array.from({ length: questions }, (_, i) =>
      makeTask(scene, random, hops === 'both' ? ((index + i) % 2 === 0 ? 1 : 2) : hops),
    );
  }).flat();
}

/** Different words of tasks, in lower case and without punctuation. */
export function taskVocabulary(tasks: readonly Question[]): Set<string> {
  const texts = tasks.flatMap(({ question, answers, passages }) => [
    question,
    ...answers,
    ...passages.flatMap(({ title = '', text }) => [title, text]),
  ]);
  return new Set(texts.flatMap((text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []));
}

interface Entry {
  readonly subject: string;
  readonly text: string;
  readonly objects: ReadonlyMap<Relation, string>;
}

/** What the questions of one passage set are about. */
interface Scene {
  readonly entries: readonly Entry[];
  /** The entry of each passage. */
  readonly order: readonly Entry[];
  readonly passages: readonly { readonly title: string; readonly text: string }[];
}

function makeScene(pools: NamePools, random: Random, count: number): Scene {
  const names = new NameSource(pools, random);
  const entries: Entry[] = [];
  // Works and their makers come in pairs, so every chain of two hops has rivals.
  while (entries.length < count) {
    const person = describe(names.person(), personRelations, new Map(), names, random);
    const work = describe(workTitle(names, random), workRelations, new Map([[maker, person.subject]]), names, random);
    entries.push(person, ...(entries.length + 1 < count ? [work] : []));
  }
  const order = random.shuffle(entries);
  return { entries, order, passages: order.map(({ subject, text }) => ({ title: capitalised(subject), text })) };
}

function makeTask({ entries, order, passages }: Scene, random: Random, hops: 1 | 2): ReadingTask {
  const works = entries.filter(({ objects }) => objects.has(maker));
  const work = works[random.integer(works.length)];
  const person = entries.find(({ subject }) => subject === work?.objects.get(maker));
  if (work === undefined || person === undefined) throw new BlockAttentionError('INTERNAL', 'a task has no pair');
  if (hops === 2) {
    const relation = random.pick(personRelations);
    const answer = objectOf(person, relation);
    return {
      question: random.pick(relation.ask)(`the maker of ${work.subject}`),
      answers: [answer],
      passages,
      hops,
      gold: [order.indexOf(work), order.indexOf(person)],
      response: relation.state[0](person.subject, answer),
    };
  }
  // The maker stands in two passages, so it is asked for in neither direction.
  const entry = random.uniform() < 0.75 ? person : work;
  const relation = entry === person ? random.pick(personRelations) : (workRelations[1] ?? maker);
  const question = random.pick(relation.ask)(entry.subject);
  const answer = objectOf(entry, relation);
  return { question, answers: [answer], passages, hops, gold: [order.indexOf(entry)], response: answer };
}

/** A passage: every relation of the subject, in random order and words. */
function describe(
  subject: string,
  relations: readonly Relation[],
  known: ReadonlyMap<Relation, string>,
  names: NameSource,
  random: Random,
): Entry {
  const objects = new Map<Relation, string>();
  const sentences = random.shuffle(relations).map((relation) => {
    const object = known.get(relation) ?? (relation.object === 'person' ? names.person() : names.place());
    objects.set(relation, object);
    return capitalised(random.pick(relation.state)(subject, object));
  });
  return { subject, text: sentences.join(' '), objects };
}

function objectOf({ objects }: Entry, relation: Relation): string {
  const object = objects.get(relation);
  if (object === undefined) throw new BlockAttentionError('INTERNAL', 'a passage lacks a relation');
  return object;
}
