import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../tests/support/random-model.ts';
import { createEngine, readVerdict } from '../engine/index.ts';
import type { Question } from './questions.ts';
import { Reader } from './reader.ts';
import { type VerifyOptions, verify } from './verify.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-verify-'));
const modelPath = join(folder, 'model.gguf');
const compute = { modelPath, device: 'cpu', threads: 1, cacheDir: folder } as const;
const passages = [{ text: 'the bridge was opened in 1911.' }, { text: 'the answer is in the passage.' }];
const asked = ['when was it?', 'what is the answer?', 'where is the passage?', 'who?'];
const modes = ['full', 'block'] as const;
let questions: Question[];
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 512 }, 5);
  await using engine = await createEngine(compute);
  questions = [];
  for (const question of asked) {
    const { text } = await engine.answer({ question, passages, mode: 'full', maxTokens: 6 }).result;
    questions.push({ question, passages, answers: [text] });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (more: Partial<VerifyOptions> = {}) => verify({ ...compute, questions, maxTokens: 6, ...more });

describe('Reader', () => {
  it('says what the engine says, in both modes', async () => {
    await using engine = await createEngine(compute);
    await using reader = await Reader.open(compute);
    const { signal } = new AbortController();
    for (const question of questions) {
      for (const mode of modes) {
        const { text } = await engine.answer({ ...question, mode, maxTokens: 6 }).result;
        const reading = await reader.read(question, { mode, maxTokens: 6, stop: [], signal });
        expect(reading.text).toBe(text);
        expect(reading.logits).toHaveLength(engine.model.vocabulary);
      }
    }
  });
});

describe('verify', () => {
  it('compares, decides and remembers', async () => {
    const report = await run({ tolerance: 0.5 });
    expect(report).toMatchObject({ n: 4, skipped: 0, full: { accuracy: 1, em: 1, f1: 1 } });
    // The states of the second passage differ between the modes, so the distributions must.
    expect(report.firstToken.maxKl).toBeGreaterThan(0);
    expect(report.firstToken.medianKl).toBeLessThanOrEqual(report.firstToken.maxKl);
    expect(report.block.accuracy - report.full.accuracy).toBeCloseTo(report.difference.value, 12);
    // Four questions cannot show a loss of half.
    expect(report.verdict).toBe('full');
    expect(report.reasons[0]).toContain('at least 6');
    const stored = await readVerdict(report.identity, { cacheDir: folder });
    expect(stored).toMatchObject({ verdict: 'full', n: 4, tolerance: 0.5, blockAccuracy: report.block.accuracy });
  });

  it('trusts block mode where it is full attention', async () => {
    // Without passages the prompt is one block: both modes are the same computation.
    const question = 'what is the answer?';
    await using reader = await Reader.open(compute);
    const { signal } = new AbortController();
    const ask = { question, answers: [], passages: [] };
    const { text } = await reader.read(ask, { mode: 'full', maxTokens: 6, stop: [], signal });
    const report = await run({ questions: Array(6).fill({ ...ask, answers: [text] }), tolerance: 0.5, parallel: 1 });
    expect(report).toMatchObject({ verdict: 'block', reasons: [], n: 6, agreement: { exact: 1, f1: 1 } });
    expect(report.firstToken).toEqual({ meanKl: 0, medianKl: 0, maxKl: 0, sameTop: 1 });
    expect((await readVerdict(report.identity, { cacheDir: folder }))?.verdict).toBe('block');
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
