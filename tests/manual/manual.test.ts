/** The set of manual pages: its answers stand where it says, and what they stand in is found. No model is asked. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { normalizeAnswer } from '../../packages/engine/src/scoring/metrics.ts';
import { modelAliases } from '../../src/hub/index.ts';
import { type DocumentIndex, defaultMinCoverage, notInDocuments, openIndex } from '../../src/rag/index.ts';
import {
  holdsAnswer,
  isRight,
  type ManualQuestion,
  pagesFolder,
  questionKinds,
  readManualQuestions,
  readPage,
  says,
} from './question-set.ts';

const questions = readManualQuestions();
const answerable = questions.filter(({ answers }) => answers.length > 0);
const pages = readdirSync(pagesFolder());
const asked = (answers: string[], text: string, inDocuments = true) =>
  isRight({ question: '?', answers, page: 'p.md', kind: 'span' }, { text, asked: true, inDocuments });

describe('the questions', () => {
  it('are a hundred, of all kinds, each once, and one in seven has no answer', () => {
    expect(questions).toHaveLength(100);
    expect(new Set(questions.map(({ question }) => question)).size).toBe(100);
    expect(questions.filter(({ kind }) => kind === 'none')).toHaveLength(15);
    const least: Record<ManualQuestion['kind'], number> = {
      span: 30,
      table: 10,
      code: 8,
      phrase: 5,
      'yes/no': 9,
      none: 15,
    };
    for (const kind of questionKinds) {
      expect(questions.filter((one) => one.kind === kind).length, kind).toBeGreaterThanOrEqual(least[kind]);
    }
  });

  it('name pages that are there, and no page goes without a question', () => {
    expect(new Set(answerable.map(({ page }) => page))).toEqual(new Set(pages));
    expect(questions.filter(({ page }) => !pages.includes(page))).toEqual([]);
  });

  it.each(answerable.map((one) => [one.question, one] as const))('%s: the answer stands on its page', (_, one) => {
    expect(holdsAnswer(readPage(one.page), one)).toBe(true);
    for (const form of one.answers) expect(normalizeAnswer(form)).not.toBe('');
    expect(one.kind === 'yes/no').toBe(one.answers.some((form) => form === 'yes' || form === 'no'));
    expect(one.kind === 'none').toBe(false);
  });
});

describe('the questions about bicycles', () => {
  const others = readManualQuestions('bicycles');
  it('are 72, each once, of all kinds, about every page; their answers stand on it', () => {
    expect(new Set(others.map(({ question }) => question)).size).toBe(72);
    expect(new Set(others.map(({ kind }) => kind))).toEqual(new Set(questionKinds));
    const answered = others.filter(({ answers }) => answers.length > 0);
    expect(answered).toHaveLength(60);
    expect(new Set(answered.map(({ page }) => page))).toEqual(new Set(readdirSync(pagesFolder('bicycles'))));
    for (const one of answered) expect(holdsAnswer(readPage(one.page, 'bicycles'), one), one.question).toBe(true);
    for (const { kind, answers } of others) expect(kind === 'none').toBe(answers.length === 0);
  });
});

describe('an answer', () => {
  it('is right when it has an accepted form in it, numbers as a whole', () => {
    expect(asked(['2.90 €'], 'It costs €2.90 a month.')).toBe(true);
    expect(asked(['2.90 €'], 'It costs 12.90 €.')).toBe(false);
    expect(asked(['4 W'], 'The machine draws 4 W.')).toBe(true);
    expect(asked(['4 W'], 'The machine draws 0.4 W.')).toBe(false);
    expect(asked(['8480'], 'http://stowbox.local:8480')).toBe(true);
    expect(asked(['8480'], 'port 18480')).toBe(false);
    expect(asked(['10', 'ten'], 'after ten attempts')).toBe(true);
    expect(asked(['7 days'], '7 to 17 days')).toBe(false);
    expect(says('a fan fault', 'The fan fault.')).toBe(true);
    expect(asked(['x'], '')).toBe(false);
  });

  it('is a yes or no by how it begins', () => {
    expect(asked(['no'], 'No, use a sponge.')).toBe(true);
    expect(asked(['no'], 'It has nothing to do with it.')).toBe(false);
    expect(asked(['no', 'by hand'], 'Wash it by hand.')).toBe(true);
    expect(asked(['yes'], 'No.')).toBe(false);
  });

  it('that refuses is right only where there is none', () => {
    expect(asked(['no'], notInDocuments, false)).toBe(false);
    expect(asked([], notInDocuments, false)).toBe(true);
    expect(asked([], 'It weighs 9 kg.', false)).toBe(true);
    expect(asked([], 'It weighs 9 kg.')).toBe(false);
    const unasked = { text: notInDocuments, asked: false, inDocuments: false };
    expect(isRight({ question: '?', answers: ['the'], page: 'p.md', kind: 'span' }, unasked)).toBe(false);
  });
});

describe('what is found', () => {
  const directory = mkdtempSync(join(tmpdir(), 'block-attention-manual-'));
  let index: DocumentIndex;
  beforeAll(async () => {
    using tokenizer = await openTokenCounter(modelAliases.embedded?.file ?? '');
    index = await openIndex({ directory });
    const { files } = await index.update(pagesFolder(), { tokenizer });
    expect(files).toMatchObject({ total: pages.length, skipped: [], notes: [] });
  });
  afterAll(async () => {
    await index.close();
    rmSync(directory, { recursive: true });
  });

  it('holds the answer for nineteen questions in twenty', async () => {
    const missed: string[] = [];
    for (const one of answerable) {
      const hits = await index.search(one.question);
      const found = hits.some(
        ({ chunk }) => chunk.path === one.page && holdsAnswer(`${chunk.title}\n${chunk.text}`, one),
      );
      if (!found) missed.push(one.question);
    }
    expect(missed.length, missed.join('\n')).toBeLessThanOrEqual(answerable.length / 20);
  });

  it('speaks enough of the question for the model to be asked', async () => {
    const refused: string[] = [];
    for (const { question } of answerable) {
      const hits = await index.search(question, { top: 3 });
      if (Math.max(0, ...hits.map(({ coverage }) => coverage)) < defaultMinCoverage) refused.push(question);
    }
    expect(refused.length, refused.join('\n')).toBeLessThanOrEqual(answerable.length / 50);
  });
});
