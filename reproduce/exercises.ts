/**
 * The training mixture: passages with several questions on them.
 *
 * Some are tasks of the evaluation's generators (training split), on documents or on passages that stand alone, most of
 * them with their names replaced by names without end. The others are facts of many kinds in many wordings, with rivals,
 * filler sentences, questions of two hops, and some questions that the passages do not answer. Seeded: exercise i is the
 * same on every machine.
 */

import { createRandom, type Random } from '@block-attention/engine/internal/base';
import { type DocumentTitles, generateDocumentTasks } from '../src/tasks/document-tasks.ts';
import { generateReadingTasks } from '../src/tasks/reading-tasks.ts';
import { capitalised, nameKinds, namesOf } from '../src/tasks/task-names.ts';
import { choose, nameOf } from './random-names.ts';
import { type Fact, fillers, type Topic, topics } from './relations.ts';

export interface Exercise {
  readonly passages: readonly { readonly title?: string; readonly text: string }[];
  readonly questions: readonly { readonly question: string; readonly response: string }[];
}

export interface ExerciseOptions {
  readonly seed: number;
  /** Passages, at least 1. */
  readonly passages: number;
  readonly questions: number;
  /** Share of exercises that are reading tasks or tasks on documents. Defaults to 0.5. */
  readonly tasks?: number;
  /** Share of these that are tasks on documents. Defaults to 0.5. */
  readonly documents?: number;
  /** What documents are called. Defaults to `family`. */
  readonly titles?: DocumentTitles;
  /** Share of questions of two hops. Defaults to 0.5. */
  readonly twoHops?: number;
}

export const unanswered = 'not in the documents';

export function makeExercise(options: ExerciseOptions): Exercise {
  const { seed, passages, questions, tasks = 0.5, documents = 0.5, titles = 'family', twoHops = 0.5 } = options;
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995);
  if (passages >= 2 && passages <= 16 && random.uniform() < tasks) {
    if (passages >= 4 && random.uniform() < documents) return documentExercise(random, passages, questions, titles);
    return taskExercise(random, passages, questions, twoHops);
  }
  return factExercise(random, passages, questions, twoHops);
}

const trainNames = nameKinds.map((kind) => ({ kind, names: new Set(namesOf(kind, 'train')) }));

function taskExercise(random: Random, passages: number, questions: number, twoHops: number): Exercise {
  const hops = Array.from({ length: questions }, () => (random.uniform() < twoHops ? 2 : 1) as 1 | 2);
  const seed = random.integer(2 ** 31);
  const options = { seed, count: 1, passages, questions: questions * 2 };
  const pool = generateReadingTasks({ ...options, hops: 'both' });
  const rename = random.uniform() < 0.75 ? renamer(random) : (text: string) => text;
  const taken = { 1: 0, 2: 0 };
  const picked = hops.flatMap((wanted) => {
    const task = pool.filter(({ hops: found }) => found === wanted)[taken[wanted]++];
    return task === undefined ? [] : [task];
  });
  const [first] = pool;
  return {
    passages: (first?.passages ?? []).map(({ title = '', text }) => ({ title: rename(title), text: rename(text) })),
    questions: picked.map(({ question, response }) => ({ question: rename(question), response: rename(response) })),
  };
}

function documentExercise(random: Random, passages: number, questions: number, titles: DocumentTitles): Exercise {
  const tasks = generateDocumentTasks({ seed: random.integer(2 ** 31), count: 1, passages, questions, titles });
  const rename = random.uniform() < 0.75 ? renamer(random) : (text: string) => text;
  // Of several wordings of one question one: an answer is trained once.
  const asked = new Map(tasks.map((task) => [`${task.kind} ${task.answers[0]}`, task]));
  return {
    passages: (tasks[0]?.passages ?? []).map(({ title, text }) => ({ title: rename(title), text: rename(text) })),
    questions: [...asked.values()].map(({ question, response }) => ({
      question: rename(question),
      response: rename(response),
    })),
  };
}

/** Replaces every training name by one name of its kind. */
function renamer(random: Random): (text: string) => string {
  const renamed = new Map<string, string>();
  const used = new Set<string>();
  return (text) =>
    text.replace(/[A-Z][a-z]+/g, (word) => {
      const known = renamed.get(word);
      if (known !== undefined) return known;
      const kind = trainNames.find(({ names }) => names.has(word))?.kind;
      if (kind === undefined) return word;
      let name = nameOf(kind, random);
      while (used.has(name)) name = nameOf(kind, random);
      used.add(name);
      renamed.set(word, name);
      return name;
    });
}

interface Entry {
  readonly topic: Topic;
  readonly subject: string;
  readonly stated: Map<Fact, string>;
}

function factExercise(random: Random, count: number, questions: number, twoHops: number): Exercise {
  const entries = makeEntries(random, count);
  const people = entries.filter(({ topic }) => topic === topics[0]);
  const led = new Map<Entry, { readonly fact: Fact; readonly person: Entry }>();
  for (const entry of entries) {
    const fact = [...entry.stated.keys()].find(({ role }) => role !== undefined);
    const person = people.length === 0 ? undefined : choose(random, people);
    if (fact === undefined || person === undefined || person === entry || random.uniform() < 0.2) continue;
    entry.stated.set(fact, person.subject);
    led.set(entry, { fact, person });
  }
  const exercise = {
    passages: entries.map((entry) => passageOf(entry, random)),
    questions: [] as { question: string; response: string }[],
  };
  const leads = random.shuffle([...led]);
  const direct = random.shuffle(
    entries.flatMap((entry) => [...entry.stated].map(([fact, object]) => ({ entry, fact, object }))),
  );
  for (let i = 0; i < questions; i++) {
    const draw = random.uniform();
    if (draw < 0.06) {
      const { topic, stated } = choose(random, entries);
      exercise.questions.push({
        question: ask(choose(random, [...stated.keys()]), topic.subject(random), random),
        response: unanswered,
      });
      continue;
    }
    const lead = draw < twoHops ? leads.pop() : undefined;
    if (lead !== undefined) {
      const [entry, { fact, person }] = lead;
      const [wanted, object] = choose(random, [...person.stated]);
      const question = ask(wanted, fill(fact.role ?? 's', entry.subject, ''), random);
      exercise.questions.push({ question, response: fill(wanted.state[0] ?? '', person.subject, object) });
      continue;
    }
    const next = direct.pop();
    if (next === undefined) break;
    exercise.questions.push({ question: ask(next.fact, next.entry.subject, random), response: next.object });
  }
  return exercise;
}

function makeEntries(random: Random, count: number): Entry[] {
  const alike = random.uniform() < 0.4;
  const kinds = random.shuffle(topics).slice(0, alike ? 1 : 2 + random.integer(2));
  const shared = new Map(kinds.map((topic) => [topic, compatible(random, topic, 2 + random.integer(2))]));
  const same = random.uniform() < 0.7;
  const subjects = new Set<string>();
  return Array.from({ length: count }, () => {
    const topic = choose(random, kinds);
    let subject = topic.subject(random);
    while (subjects.has(subject)) subject = topic.subject(random);
    subjects.add(subject);
    const facts = (same ? shared.get(topic) : undefined) ?? compatible(random, topic, 1 + random.integer(3));
    return { topic, subject, stated: new Map(random.shuffle(facts).map((fact) => [fact, fact.object(random)])) };
  });
}

/** Facts of which no two are asked for alike. */
function compatible(random: Random, topic: Topic, count: number): Fact[] {
  const facts: Fact[] = [];
  for (const fact of random.shuffle(topic.facts)) {
    if (facts.length >= count) break;
    if (facts.every(({ ask: asked }) => !asked.some((text) => fact.ask.includes(text)))) facts.push(fact);
  }
  return facts;
}

function passageOf({ topic, subject, stated }: Entry, random: Random): { title?: string; text: string } {
  const sentence = (template: string, object: string) => {
    const text = fill(template, subject, object);
    // A key keeps its case, whatever its place.
    return topic.cased === true && template.startsWith('s') ? text : capitalised(text);
  };
  const lines = [...stated].map(([fact, object]) => sentence(choose(random, fact.state), object));
  while (random.uniform() < 0.2)
    lines.splice(random.integer(lines.length + 1), 0, sentence(choose(random, fillers), ''));
  const text = lines.join(random.uniform() < 0.75 ? ' ' : '\n');
  return random.uniform() < 0.75 ? { title: topic.cased === true ? subject : capitalised(subject), text } : { text };
}

function ask(fact: Fact, subject: string, random: Random): string {
  const question = fill(choose(random, fact.ask), subject, '');
  const draw = random.uniform();
  if (draw < 0.08) return question.replace(/[?.]$/, '');
  return draw < 0.12 ? question.slice(0, 1).toLowerCase() + question.slice(1) : question;
}

/** The words `s` and `o` of a template filled in. */
function fill(template: string, subject: string, object: string): string {
  return template.replace(/\bs\b(?!')|\bo\b/g, (letter) => (letter === 's' ? subject : object));
}
