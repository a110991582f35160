/** Whole runs on a small random model: resuming, held-out samples, stopping. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomAdapter } from '../../../../tests/support/models/random-adapter.ts';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { openGguf } from '../ggml/gguf/gguf-file.ts';
import type { GgufTensorSource } from '../ggml/gguf/gguf-writer.ts';
import { finetune } from './finetune.ts';
import type { FinetuneOptions, FinetuneProgress } from './finetune-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-finetune-'));
const [model, data] = [join(folder, 'model.gguf'), join(folder, 'train.jsonl')];
beforeAll(async () => {
  await writeRandomModel(model, { family: 'llama', layers: 2, tiedHead: true }, 5);
  const lines = Array.from({ length: 12 }, (_, i) => ({
    question: `${i}?`,
    answer: `${i % 3}`,
    blocks: [`a${i}`, `b${i % 3}`],
  }));
  writeFileSync(data, lines.map((line) => JSON.stringify(line)).join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let runs = 0;
const options = (more: Partial<FinetuneOptions> = {}): FinetuneOptions => ({
  model,
  data,
  out: join(folder, `run-${runs++}`),
  batch: 4,
  epochs: 2,
  learningRate: 3e-3,
  lora: 4,
  threads: 1,
  validationShare: 0.25,
  ...more,
});

describe('a fine-tuning run', () => {
  it('reads several questions a line as it reads a line each, with fewer tokens', async () => {
    const passages = [{ text: 'a1 b2 a3 b4 a5 b6' }, { text: 'b1 a2' }];
    const questions = ['1', '2', '3'].map((answer) => ({ question: `${answer}?`, answers: [answer] }));
    const [together, apart] = [join(folder, 'together.jsonl'), join(folder, 'apart.jsonl')];
    writeFileSync(together, JSON.stringify({ questions, passages }));
    writeFileSync(apart, questions.map((one) => JSON.stringify({ ...one, passages })).join('\n'));
    const whole = { batch: 3, epochs: 1, validationShare: 0, warmup: 0, decay: 'none' } as const;
    const runsOf = [together, apart].map(async (path) => {
      const started: { samples: number; questions: number; tokensPerEpoch: number }[] = [];
      const report = await finetune({ ...options(whole), data: path, onStart: (start) => started.push(start) });
      return { report, start: started[0] };
    });
    const [first, second] = await Promise.all(runsOf);
    expect(first?.start).toMatchObject({ samples: 1, questions: 3 });
    expect(second?.start).toMatchObject({ samples: 3, questions: 3 });
    expect(first?.start?.tokensPerEpoch).toBeLessThan((second?.start?.tokensPerEpoch ?? 0) / 1.5);
    expect(first?.report.loss).toBeCloseTo(second?.report.loss ?? 0, 4);
    // Questions that would make a sequence too long go into one of their own.
    const cut: { samples: number; questions: number; skipped: number }[] = [];
    const longest = Math.ceil((second?.start?.tokensPerEpoch ?? 0) / 6) + 2;
    await finetune({ ...options(whole), data: together, maxTokens: longest, onStart: (start) => cut.push(start) });
    expect(cut[0]).toMatchObject({ samples: 3, questions: 3, skipped: 0 });
  });

  it.each<[string, Partial<FinetuneOptions>]>([
    ['adapters', {}],
    ['all weights', { lora: null }],
    ['adapters, distilled, with block dropout', { distill: 0.5, blockDropout: 0.5 }],
    ['all weights, distilled', { lora: null, distill: 0.25 }],
  ])('lowers the loss in both modes and resumes to the same bits: %s', async (_, more) => {
    const whole = options({ ...more, epochs: 3 });
    const losses: number[] = [];
    const onProgress = ({ loss }: FinetuneProgress) => losses.push(loss);
    const report = await finetune({ ...whole, onProgress });
    expect(report).toMatchObject({ steps: 9, ended: 'complete', samples: 9, heldOut: 3, skipped: 0 });
    for (const mode of ['full', 'block'] as const) {
      expect(report.after?.[mode]?.loss).toBeLessThan(report.before?.[mode]?.loss ?? 0);
    }
    const interrupted = options({ ...more, epochs: 3 });
    const controller = new AbortController();
    const stopped = finetune({
      ...interrupted,
      signal: controller.signal,
      onProgress: ({ step }) => step === 4 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    const rest: number[] = [];
    const resumed = await finetune({ ...interrupted, resume: true, onProgress: ({ loss }) => rest.push(loss) });
    expect(rest).toEqual(losses.slice(4));
    // Not what the resumption began with.
    expect(resumed.before).toEqual(report.before);
    const result = more.lora === null ? 'model.gguf' : 'adapter.gguf';
    expect(readFileSync(join(interrupted.out, result)).equals(readFileSync(join(whole.out, result)))).toBe(true);
  });

  it('makes a writer, resumes to the same bits, goes on from it and over another adapter', async () => {
    const given = { writer: true, epochs: 4, learningRate: 1e-2, patience: 0 } as const;
    const whole = options(given);
    const report = await finetune(whole);
    expect(report).toMatchObject({ steps: 12, ended: 'complete' });
    expect(Object.keys(report.after ?? {})).toEqual(['block']);
    expect(report.after?.block?.divergence).toBeLessThan((report.before?.block?.divergence ?? 0) * 0.9);
    const [writer, interrupted] = [join(whole.out, 'adapter.gguf'), options(given)];
    const controller = new AbortController();
    const stop = ({ step }: FinetuneProgress) => step === 5 && controller.abort();
    const stopped = finetune({ ...interrupted, signal: controller.signal, onProgress: stop });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await finetune({ ...interrupted, resume: true });
    expect(readFileSync(join(interrupted.out, 'adapter.gguf')).equals(readFileSync(writer))).toBe(true);
    await expect(finetune({ ...interrupted, writer: false, resume: true })).rejects.toThrow('other parameters');
    // What block mode runs under on a model that nobody trained.
    const file = await openGguf(writer);
    const keys = ['block_attention.adapter', 'adapter.type', 'block_attention.policy'];
    expect(keys.map((key) => file.value(key))).toEqual(['writer', 'writer', 'anchor:200']);
    const onward = await finetune(options({ ...given, adapter: writer, lora: undefined }));
    expect(onward.before?.block?.divergence).toBeCloseTo(report.after?.block?.divergence ?? 0, 5);
    const ordinary = options({ epochs: 3 });
    await finetune(ordinary);
    const over = await finetune(options({ ...given, adapter: join(ordinary.out, 'adapter.gguf') }));
    // Before it begins, block mode is that adapter's, and full attention too.
    expect(over.before?.block?.divergence).not.toBeCloseTo(report.before?.block?.divergence ?? 0, 3);
    expect(over.after?.block?.divergence).toBeLessThan((over.before?.block?.divergence ?? 0) * 0.9);
    const two = [writer, join(interrupted.out, 'adapter.gguf')];
    await expect(finetune(options({ ...given, adapter: two, lora: undefined }))).rejects.toThrow(
      'one adapter too many',
    );
    await expect(finetune(options({ adapter: writer, lora: undefined }))).rejects.toThrow('give writer (--writer)');
  });

  it('stops when held-out samples get worse, and writes the best weights', async () => {
    const run = options({ epochs: 40, learningRate: 0.05, decay: 'none', evaluateEvery: 1, patience: 2, merge: true });
    const report = await finetune(run);
    expect(report.ended).toBe('early');
    expect(report.writtenStep).toBe(report.steps - 2);
    expect(existsSync(join(run.out, 'model.gguf'))).toBe(true);
    const log = readFileSync(join(run.out, 'log.jsonl'), 'utf8').trimEnd().split('\n');
    expect(log).toHaveLength(report.steps);
  });

  it('stops at a loss that is not a number, with the checkpoint before it', async () => {
    const run = options({ learningRate: 1e30, warmup: 0, checkpointEvery: 1, clip: 1e30 });
    await expect(finetune(run)).rejects.toThrow(/last good checkpoint is .*checkpoint.gguf/);
  });

  it.each<[Partial<FinetuneOptions>, string]>([
    [{ maxTokens: 5 }, 'none of 12 samples has at most 5 tokens'],
    [{ epochs: 0 }, 'epochs is 0'],
    [{ lora: 0 }, 'rank 0'],
    [{ modes: [] }, 'modes is empty'],
    [{ writer: true, lora: null }, 'lora is null: a writer is an adapter'],
    [{ writer: true, merge: true }, 'keep it as an adapter'],
    [{ writer: true, modes: ['full'] }, 'modes is full: a writer does not act in full attention'],
    [{ writer: true, blockDropout: 0.1 }, 'blockDropout is 0.1: a writer acts on passages that attend to themselves'],
    [{ distill: 0 }, 'distill is 0: give a share above 0, at most 1'],
    [{ distill: Number.NaN }, 'distill is NaN'],
    [{ blockDropout: 1 }, 'blockDropout is 1: give a probability from 0 to below 1'],
    [{ batchTokens: 1e12 }, 'training needs about'],
    [{ resume: true }, 'checkpoint.gguf does not exist'],
  ])('refuses %j', async (more, message) => {
    await expect(finetune(options(more))).rejects.toThrow(message);
  });

  it('goes on from an adapter: what it had learnt is where the new run begins', async () => {
    const first = options({ epochs: 3, alpha: 5 });
    const { after } = await finetune(first);
    const adapter = join(first.out, 'adapter.gguf');
    const second = options({ adapter, lora: undefined });
    const report = await finetune(second);
    expect(report.before).toEqual(after);
    expect(report.after?.block?.loss).toBeLessThan(report.before?.block?.loss ?? 0);
    const written = await openGguf(join(second.out, 'adapter.gguf'));
    expect(written.value('adapter.lora.alpha')).toBe(5);
    expect(written.tensors.get('blk.0.attn_q.weight.lora_a')?.ne[1]).toBe(4);
    const { adapter: _, ...fresh } = second;
    await expect(finetune({ ...fresh, lora: 4, alpha: 5, resume: true })).rejects.toThrow('other data or options');
  });

  it('refuses an adapter that it cannot go on from', async () => {
    const place = (name: string) => join(folder, `${name}.gguf`);
    const [own, uneven, other] = [place('own'), place('uneven'), place('of-another-width')];
    const layersOnly = { tensors: (all: GgufTensorSource[]) => all.filter(({ name }) => name.startsWith('blk.')) };
    await writeRandomAdapter(own, model, 1, layersOnly);
    await writeRandomAdapter(uneven, model, 1, {
      tensors: (all) => {
        const [a, b] = all;
        if (a === undefined || b === undefined) throw new Error('no factors');
        const short = [a, b].map(({ ne: [n0, n1], ...tensor }, i) => {
          const ne: [number, number] = i === 0 ? [n0 ?? 0, 2] : [2, n1 ?? 0];
          return { ...tensor, ne, data: () => new Uint8Array(4 * ne[0] * ne[1]) };
        });
        return [...short, ...all.slice(2).filter(({ name }) => name.startsWith('blk.'))];
      },
    });
    await writeRandomModel(other, { family: 'llama', layers: 1, tiedHead: true, feedForward: 96 }, 6);
    const from = (more: Partial<FinetuneOptions>) => finetune(options({ lora: undefined, ...more }));
    await expect(from({ adapter: own, lora: 8 })).rejects.toThrow('has rank 4 and alpha 8');
    await expect(from({ adapter: own, lora: null })).rejects.toThrow('leave lora and alpha out');
    await expect(from({ adapter: own, alpha: 3 })).rejects.toThrow('has rank 4 and alpha 8');
    await expect(from({ adapter: uneven })).rejects.toThrow('has more than one rank');
    await expect(from({ adapter: own, model: other })).rejects.toMatchObject({ code: 'ADAPTER_INVALID' });
    await expect(from({ adapter: join(folder, 'none.gguf') })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('refuses a checkpoint of another run, and a folder with one', async () => {
    const run = options({ epochs: 1 });
    await finetune(run);
    await expect(finetune(run)).rejects.toThrow('give --resume to continue');
    await expect(finetune({ ...run, distill: 0.5, resume: true })).rejects.toThrow('other data or options');
    await expect(finetune({ ...run, blockDropout: 0.1, resume: true })).rejects.toThrow('other data or options');
    const other = join(folder, 'other.gguf');
    await writeRandomModel(other, { family: 'llama', layers: 2, tiedHead: true }, 6);
    await expect(finetune({ ...run, model: other, resume: true })).rejects.toThrow('of a run with another model');
    await expect(finetune({ ...run, seed: 2, resume: true })).rejects.toThrow('other data or options');
    await expect(finetune({ ...run, lora: 8, resume: true })).rejects.toThrow('tensors of another shape');
    await expect(finetune({ ...run, lora: null, resume: true })).rejects.toThrow('other parameters');
  });
});
