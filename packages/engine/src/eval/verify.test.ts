import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createEngine, type Engine, parsePolicy, readVerdict } from '../engine/index.ts';
import type { Question } from './questions/questions.ts';
import { type VerifyOptions, verify } from './verify.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-verify-'));
const modelPath = join(folder, 'model.gguf');
const compute = { modelPath, device: 'cpu', threads: 1, cacheDir: folder } as const;
const passages = [{ text: 'the bridge was opened in 1911.' }, { text: 'the answer is in the passage.' }];
const asked = ['when was it?', 'what is the answer?', 'where is the passage?', 'who?'];
let questions: Question[];
let engine: Engine;
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 512 }, 5);
  engine = await createEngine(compute);
  questions = [];
  for (const question of asked) {
    const { text } = await engine.answer({ question, passages, mode: 'full', maxTokens: 6 }).result;
    questions.push({ question, passages, answers: [text] });
  }
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (more: Partial<VerifyOptions> = {}) =>
  verify({ engine, cacheDir: folder, questions, maxTokens: 6, ...more });

describe('verify', () => {
  it('compares, decides and remembers', async () => {
    const into = join(folder, 'nothing');
    const report = await run({ tolerance: 0.5, into });
    expect(report).toMatchObject({ n: 4, skipped: 0, full: { accuracy: 1, em: 1, f1: 1 } });
    // The states of the second passage differ between the modes, so the distributions must.
    expect(report.firstToken.maxKl).toBeGreaterThan(0);
    expect(report.firstToken.medianKl).toBeLessThanOrEqual(report.firstToken.maxKl);
    expect(report.block.accuracy - report.full.accuracy).toBeCloseTo(report.difference.value, 12);
    // Four questions cannot show a loss of half.
    expect(report.verdict).toBe('full');
    expect(report.reasons[0]).toContain('at least 6');
    // Packages carry only verdicts that allow block mode.
    expect(report.intoAt).toBeNull();
    expect(existsSync(into)).toBe(false);
    const stored = await readVerdict(report.identity, { cacheDir: folder });
    expect(stored).toMatchObject({ verdict: 'full', n: 4, tolerance: 0.5, blockAccuracy: report.block.accuracy });
  });

  it('trusts block mode where it is full attention', async () => {
    // Without passages the prompt is one block: both modes are the same computation.
    const question = 'what is the answer?';
    const ask = { question, answers: [], passages: [] };
    const { text } = await engine.answer({ ...ask, mode: 'full', maxTokens: 6 }).result;
    const report = await run({ questions: Array(6).fill({ ...ask, answers: [text] }), tolerance: 0.5, parallel: 1 });
    expect(report).toMatchObject({ verdict: 'block', reasons: [], n: 6, agreement: { exact: 1, f1: 1 } });
    expect(report.firstToken).toEqual({ meanKl: 0, medianKl: 0, maxKl: 0, sameTop: 1 });
    expect((await readVerdict(report.identity, { cacheDir: folder }))?.verdict).toBe('block');
  });

  it('finds the cheapest policy that is good enough, and gives it to the engine', async () => {
    // Gold answers are full attention's, which block mode must miss and a whole recomputation must find.
    const right = await Promise.all(
      questions.map(async (question) => {
        const { text } = await engine.answer({ ...question, mode: 'block', policy: 'plain', maxTokens: 6 }).result;
        return text !== question.answers[0];
      }),
    );
    const missed = questions.find((_, i) => right[i]);
    if (missed === undefined) throw new Error('the modes agree on every question: change the seed of the model');
    const policies = ['plain', 'head:1', 'head:500', 'deviation:1'].map(parsePolicy);
    const into = join(folder, 'package');
    const report = await run({ questions: Array(6).fill(missed), tolerance: 0.5, policies, beside: true, into });
    const used = report.policies.at(-1);
    const shipped = await readVerdict(report.identity, { cacheDir: join(folder, 'third'), shipped: into });
    expect(shipped).toMatchObject({ verdict: 'block', policy: used?.policy, identity: report.identity });
    expect(dirname(report.intoAt ?? '')).toBe(into);
    expect(report).toMatchObject({
      verdict: 'block',
      policy: used?.policy,
      reasons: [expect.stringContaining('may lose up to')],
    });
    expect(report.policies.map(({ policy }) => policy)).toEqual(
      ['head:1', 'head:500'].slice(0, report.policies.length),
    );
    expect(used).toMatchObject({ accuracy: 1, difference: { value: 0 }, reasons: [] });
    expect(used?.tokens).toBeGreaterThan(0);
    expect(report.besideAt).toBe(`${modelPath}.verdict.json`);
    // An engine made from now on obeys.
    await using obeying = await createEngine(compute);
    const { mode, policy, recomputed, reason } = await obeying.answer({ ...missed, maxTokens: 6 }).result;
    expect(mode).toBe('block');
    expect(policy).toBe(used?.policy);
    expect(recomputed.tokens).toBeGreaterThan(0);
    expect(reason).toContain(`policy ${used?.policy}`);
    await using elsewhere = await createEngine({ ...compute, cacheDir: join(folder, 'other') });
    expect(elsewhere.verdict).toMatchObject({ verdict: 'block', policy: used?.policy });
  });

  it('goes on where it stopped', async () => {
    const resume = join(folder, 'pairs.jsonl');
    const controller = new AbortController();
    const options = { resume, parallel: 1, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(run(options)).rejects.toMatchObject({ code: 'ABORTED' });
    const { seconds: _, ...second } = await run({ resume });
    const { seconds: __, ...third } = await run({ resume });
    expect(third).toEqual(second);
  });

  it('needs no right answers: what full attention would have said must stay as likely', async () => {
    const unlabelled = Array.from({ length: 60 }, (_, i) => ({
      question: `what is answer ${i}?`,
      answers: [],
      passages,
    }));
    const policies = ['plain', 'head:500'].map(parsePolicy);
    const own = { labels: 'own', questions: unlabelled, policies, maxTokens: 4 } as const;
    // With everything computed again the modes are the same but for rounding.
    const report = await run({ ...own, tolerance: 0.001 });
    expect(report).toMatchObject({ labels: 'own', verdict: 'block', policy: 'head:500', timeUp: false });
    expect(report.rows.map(({ policy }) => policy)).toEqual([null, 'plain', 'head:500']);
    const [full, plain, whole] = report.rows;
    // Its first look decides: 24 questions.
    expect(whole?.n).toBe(24);
    expect(full).toMatchObject({ accuracy: 1, kl: 0 });
    expect(whole?.kl).toBeLessThan(0.01);
    expect(plain?.kl).toBeGreaterThan(whole?.kl ?? 1);
    expect(report.policies[0]?.difference.value).toBeCloseTo(0, 3);
    expect(await readVerdict(report.identity, { cacheDir: folder })).toMatchObject({ basis: 'own', n: 24 });
  });

  it('ends when its time is up, with what was measured by then', async () => {
    const many = Array.from({ length: 400 }, (_, i) => ({ question: `what is ${i}?`, answers: [], passages }));
    const timed = { labels: 'own', questions: many, policies: [parsePolicy('plain')], tolerance: 0.001 } as const;
    const started = performance.now();
    const report = await run({ ...timed, minutes: 1.5 / 60, maxTokens: 20 }).catch((error: unknown) => error);
    // On a machine on which nothing is answered by then it says so.
    if (report instanceof Error)
      expect(report.message).toContain('no question was answered within the time limit of 0.025 min');
    else expect(report).toMatchObject({ n: expect.any(Number), storedAt: expect.any(String) });
    expect(performance.now() - started).toBeLessThan(60_000);
    await expect(run({ ...timed, minutes: 0 })).rejects.toThrow('minutes is 0');
  });

  it('reports also where nothing can be stored', async () => {
    const blocked = join(folder, 'blocked');
    mkdirSync(blocked);
    writeFileSync(join(blocked, 'verdicts'), 'no folder');
    expect(await run({ cacheDir: blocked })).toMatchObject({ n: 4, storedAt: null });
  });

  it('refuses what proves nothing', async () => {
    const long = { question: 'why?', answers: ['x'], passages: [{ text: 'the passage. '.repeat(300) }] };
    await expect(run({ questions: [long] })).rejects.toThrow('no question fits');
    await expect(run({ tolerance: 0 })).rejects.toThrow('tolerance is 0');
    await expect(run({ questions: [] })).rejects.toThrow('questions is 0');
  });
});
