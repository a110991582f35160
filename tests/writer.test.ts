/**
 * A writer: an adapter that acts on passages while they are encoded, and on nothing else. Block mode with it equals a dense
 * forward pass in which it acts on just those tokens; full attention with it is the base model's to the bit.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AnswerRequest,
  createEngine,
  type Engine,
  type EngineOptions,
} from '@block-attention/engine/internal/engine';
import { Backend, openReference } from '@block-attention/engine/internal/ggml';
import { Model } from '@block-attention/engine/internal/model';
import { createBlockStore, createMemoryStore, listStore } from '@block-attention/engine/internal/store';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrainingSession } from '../packages/engine/src/train/training-session.ts';
import { writeRandomAdapter } from './support/models/random-adapter.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths } from './support/oracle/attention-paths.ts';
import { ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-writer-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, `${name}.gguf`);
const [base, writer, other, ordinary] = ['base', 'writer', 'other-writer', 'ordinary'].map(path) as [
  string,
  string,
  string,
  string,
];
beforeAll(async () => {
  await writeRandomModel(base, { family: 'llama', layers: 3 }, 3);
  await writeRandomAdapter(writer, base, 4, { writer: true });
  await writeRandomAdapter(other, base, 5, { writer: true });
  await writeRandomAdapter(ordinary, base, 6);
});

const models: Record<string, RandomModelSpec> = {
  llama: { family: 'llama' },
  'gemma3, windows': { family: 'gemma3', layers: 7, slidingWindow: 16 },
  phi3: { family: 'phi3', layers: 2 },
};
const size = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 }), fc.constantFrom(31, 32, 33));
const plans = fc.record({
  anchor: fc.oneof(fc.constant(0), size),
  lengths: fc.array(size, { minLength: 2, maxLength: 4 }),
  final: fc.integer({ min: 1, max: 12 }),
  seed: fc.nat(1e6),
});

describe.each(attentionPaths)('$name attention', ({ attention }) => {
  it.each(Object.entries(models).flatMap(([name, spec]) => [false, true].map((over) => [name, over, spec] as const)))(
    'block mode equals the oracle with the gate: %s, over an ordinary adapter: %s',
    async (name, over, spec) => {
      const [model, own, below] = ['model', 'writer', 'below'].map((kind) => path(`${name}-${kind}`));
      if (!model || !own || !below) throw new Error('three paths');
      await writeRandomModel(model, spec, 5);
      await writeRandomAdapter(own, model, 6, { writer: true });
      await writeRandomAdapter(below, model, 7);
      const adapter = [...(over ? [{ path: below }] : []), { path: own }];
      const harness = await ForwardHarness.open(model, 'f32', attention, { adapter });
      const without = await ForwardHarness.open(model, 'f32', attention, { adapter: adapter.slice(0, -1) });
      // ggml looks gelu up in a table of halves: the last bit of its input moves its output by 5e-4.
      const bound = spec.family === 'gemma3' ? 2e-3 : 1e-4;
      const written: number[] = [];
      try {
        await fc.assert(
          fc.asyncProperty(plans, async (plan) => {
            const prng = createPrng(plan.seed);
            const tokens = (count: number) => randomTokens(prng, harness.vocabulary, count);
            const [anchor, final] = [tokens(plan.anchor), tokens(plan.final)];
            const [first, ...passages] = plan.lengths.map(tokens);
            const context = [first ?? tokens(1), ...passages];
            const blocks = [
              ...(await harness.encode(context.slice(0, 1))),
              ...(await harness.encode(passages, anchor, true)),
            ];
            const logits = await harness.append(await harness.sequence(blocks, final.length), final);
            const expected = await anchoredLogits(harness, context, anchor, final);
            expect(relativeError(logits, expected)).toBeLessThanOrEqual(bound);
            written.push(relativeError(logits, await anchoredLogits(without, context, anchor, final)));
            harness.clear();
          }),
          { numRuns: 8 },
        );
        // It does something.
        expect(Math.max(...written)).toBeGreaterThan(0.05);
      } finally {
        harness.dispose();
        without.dispose();
      }
    },
  );
});

const passages = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.' },
  { id: 'river', text: 'The Ald is 90 km long.' },
];
const question = 'When was the bridge opened?';
const compute = { device: 'cpu', threads: 1, mode: 'block' } as const;
const open = (options: Partial<EngineOptions> = {}) =>
  createEngine({ ...compute, cacheDir: join(folder, 'cache'), modelPath: base, ...options });

async function read(engine: Engine, request: Partial<AnswerRequest> = {}) {
  let logits = new Float32Array(0);
  const onPromptLogits = (all: Float32Array) => {
    logits = all.slice();
  };
  const drawn: unknown[] = [];
  const asked = { passages, question, maxTokens: 8, topLogprobs: 3, ...request };
  const onToken = (token: unknown) => drawn.push(token);
  const result = await engine.answer({ ...asked, onPromptLogits, onToken }).result;
  return { logits, drawn, text: result.text, statuses: result.blocks.map(({ status }) => status).join(' ') };
}

describe('an engine with a writer', () => {
  it.each<[string, Partial<EngineOptions>, string]>([
    ['the base model', {}, writer],
    ['the base model, by stock operations', { attention: 'portable', linear: 'ggml' }, writer],
    ['the ordinary adapter it is beside', { adapter: ordinary }, writer],
  ])('reads with full attention as %s, to the bit', async (_, options, path) => {
    await using plain = await open(options);
    await using engine = await open({ ...options, adapter: [options.adapter ?? [], path].flat() });
    const expected = await read(plain, { mode: 'full' });
    expect(await read(engine, { mode: 'full' })).toEqual(expected);
    // Beside passages that it writes in the same batches.
    const [, mixed] = await Promise.all([engine.encode(passages), read(engine, { mode: 'full' })]);
    expect(mixed).toEqual(expected);
    // All of the context computed again is full attention: nothing of the writer is left.
    const [again, againPlain] = [await read(engine, { policy: 'head:500' }), await read(plain, { policy: 'head:500' })];
    expect(again.logits).toEqual(againPlain.logits);
    expect((await read(engine)).logits).not.toEqual((await read(plain)).logits);
  });

  it('names what it writes, and shares with the base model what it does not', async () => {
    const store = createMemoryStore({ budgetBytes: 2 ** 26 });
    await using plain = await open({ store });
    await using engine = await open({ store, adapter: writer });
    await using another = await open({ store, adapter: other });
    await using scaled = await open({ store, adapter: writer, adapterScale: 0.5 });
    await using both = await open({ store, adapter: [ordinary, writer] });
    for (const policy of ['plain', 'anchor:header']) {
      const first = policy === 'plain' ? 'miss' : 'hit';
      expect((await read(plain, { policy })).statuses).toBe(`${first} miss miss miss`);
      for (const each of [engine, another, scaled]) {
        expect((await read(each, { policy })).statuses).toBe('hit miss miss miss');
        expect((await read(each, { policy })).statuses).toBe('hit hit hit hit');
      }
      expect((await read(both, { policy })).statuses).toBe(`${first} miss miss miss`);
    }
    // A passage that begins a prompt is not another block than one that the writer wrote.
    const keys = new Set([plain, engine, another, scaled, both].flatMap((each) => each.blockKeys(passages)));
    expect(keys.size).toBe(5 * passages.length);
    // All ways that this engine has encoded them, with the writer and without.
    expect(await engine.forget(passages)).toBe(4 * passages.length);
    expect((await read(another)).statuses).toBe('hit hit hit hit');
    await store.close();
  });

  it('shows people who list the store what wrote a block', async () => {
    const directory = join(folder, 'store');
    const store = await createBlockStore({ directory });
    await using engine = await open({ store, adapter: writer });
    await engine.encode(passages, { policy: 'anchor:header' });
    await engine.encode(passages, { policy: 'plain' });
    await store.close();
    const labels: string[] = [];
    for await (const { encoding } of listStore(directory)) labels.push(encoding ?? '');
    expect(labels.toSorted()).toEqual(['', ...Array(3).fill('anchor:header, writer'), ...Array(3).fill('writer')]);
  });

  it('says what it is, and of what its verdict would be', async () => {
    await using engine = await open({ adapter: writer });
    await using both = await open({ adapter: [writer, ordinary] });
    expect(engine.model.adapter).toMatchObject({ kind: 'writer', path: writer, rank: 4, over: null });
    const { adapter } = both.model;
    expect(adapter).toMatchObject({ kind: 'writer', path: writer, over: { kind: 'lora', path: ordinary } });
    expect(adapter?.identity).toBe(`${adapter?.over?.identity} + ${engine.model.adapter?.identity}`);
    const reason = both.chooseMode({ mode: 'auto' }).reason ?? '';
    expect(reason).toContain(`--adapter ${JSON.stringify(ordinary)} --adapter ${JSON.stringify(writer)} --data`);
  });

  it('is refused beside another, or with one scale for two', async () => {
    await expect(open({ adapter: [writer, other] })).rejects.toThrow(/writer.gguf are both writers: give at most one/);
    await expect(open({ adapter: [ordinary, ordinary] })).rejects.toThrow(/are both ordinary adapters/);
    const refused = open({ adapter: [ordinary, writer], adapterScale: 2 });
    await expect(refused).rejects.toThrow(/adapterScale is 2 for several adapters: give one, or no scale/);
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('the file of a writer', () => {
  it('is refused by programs that would apply it everywhere', async () => {
    await expect(openReference(base, { contextTokens: 64, threads: 1, adapter: writer })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
    });
  });

  it('of a kind that is not known is refused', async () => {
    const strange = path('strange');
    await writeRandomAdapter(strange, base, 4, { metadata: { 'block_attention.adapter': { string: 'reader' } } });
    await expect(open({ adapter: strange })).rejects.toMatchObject({
      code: 'ADAPTER_INVALID',
      message: expect.stringMatching(/of kind reader, which this version does not know/),
    });
  });
});

describe('training a writer', () => {
  const prng = createPrng(7);
  const tokens = (count: number) => randomTokens(prng, 300, count);

  it.each([false, true])('sees what block mode with it computes, over an ordinary adapter: %s', async (hasOver) => {
    const below = hasOver ? [{ path: ordinary }] : [];
    const layers = path('layers-only');
    await writeRandomAdapter(layers, base, 8, {
      writer: true,
      tensors: (all) => all.filter(({ name }) => !name.startsWith('output.')),
    });
    const harness = await ForwardHarness.open(base, 'f32', undefined, { adapter: [...below, { path: layers }] });
    const lora = { rank: 4, alpha: 8, start: layers, kind: 'writer' } as const;
    const over = hasOver ? ordinary : undefined;
    const wider = { ...lora, rank: 8 };
    await expect(TrainingSession.open({ model: base, threads: 1, lora: wider, over, distill: 1 })).rejects.toThrow(
      'has rank 4 and alpha 8, not 8 and 8',
    );
    const session = await TrainingSession.open({ model: base, threads: 1, lora, over, distill: 1 });
    const sequence = {
      blocks: [tokens(3), tokens(9), tokens(5), tokens(6)],
      responseTokens: 1,
      mode: 'block',
    } as const;
    const anchor = tokens(5);
    const context = sequence.blocks.slice(0, -1);
    const final = sequence.blocks[3];
    const written = await anchoredLogits(harness, context, anchor, final.subarray(0, -1));
    const full = await harness.append(
      await harness.sequence([], 64),
      Int32Array.from(sequence.blocks.flatMap((b) => [...b])).subarray(0, -1),
    );
    const block = await session.evaluate([{ ...sequence, anchor }]);
    expect(block.loss).toBeCloseTo(-logProbability(written, final.at(-1) ?? 0), 3);
    expect(block.divergence).toBeCloseTo(divergence(full, written), 3);
    // In full mode it is the teacher.
    const same = await session.evaluate([{ ...sequence, mode: 'full' }]);
    expect(same.loss).toBeCloseTo(-logProbability(full, final.at(-1) ?? 0), 3);
    expect(same.divergence).toBeCloseTo(0, 5);
    // Merged it would be another model.
    await expect(session.save(path('merged'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/merged into a model it would act on everything: keep it as an adapter/),
    });
    session.dispose();
    harness.dispose();
  });

  it('writes a file that is one again', async () => {
    const session = await TrainingSession.open({
      model: base,
      threads: 1,
      lora: { rank: 4, kind: 'writer' },
      distill: 1,
    });
    const blocks = [tokens(3), tokens(9), tokens(5), tokens(6)];
    const before = await session.evaluate([{ blocks, responseTokens: 3, mode: 'block' }]);
    for (let step = 0; step < 12; step++) {
      await session.step([{ blocks, responseTokens: 3, mode: 'block' }], { learningRate: 1e-2 });
    }
    const after = await session.evaluate([{ blocks, responseTokens: 3, mode: 'block' }]);
    expect(after.divergence).toBeLessThan((before.divergence ?? 0) / 2);
    const out = path('trained');
    await session.saveAdapter(out);
    for (const bad of [
      { blocks, responseTokens: 6, mode: 'block' as const },
      { blocks, responseTokens: 3, mode: 'block' as const, open: [false, true, false] },
    ]) {
      await expect(session.evaluate([bad])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    session.dispose();
    const backend = await Backend.open({ device: 'cpu', threads: 1 });
    const model = await Model.load(base, backend, { adapter: { path: out } });
    expect(model.writer?.rank).toBe(4);
    expect(model.adapter).toBeUndefined();
    model.dispose();
    backend.dispose();
  });

  it('goes over an ordinary adapter alone', async () => {
    const lora = { rank: 4, kind: 'writer' } as const;
    await expect(TrainingSession.open({ model: base, threads: 1, lora, over: writer })).rejects.toThrow(
      /cannot be what is trained over: train a writer over an ordinary adapter/,
    );
    await expect(
      TrainingSession.open({ model: base, threads: 1, lora: { rank: 4 }, over: ordinary }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

function logProbability(logits: Float32Array, token: number): number {
  const most = Math.max(...logits);
  return (logits[token] ?? 0) - most - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
}

function divergence(teacher: Float32Array, student: Float32Array): number {
  return teacher.reduce((sum, _, token) => {
    const log = logProbability(teacher, token);
    return sum + Math.exp(log) * (log - logProbability(student, token));
  }, 0);
}
