/** `finetune` as typed, on a small random model: what it writes is used by the other commands. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineRounding, expectSameAnswer, witnessedAnswer } from '../../../tests/support/answers.ts';
import type { CaptureOptions } from '../../../tests/support/cli/cli-capture.ts';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
let data: string;
beforeAll(async () => {
  workspace = await Workspace.open();
  data = workspace.path('train.jsonl');
  const samples = Array.from({ length: 12 }, (_, i) => ({
    question: `when was the bridge ${i} opened?`,
    answers: [`19${10 + i}`],
    passages: [
      { title: 'Bridge', text: `the bridge ${i} was opened in 19${10 + i}.` },
      { text: 'the answer is here.' },
    ],
  }));
  writeFileSync(data, samples.map((sample) => JSON.stringify(sample)).join('\n'));
});
afterAll(() => workspace[Symbol.dispose]());

const small = ['--threads', '1', '--lora', '4', '--batch', '4', '--lr', '3e-3', '--validation-share', '0.25'];
const finetune = (out: string, more: readonly string[] = [], options: CaptureOptions = {}) =>
  workspace.run(
    ['finetune', '--model', workspace.model, '--data', data, '--out', workspace.path(out), ...small, ...more],
    options,
  );

describe('finetune', () => {
  it('writes an adapter and a merged model that answer alike, and says so as JSON', async () => {
    const out = workspace.path('whole');
    const { code, stdout, stderr, json } = await finetune('whole', [
      '--epochs',
      '3',
      '--merge',
      '--weights',
      'f32',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    const report = json();
    const losses = { loss: expect.any(Number), accuracy: expect.any(Number) };
    expect(report).toMatchObject({
      steps: 9,
      ended: 'complete',
      samples: 9,
      heldOut: 3,
      skipped: 0,
      before: { full: losses, block: losses },
      after: { full: losses, block: losses },
      tokensPerSecond: expect.any(Number),
      model: workspace.model,
      data,
      files: { adapter: join(out, 'adapter.gguf'), model: join(out, 'model.gguf'), log: join(out, 'log.jsonl') },
    });
    const { before, after } = report as Record<'before' | 'after', { block: { loss: number } }>;
    expect(after.block.loss).toBeLessThan(before.block.loss);
    // Not a terminal: notes on lines of their own, no progress.
    expect(stderr).not.toMatch(/\r| left$/m);
    expect(stderr).toMatch(/^9 samples, 3 held out, .* parameters; about .* of memory\n9 steps\n/m);
    const log = readFileSync(join(out, 'log.jsonl'), 'utf8').trimEnd().split('\n');
    expect(log.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);

    const model = join(out, 'model.gguf');
    const answerOf = async (more: EngineOptions) => {
      await using engine = await createEngine({
        ...more,
        device: 'cpu',
        threads: 1,
        cacheDir: workspace.path('cache'),
      });
      const passages = [{ text: 'the answer is here.' }];
      return await witnessedAnswer(engine, { passages, question: 'when was it?', mode: 'block', maxTokens: 16 });
    };
    const adapted = await answerOf({ modelPath: workspace.model, adapter: join(out, 'adapter.gguf') });
    expectSameAnswer(adapted, await answerOf({ modelPath: model }), await engineRounding(model));
    expect(adapted.text).not.toBe((await answerOf({ modelPath: workspace.model })).text);
  });

  it('prints what came of it', async () => {
    const { code, stdout } = await finetune('printed', ['--distill', '0.5', '--block-dropout', '0.2']);
    expect(code).toBe(0);
    const number = '\\d+\\.\\d+';
    expect(stdout).toMatch(/^held-out samples +loss before +after +divergence before +after +% right before +after\n/);
    expect(stdout).toMatch(new RegExp(`\nblock mode( +${number}){6}\n`));
    expect(stdout).toMatch(/\n3 steps.*\n.* tokens in .* tok\/s\nAdapter {2}.*adapter\.gguf\n$/);
  });

  it('goes on after an interruption to the bytes of an uninterrupted run', async () => {
    const more = ['--epochs', '3', '--distill', '0.5', '--block-dropout', '0.3', '--evaluate-every', '2', '--json'];
    expect((await finetune('straight', more)).code).toBe(0);
    const stop = new AbortController();
    const log = join(workspace.path('broken'), 'log.jsonl');
    const watch = setInterval(() => {
      if (existsSync(log) && readFileSync(log, 'utf8').split('\n').length > 4) stop.abort();
    }, 1);
    const broken = await finetune('broken', more, { signal: stop.signal });
    clearInterval(watch);
    expect(broken.stderr).toMatch(/stopped after step \d+ of 9: continue with --resume/);
    expect(broken.code).toBe(130);
    expect((await finetune('broken', more)).stderr).toMatch(/holds the checkpoint of a run: give --resume/);
    const resumed = await finetune('broken', [...more, '--resume']);
    expect(resumed.stderr).toMatch(/continuing from step \d+ of 9/);
    expect(resumed.json()).toMatchObject({ steps: 9, ended: 'complete' });
    const bytes = (name: string) => readFileSync(join(workspace.path(name), 'adapter.gguf'));
    expect(bytes('broken').equals(bytes('straight'))).toBe(true);
  });

  it('names file, line and field of bad data before a step is taken', async () => {
    const bad = workspace.path('bad.jsonl');
    const refused = async (line: string) => {
      writeFileSync(bad, `${readFileSync(data, 'utf8').split('\n')[0]}\n\n${line}\n`);
      const { code, stderr } = await finetune('bad', ['--data', bad]);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refused('{')).toContain('bad.jsonl:3');
    expect(await refused('{"question": "q", "answers": ["a"], "passages": [{"title": "t"}]}')).toMatch(
      /bad\.jsonl:3: field "passages\[0\]\.text"/,
    );
    expect(await refused('{"question": "q", "passages": [{"text": "t"}]}')).toMatch(/bad\.jsonl:3.*answer/);
    expect(existsSync(workspace.path('bad'))).toBe(false);
  });

  it.each<[readonly string[], RegExp]>([
    [['--full'], /--full trains all weights: leave --lora, --alpha, --merge, --adapter and --writer out/],
    [['--writer', '--merge'], /merged into a model it would act on everything: keep it as an adapter/],
    [['--writer', '--modes', 'full,block'], /a writer does not act in full attention, train it in block mode only/],
    [['--writer', '--block-dropout', '0.1'], /a writer acts on passages that attend to themselves only, leave it out/],
    [['--writer', '--distill', '0'], /a writer learns what full attention says, give a share above 0/],
    [['--adapter', 'none.gguf'], /adapter .*none\.gguf cannot be opened/],
    [['--distill', '1.5'], /--distill is "1.5": give a number from 0 to 1/],
    [['--block-dropout', '1'], /--block-dropout is "1": give a number from 0 to 0.99/],
    [['--modes', 'half'], /--modes is "half": give full, block or both/],
    [['--data', 'nowhere.jsonl'], /nowhere\.jsonl/],
    [['--max-tokens', '8'], /none of 12 samples has at most 8 tokens/],
    [['--resume'], /checkpoint\.gguf does not exist: start without --resume/],
  ])('%j is refused', async (argv, message) => {
    const { code, stderr } = await finetune('refused', argv);
    expect(stderr).toMatch(message);
    expect(code).toBeGreaterThan(0);
  });
});
