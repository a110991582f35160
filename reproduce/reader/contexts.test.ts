/** That what the reader is trained on is what it says: answers stand in the passages, strays in none, and a seed repeats. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createRandom } from '@block-attention/engine/internal/base';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSample } from '../../packages/engine/src/train/data/training-data.ts';
import { type Context, type ContextRecipe, ContextStream } from './contexts.ts';
import { factPage } from './facts/fact-page.ts';
import { manualPage } from './manual-pages.ts';
import { tablePage } from './manual-tables.ts';
import { codeUnits, manualSet, manualUnits, tableSet, tableUnits } from './manuals.ts';
import { readSources } from './sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-reader-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const paragraphs = Array.from({ length: 30 }, (_, i) => ({
  title: `Page ${Math.floor(i / 5)}`,
  text: `The gate ${i} was opened in ${1800 + i} by Keeper${i}.`,
  qas: [
    { question: `Who opened gate ${i}?`, answers: [`Keeper${i}`, 'someone'] },
    { question: `When was gate ${i} opened?`, answers: [`${1800 + i}`] },
  ],
}));
const several = {
  question: 'Is the moor larger?',
  answers: ['yes'],
  passages: [
    { title: 'Moor', text: 'The moor is large.', gold: true },
    { title: 'Fen', text: 'The fen is small.', gold: true },
    { title: 'Hill', text: 'A hill.', gold: false },
  ],
};
writeFileSync(join(folder, 'single.jsonl.gz'), gzipSync(paragraphs.map((row) => `${JSON.stringify(row)}\n`).join('')));
writeFileSync(join(folder, 'several.jsonl'), `${JSON.stringify(several)}\n{"other": "layout"}\n`);

const recipe: ContextRecipe = {
  shares: { single: 0.6, several: 0.1, [manualSet]: 0.3 },
  passages: [2, 4, 6],
  perUnit: 2,
  perContext: 8,
  distractors: 1,
  neighbours: 0.5,
  unanswered: 1,
  longest: 1400,
};

function contexts(seed: number): Context[] {
  const random = createRandom(seed);
  const sources = readSources(folder, ['single', 'several']);
  sources.set(manualSet, manualUnits(40, random));
  const stream = new ContextStream(sources, recipe, random);
  return Array.from({ length: 60 }, () => stream.next());
}

/** Without marks, as Markdown may be written in more than one way. */
const plain = (text: string) =>
  text
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .toLowerCase();

describe('ContextStream', () => {
  const made = contexts(3);

  it('asks what its passages answer, and now and then what they do not', () => {
    let answered = 0;
    let strays = 0;
    for (const { passages, questions } of made) {
      const held = plain(passages.map(({ title, text }) => `${title} ${text}`).join('\n'));
      expect(questions.length).toBeLessThanOrEqual(recipe.perContext + 1);
      for (const { question, answers } of questions) {
        const [answer] = answers;
        if (answer === undefined) strays++;
        else if (!/^(Yes|No|a [a-z ]+)$/.test(answer)) {
          answered++;
          expect(held, question).toContain(plain(answer));
        }
        const gate = /gate (\d+)/.exec(question)?.[1];
        if (gate !== undefined && answer === undefined) expect(held).not.toContain(`keeper${gate} `);
      }
    }
    expect(answered).toBeGreaterThan(100);
    expect(strays).toBeGreaterThan(30);
  });

  it('is what `finetune` reads', () => {
    for (const context of made) expect(() => parseSample(JSON.stringify(context), 'here:1')).not.toThrow();
  });

  it('has the gold passages of a question over several, and its answer as people write it', () => {
    const found = made.find(({ questions }) => questions.some(({ question }) => question === several.question));
    expect(found?.passages.map(({ title }) => title)).toEqual(expect.arrayContaining(['Moor', 'Fen']));
    expect(found?.questions.find(({ question }) => question === several.question)?.answers).toEqual(['Yes']);
  });

  it('repeats with its seed', () => {
    expect(contexts(3)).toEqual(made);
    expect(contexts(4)).not.toEqual(made);
  });

  it('never asks two made-up pages of one kind, which would answer each other', () => {
    for (const { passages } of made) {
      const ports = passages.filter(({ text }) => text.includes('The server listens on port'));
      expect(ports.length).toBeLessThanOrEqual(1);
    }
  });
});

it('passages that stand alone are asked what they answer and what is near, and give their place to distractors', () => {
  const random = createRandom(8);
  const sources = readSources(folder, ['single', 'several']);
  sources.set(tableSet, tableUnits(40, random));
  const shares = { single: 0.5, several: 0.2, [tableSet]: 0.3 };
  const alone = { ...recipe, shares, passages: [1] as const, aloneUnanswered: 3, aloneDistractor: 0.5 };
  const stream = new ContextStream(sources, alone, random);
  const made = Array.from({ length: 200 }, () => stream.next());
  let [answered, refused, distracted] = [0, 0, 0];
  for (const { passages, questions } of made) {
    const held = plain(passages.map(({ title, text }) => `${title} ${text}`).join('\n'));
    expect(questions.length).toBeGreaterThan(0);
    expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
    if (passages[0]?.title === 'Hill') distracted++;
    for (const { question, answers } of questions) {
      const gate = /gate (\d+)/.exec(question)?.[1];
      if (answers.length === 0) {
        refused++;
        if (gate !== undefined) expect(held).not.toContain(`gate ${gate} `);
      } else {
        answered++;
        if (gate !== undefined) expect(held).toContain(plain(answers[0] ?? ''));
      }
    }
  }
  expect(answered).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
  expect(distracted).toBeGreaterThan(5);
});

it('sentences and rows that stand alone are asked what they say and what the others of their passage say', () => {
  const random = createRandom(9);
  const tables = tableUnits(60, random);
  const shares = { [tableSet]: 1 };
  const alone = { ...recipe, shares, passages: [1] as const, aloneUnanswered: 3, aloneExcerpt: 1 };
  const stream = new ContextStream(new Map([[tableSet, tables]]), alone, random);
  const [whole, excerpts] = [new Set(tables.flatMap(({ passages }) => passages.map(({ text }) => text))), new Set()];
  let [answered, refused] = [0, 0];
  for (let i = 0; i < 200; i++) {
    const { passages, questions } = stream.next();
    const [{ title, text } = { title: '', text: '' }] = passages;
    expect(passages).toHaveLength(1);
    expect(text).not.toContain('\n');
    expect(whole).not.toContain(text);
    expect([...whole].some((one) => one.includes(text))).toBe(true);
    excerpts.add(text);
    expect(questions.length).toBeGreaterThan(0);
    for (const { question, answers } of questions) {
      const unit = tables.find(({ passages: own, asked }) => {
        return own.some((one) => one.text.includes(text)) && asked.some((one) => one.question === question);
      });
      const answer = unit?.asked.find((one) => one.question === question)?.answer ?? '';
      expect(answer).not.toBe('');
      if (answers.length > 0) answered++;
      else refused++;
      if (answers.length > 0) expect(text.toLowerCase()).toContain(answer.toLowerCase());
      else expect(`${title}\n${text}`.toLowerCase()).not.toContain(answer.toLowerCase());
    }
  }
  expect(excerpts.size).toBeGreaterThan(100);
  expect(answered).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
});

it('tables hold their answers in the row they name, however they are turned, and lack what nothing answers', () => {
  const random = createRandom(6);
  const kinds = new Set<string>();
  let [answered, unsaid] = [0, 0];
  for (let i = 0; i < 400; i++) {
    const { kind, markdown, questions } = tablePage(random, 'Zenko 300');
    kinds.add(kind);
    for (const { question, answer, evidence } of questions) {
      expect(question).not.toMatch(/[{}]/);
      if (answer === undefined || evidence === undefined) {
        unsaid++;
        continue;
      }
      answered++;
      const header = markdown.split('\n').find((line) => line.startsWith('|')) ?? '';
      expect(markdown).toContain(evidence);
      expect(`${header}${evidence}`, question).toContain(answer);
    }
  }
  expect(kinds.size).toBeGreaterThan(15);
  expect(answered).toBeGreaterThan(2000);
  expect(unsaid).toBe(400);
});

it('made-up pages hold their answers where they say', () => {
  const random = createRandom(5);
  for (let i = 0; i < 200; i++) {
    const { markdown, questions } = manualPage(random);
    for (const { question, answer, evidence } of questions) {
      if (evidence === undefined) {
        expect(answer).toBeUndefined();
        continue;
      }
      expect(markdown).toContain(evidence);
      if (!/^(Yes|No)$/.test(answer ?? '')) expect(plain(markdown), question).toContain(plain(answer ?? ''));
    }
  }
});

it('writes pages of facts that say what is asked, yes as often as no', () => {
  const random = createRandom(6);
  const kinds = new Set<string>();
  let [yes, no] = [0, 0];
  for (let i = 0; i < 600; i++) {
    const { kind, markdown, questions } = factPage(random, 'Zenko 300');
    kinds.add(kind);
    for (const { question, answer, evidence } of questions) {
      expect(question).not.toMatch(/[{}]|undefined/);
      if (answer === undefined || evidence === undefined) continue;
      expect(markdown).toContain(evidence);
      if (answer === 'Yes') yes++;
      else if (answer === 'No') no++;
      else expect(plain(evidence), question).toContain(plain(answer));
    }
  }
  expect(kinds.size).toBe(11);
  expect(yes / (yes + no)).toBeGreaterThan(0.4);
  expect(yes / (yes + no)).toBeLessThan(0.6);
});

it('takes each section of a page about software by itself: the others do not answer what it does', () => {
  const units = codeUnits(300, createRandom(4));
  expect(new Set(units.map(({ kind }) => kind)).size).toBe(6);
  let apart = 0;
  for (const { passages, distractors, asked } of units) {
    expect(passages).toHaveLength(1);
    expect(distractors).not.toContain(passages[0]);
    const held = plain(passages.map(({ title, text }) => `${title} ${text}`).join('\n')).toLowerCase();
    for (const { question, answer } of asked) {
      expect(question).not.toMatch(/[{}]|undefined/);
      if (answer !== undefined) expect(held, question).toContain(plain(answer).toLowerCase());
    }
    if (distractors.length > 0) apart++;
  }
  expect(apart).toBeGreaterThan(50);
});
