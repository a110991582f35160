/** Adaptations as a whole, on a small random model: what they leave, and that interruptions change nothing. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGguf } from '../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { writeRandomAdapter } from '../../tests/support/models/random-adapter.ts';
import { writeRandomModel } from '../../tests/support/models/random-model.ts';
import { adapt } from './adapt.ts';
import type { AdaptOptions, AdaptProgress } from './adapt-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-adapt-'));
const model = join(folder, 'model.gguf');
const adapter = join(folder, 'ordinary.gguf');
beforeAll(async () => {
  await writeRandomModel(model, { family: 'llama', layers: 2, contextTokens: 512 }, 5);
  await writeRandomAdapter(adapter, model, 6);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const passages = Array.from({ length: 6 }, (_, i) => ({ text: `the bridge ${i} was opened in 19${10 + i}.` }));
const questions = Array.from({ length: 8 }, (_, i) => ({
  question: `when was the bridge ${i} opened?`,
  answers: [],
  passages: [0, 1, 2].map((offset) => passages[(i + offset) % passages.length] ?? { text: 'none' }),
}));
const place = (name: string) => join(folder, name);
const options = (name: string, more: Partial<AdaptOptions> = {}): AdaptOptions => ({
  engine: { modelPath: model, device: 'cpu', threads: 1, cacheDir: place('cache') },
  passages,
  questions,
  out: place(name),
  // Slow machines have time enough: what ends a run is its plan.
  minutes: 600,
  passagesPerQuestion: 3,
  contexts: 8,
  learningRate: 1e-2,
  rank: 4,
  ...more,
});
const linesOf = (name: string, file: string) =>
  readFileSync(join(place(name), file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('an adaptation', () => {
  it('makes a writer with a verdict that auto obeys, and reports how the two modes came together', async () => {
    const plans: unknown[] = [];
    const stages = new Set<string>();
    const report = await adapt(
      options('whole', { onPlan: (plan) => plans.push(plan), onProgress: ({ stage }) => stages.add(stage) }),
    );
    expect([...stages]).toEqual(['questions', 'measuring', 'answers', 'training', 'verifying']);
    expect(plans).toEqual([report.plan]);
    expect(report.plan).toMatchObject({ contexts: 8, limit: 'asked', policy: 'anchor:200', passages: 6 });
    const { files, curve, training, verification } = report;
    expect(curve[0]).toMatchObject({ step: 0, divergence: training.before?.block?.divergence });
    expect(curve.length).toBeGreaterThan(2);
    // It learns: of the points after the first one, some is nearer.
    const [first, ...later] = curve.map(({ divergence }) => divergence);
    expect(Math.min(...later)).toBeLessThan(first ?? 0);
    expect(curve.every(({ agreement }) => agreement >= 0 && agreement <= 1)).toBe(true);
    expect((await openGguf(files.adapter)).value('block_attention.adapter')).toBe('writer');
    expect(files.verdict).toBe(`${files.adapter}.verdict.json`);
    expect(JSON.parse(readFileSync(files.verdict ?? '', 'utf8'))).toMatchObject({ verdict: verification.verdict });
    expect(readFileSync(files.chart, 'utf8')).toMatch(/^<svg.*KL from full attention.*Same likeliest token/s);
    expect(JSON.parse(readFileSync(files.report, 'utf8'))).toMatchObject({ plan: { contexts: 8 } });
    expect(existsSync(join(place('whole'), 'probe'))).toBe(false);
    await using engine = await createEngine({ ...options('').engine, adapter: files.adapter });
    const { mode, reason } = engine.chooseMode({ mode: 'auto' });
    expect(reason).toMatch(new RegExp(`^verdict ${verification.verdict}: `));
    expect(mode).toBe(verification.verdict);
  });

  it('goes on where it was interrupted, and asks nothing twice', async () => {
    const stop = async (name: string, at: (progress: AdaptProgress) => boolean, resume: boolean) => {
      const controller = new AbortController();
      const onProgress = (progress: AdaptProgress) => at(progress) && controller.abort();
      const stopped = adapt(options(name, { signal: controller.signal, onProgress, resume }));
      await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    };
    await stop('broken', (progress) => progress.stage === 'answers' && progress.done >= 5, false);
    const answered = linesOf('broken', 'practice.jsonl');
    expect(answered.length).toBeLessThan(8);
    await stop('broken', (progress) => progress.stage === 'training' && progress.training.step === 3, true);
    const all = linesOf('broken', 'practice.jsonl');
    expect(all.slice(0, answered.length)).toEqual(answered);
    expect(all.map(({ context }) => context)).toEqual([...new Set(all.map(({ context }) => context))]);
    // The same answers, trained on without interruption.
    cpSync(place('broken'), place('straight'), { recursive: true });
    for (const file of ['checkpoint.gguf', 'best.gguf', 'log.jsonl']) {
      rmSync(join(place('straight'), file), { force: true });
    }
    const [resumed, straight] = [
      await adapt(options('broken', { resume: true })),
      await adapt(options('straight', { resume: true })),
    ];
    const bytes = (path: string) => readFileSync(path);
    expect(bytes(resumed.files.adapter).equals(bytes(straight.files.adapter))).toBe(true);
    expect(resumed.curve).toEqual(straight.curve);
    expect(resumed.verification.verdict).toBe(straight.verification.verdict);
    // Once more, when all is done: nothing is trained or asked again.
    const stages = new Set<string>();
    const again = await adapt(options('broken', { resume: true, onProgress: ({ stage }) => stages.add(stage) }));
    expect([...stages]).toEqual(['questions', 'verifying']);
    expect(again.verification.difference).toEqual(resumed.verification.difference);
    expect(again.seconds).toBeGreaterThan(resumed.seconds);
  });

  it('goes over an ordinary adapter, and ends training when the time is up', async () => {
    const engine = { ...options('').engine, adapter };
    const report = await adapt(options('over', { engine, minutes: 0.01, contexts: 8 }));
    expect(report.training.ended).toMatch(/^(time|complete)$/);
    expect(report.verification.identity.adapter).toMatch(/^[0-9a-f]{64} \+ [0-9a-f]{64}$/);
  });

  it.each<[Partial<AdaptOptions>, string, RegExp]>([
    [{ minutes: 0 }, 'INVALID_ARGUMENT', /minutes is 0: give a number above 0/],
    [{ minutes: Number.NaN }, 'INVALID_ARGUMENT', /minutes is NaN/],
    [{ contexts: 1.5 }, 'INVALID_ARGUMENT', /contexts is 1.5: give a whole number from 1/],
    [{ passages: passages.slice(0, 1) }, 'INVALID_DATA', /the documents have 1 passage:/],
    [{ passages: [{ text: '1 2' }, { text: '---' }] }, 'INVALID_DATA', /name documents with words/],
    [{ resume: true }, 'CHECKPOINT_INVALID', /adapt\.json does not exist: start without --resume/],
  ])('%j is refused', async (more, code, message) => {
    const refused = adapt(options(`refused-${Math.random()}`, more));
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('is refused in the folder of another', async () => {
    const out = 'taken';
    const controller = new AbortController();
    controller.abort();
    await expect(adapt(options(out, { signal: controller.signal }))).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(adapt(options(out))).rejects.toThrow(/holds a run already: give --resume to continue/);
    const others: Partial<AdaptOptions>[] = [
      { passages: passages.slice(1) },
      { passagesPerQuestion: 2 },
      { engine: { ...options('').engine, kvType: 'q8_0' } },
      { engine: { ...options('').engine, adapter } },
    ];
    for (const other of others) {
      await expect(adapt(options(out, { ...other, resume: true }))).rejects.toMatchObject({
        code: 'CHECKPOINT_INVALID',
        message: expect.stringMatching(/is of another model, other documents or options/),
      });
    }
  });
});
