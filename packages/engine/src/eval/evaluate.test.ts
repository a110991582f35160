import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accuracyChart } from '../../../../src/eval/charts/accuracy-chart.ts';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createEngine, type Engine, parsePolicy } from '../engine/index.ts';
import { type EvaluateOptions, evaluate } from './evaluate.ts';
import type { Question } from './questions/questions.ts';
import { scoreRows } from './scores/evaluation-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-evaluate-'));
let engine: Engine;
let questions: Question[];
beforeAll(async () => {
  const modelPath = join(folder, 'model.gguf');
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 512 }, 5);
  engine = await createEngine({ modelPath, device: 'cpu', threads: 1, cacheDir: folder });
  const passages = [{ text: 'the bridge was opened in 1911.' }, { text: 'the answer is in the passage.' }];
  const asked = ['when was it?', 'what is the answer?', 'where is the passage?'];
  // A random model cannot be right by knowing: the gold answers are what it says.
  questions = await Promise.all(
    asked.map(async (question, i) => {
      const mode = i === 2 ? 'block' : 'full';
      const { text } = await engine.answer({ question, passages, mode, policy: 'plain', maxTokens: 6 }).result;
      return { question, passages, answers: [text] };
    }),
  );
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (more: Partial<EvaluateOptions> = {}) =>
  evaluate({ engine, questions, maxTokens: 6, cacheDir: folder, ...more });

describe('evaluate', () => {
  it('scores what the engine answers, in each mode', async () => {
    const { rows, difference, skipped } = await run();
    const [full, block] = rows;
    expect(rows.map(({ mode, n }) => [mode, n])).toEqual([
      ['full', 3],
      ['block', 3],
    ]);
    expect(full?.accuracy).toBeGreaterThanOrEqual(2 / 3);
    expect(block?.accuracy).toBeGreaterThanOrEqual(1 / 3);
    expect(block?.em).toBeLessThanOrEqual(block?.accuracy ?? 0);
    expect(difference?.value).toBeCloseTo((block?.accuracy ?? 0) - (full?.accuracy ?? 0), 12);
    expect(full?.promptTokens).toBe(block?.promptTokens);
    expect(full?.answerTokens).toBeLessThanOrEqual(6);
    expect(skipped).toBe(0);
  });

  it('measures policies beside each other, and draws them', async () => {
    const policies = ['plain', 'head:500', 'head:1', 'none'].map(parsePolicy);
    const report = await run({ policies, parallel: 1 });
    expect(report.rows.map(({ mode, policy }) => `${mode} ${policy}`)).toEqual([
      'full null',
      'block plain',
      'block head:500',
      'block head:1',
    ]);
    const [full, block, whole, little] = report.rows;
    // With every token computed again the answers are full attention's.
    expect(whole?.accuracy).toBe(full?.accuracy);
    expect(whole?.difference?.value).toBe(0);
    expect(little?.flops).toBeGreaterThan(block?.flops ?? 0);
    expect(whole?.flops).toBeGreaterThan(little?.flops ?? 0);
    const svg = await accuracyChart(report, { modelName: 'a model' });
    for (const text of ['a model', 'full attention', 'block mode', 'head:500', 'head:1']) expect(svg).toContain(text);
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it('tells how likely the answers are, and how far the first token is from full attention', async () => {
    const [first, second, third] = questions;
    if (!first || !second || !third) throw new Error('three questions are needed');
    const open = [{ ...first, wrong: 'nobody knows' }, { ...second, answers: [] }, third];
    const policies = ['plain', 'head:500'].map(parsePolicy);
    const { rows } = await run({ questions: open, policies });
    const [full, plain, whole] = rows;
    for (const row of rows) {
      expect(row).toMatchObject({
        policy: row.mode === 'full' ? null : expect.any(String),
        n: 3,
        nll: expect.any(Number),
        kl: expect.any(Number),
        abstained: expect.any(Number),
        interval: [expect.any(Number), expect.any(Number)],
        margin: expect.any(Number),
      });
      const [low = Number.NaN, high = Number.NaN] = row.nllInterval ?? [];
      expect(low).toBeLessThanOrEqual(row.nll ?? Number.NaN);
      expect(high).toBeGreaterThanOrEqual(row.nll ?? Number.NaN);
    }
    expect(full?.kl).toBe(0);
    expect(plain?.kl).toBeGreaterThan(0);
    // With every token computed again only rounding is left of the difference.
    expect(whole?.kl).toBeLessThan(0.05 * (plain?.kl ?? 0));
    expect(whole?.nllClosed?.value).toBeCloseTo(1, 1);
    expect(whole?.klClosed?.value).toBeGreaterThan(0.95);
    expect(plain).toMatchObject({ nllClosed: null, klClosed: null });
    // The likelihood of what full attention says is none of block mode's doing.
    const alone = await run({ questions: open, modes: ['full'] });
    expect(alone.rows[0]?.nll).toBeCloseTo(full?.nll ?? Number.NaN, 2);
    expect(alone.rows[0]?.kl).toBeNull();
  });

  it('counts an answer that says there is none as right where there is none', () => {
    const question = { question: 'who?', passages: [{ text: 'nobody.' }] };
    const answer = (text: string) => ({ text, promptTokens: 1, answerTokens: 1 });
    const [row] = scoreRows(
      [{ read: null, answers: ['Not mentioned.', 'Not mentioned.', 'Ada'].map(answer) }],
      [
        { ...question, answers: [] },
        { ...question, answers: ['Ada'] },
        { ...question, answers: [] },
      ],
    );
    expect(row).toMatchObject({ n: 3, accuracy: 1 / 3, em: 1 / 3, abstained: 2, nll: null, kl: null, margin: null });
  });

  it('reads one context once for the questions that share it', async () => {
    await using keeping = await createEngine({
      modelPath: engine.model.path,
      device: 'cpu',
      threads: 1,
      cacheDir: folder,
      prefixBytes: 2 ** 24,
    });
    const own = await run({ modes: ['full'] });
    const kept = await run({ engine: keeping, modes: ['full'] });
    expect(keeping.usage().prefixes.hits).toBe(2);
    expect(kept.rows[0]?.nll).toBeCloseTo(own.rows[0]?.nll ?? Number.NaN, 1);
    expect(kept.rows[0]?.accuracy).toBe(own.rows[0]?.accuracy);
  });

  it('goes on where it stopped, and answers again under other settings', async () => {
    const resume = join(folder, 'answers.jsonl');
    const controller = new AbortController();
    const first = run({ resume, parallel: 1, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(first).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readFileSync(resume, 'utf8').trimEnd().split('\n')).toHaveLength(2);
    const second = await run({ resume });
    expect(second.reused).toBe(1);
    const third = await run({ resume });
    expect(third.reused).toBe(6);
    expect(third.rows).toEqual(second.rows);
    expect((await run({ resume, maxTokens: 5 })).reused).toBe(0);
    expect((await run({ resume, template: 'plain' })).reused).toBe(0);
  });

  it('leaves out what exceeds the context, and says so', async () => {
    const long = {
      question: 'why?',
      answers: ['x'],
      passages: [{ text: 'the answer is in the passage. '.repeat(200) }],
    };
    const { rows, skipped } = await run({ questions: [long, ...questions], modes: ['block'] });
    expect(skipped).toBe(1);
    expect(rows).toMatchObject([{ mode: 'block', n: 3 }]);
    await expect(run({ questions: [long] })).rejects.toThrow('no question fits the context of 512 tokens');
  });

  it('compares nothing when one mode is measured', async () => {
    expect(await run({ modes: ['full'] })).toMatchObject({ difference: null, rows: [{ mode: 'full' }] });
  });

  it.each([
    [{ questions: [] }, 'questions is 0'],
    [{ modes: [] }, 'modes is 0'],
    [{ maxTokens: 0 }, 'maxTokens is 0'],
    [{ parallel: 1.5 }, 'parallel is 1.5'],
  ])('refuses %j', async (more, message) => {
    await expect(run(more)).rejects.toThrow(message);
  });
});
