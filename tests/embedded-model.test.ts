/** The model in the package: there, small, right on names it never met, in both modes, without a network. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createEngine, type Engine } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreAnswer } from '../packages/engine/src/scoring/metrics.ts';
import { modelAliases, resolveModel } from '../src/hub/index.ts';
import { generateReadingTasks } from '../src/tasks/reading-tasks.ts';
import { capture } from './support/cli/cli-capture.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-embedded-'));
const root = fileURLToPath(new URL('..', import.meta.url));
const offline = { BLOCK_ATTENTION_CACHE: join(folder, 'cache'), BLOCK_ATTENTION_OFFLINE: '1' };
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('is in the package, with the weights before it, in 16 MB', async () => {
  const model = await resolveModel('embedded', { env: offline });
  expect(model).toMatchObject({ name: 'embedded', source: 'file', path: modelAliases.embedded?.file });
  const bytes = ['embedded.gguf', 'full-attention.gguf'].map((name) => statSync(join(root, 'models', name)).size);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(16e6);
});

describe('the embedded model', () => {
  let engine: Engine;
  beforeAll(async () => {
    const { path } = await resolveModel('embedded', { env: offline });
    engine = await createEngine({ modelPath: path, device: 'cpu', cacheDir: join(folder, 'cache') });
  });
  afterAll(() => engine.close());

  it.each(['block', 'full'] as const)('answers held-out tasks in mode %s', async (mode) => {
    const tasks = generateReadingTasks({ seed: 99, count: 40, split: 'test' });
    let right = 0;
    for (const { passages, question, answers } of tasks) {
      const { text } = await engine.answer({ passages, question, mode, maxTokens: 40 }).result;
      right += scoreAnswer(text, answers).accuracy;
    }
    expect(right).toBeGreaterThanOrEqual(30);
  });

  it('runs in block mode by itself, since the verdict travels with it', async () => {
    const [task] = generateReadingTasks({ seed: 99, count: 1, split: 'test' });
    const { mode } = await engine.answer({ passages: task?.passages ?? [], question: task?.question ?? '' }).result;
    expect(mode).toBe('block');
  });
});

it('is what `ask` uses when no model is named', async () => {
  const [task] = generateReadingTasks({ seed: 7, count: 1, split: 'test' });
  const passages = join(folder, 'passages.jsonl');
  writeFileSync(passages, (task?.passages ?? []).map((passage) => JSON.stringify(passage)).join('\n'));
  const argv = ['ask', '--passages', passages, '--no-store', '--json', task?.question ?? ''];
  const { code, json } = await capture(argv, { env: offline });
  expect(code).toBe(0);
  expect(json()).toMatchObject({ model: { name: 'embedded' }, mode: 'block' });
});

it('npm run reproduce -- --evaluate-only measures every row', { timeout: 120_000 }, async () => {
  const argv = ['--import', 'tsx', join(root, 'reproduce', 'main.ts'), '--evaluate-only', '--limit', '8', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: root });
  const { rows } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    rows: { mode: string; interval: number[] }[];
  };
  expect(rows.map(({ mode }) => mode)).toEqual([
    'full-ceiling',
    'block-without-finetuning',
    'block-finetuned',
    'block-finetuned-full-mode',
    'without-reencoding',
    'promptcache',
  ]);
  for (const row of rows) {
    expect(row).toEqual({
      mode: row.mode,
      n: 8,
      accuracy: expect.any(Number),
      interval: [expect.any(Number), expect.any(Number)],
    });
  }
});
