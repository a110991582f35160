/** The engine with an adapter: its own blocks, its own verdict, its own answers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  engineRounding,
  expectSameAnswer,
  type WitnessedAnswer,
  witnessedAnswer,
} from '../../../../tests/support/answers.ts';
import { writeMerged, writeRandomAdapter } from '../../../../tests/support/models/random-adapter.ts';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { createMemoryStore } from '../store/index.ts';
import { createEngine } from './engine.ts';
import type { Engine, EngineOptions } from './types.ts';
import { verdictBeside, verdictIdentity, verdictPath, writeVerdict } from './verdict/verdict-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-adapter-'));
const [model, adapter, other, merged] = ['model', 'adapter', 'other', 'merged'].map((name) =>
  join(folder, `${name}.gguf`),
) as [string, string, string, string];
const cacheDir = join(folder, 'cache');
beforeAll(async () => {
  await writeRandomModel(model, { family: 'llama' }, 1);
  await writeRandomAdapter(adapter, model, 2);
  await writeRandomAdapter(other, model, 3);
  await writeMerged(merged, model, adapter);
});
afterAll(() => rmSync(folder, { recursive: true }));

const store = createMemoryStore({ budgetBytes: 2 ** 26 });
const open = (more: Partial<EngineOptions> = {}) =>
  createEngine({ modelPath: model, threads: 1, device: 'cpu', cacheDir, store, ...more });
const passages = [{ text: 'The bridge was opened in 1931.' }, { text: 'The Ald is 90 km long.' }];

const ask = (engine: Engine, mode: 'block' | 'full') =>
  witnessedAnswer(engine, { passages, question: 'How long is the Ald?', mode, maxTokens: 24 });
const statuses = ({ blocks }: WitnessedAnswer) => blocks.map(({ status }) => status);

describe('an engine with an adapter', () => {
  it('answers as the merged model does, and never from blocks of another model or scale', async () => {
    const answers: WitnessedAnswer[] = [];
    const keys = new Set<string>();
    const cases: Partial<EngineOptions>[] = [{}, { adapter }, { adapter, adapterScale: 0.5 }, { adapter: other }];
    for (const options of cases) {
      await using engine = await open(options);
      for (const key of engine.blockKeys(passages)) keys.add(key);
      const first = await ask(engine, 'block');
      expect(statuses(first)).toEqual(['miss', 'miss', 'miss']);
      const again = await ask(engine, 'block');
      expect(statuses(again)).toEqual(['hit', 'hit', 'hit']);
      expect(again.text).toBe(first.text);
      answers.push(first);
    }
    expect(keys.size).toBe(2 * cases.length);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(cases.length);
    // An adapter that does not say what it was trained under is plain; a model of which nothing is known is not.
    await using whole = await open({ modelPath: merged, policy: 'plain' });
    const rounding = await engineRounding(merged);
    const adapted = answers[1];
    if (adapted === undefined) throw new Error('one answer per case');
    expectSameAnswer(adapted, await ask(whole, 'block'), rounding);
    await using engine = await open({ adapter });
    expectSameAnswer(await ask(engine, 'full'), await ask(whole, 'full'), rounding);
  });

  it('says what it runs with', async () => {
    await using engine = await open({ adapter, adapterScale: 0.5 });
    expect(engine.model.adapter).toMatchObject({ path: adapter, scale: 0.5, rank: 4 });
    expect(engine.model.adapter?.identity).toMatch(/^[0-9a-f]{64} x 0\.5$/);
    expect(engine.chooseMode({}).reason).toContain(`--adapter ${JSON.stringify(adapter)} --adapter-scale 0.5 --data`);
    await using plain = await open();
    expect(plain.model.adapter).toBeNull();
  });

  it('obeys the verdict on it alone, its own or the one beside the adapter', async () => {
    const about = {
      verdict: 'block' as const,
      policy: 'plain',
      reasons: [],
      tolerance: 0.02,
      n: 300,
      fullAccuracy: 0.6,
      blockAccuracy: 0.6,
      difference: { value: 0, interval: [-0.01, 0.01] as [number, number] },
      measuredAt: '2026-01-01T00:00:00.000Z',
    };
    const modeOf = async (options: Partial<EngineOptions>) => {
      await using engine = await open(options);
      return engine.chooseMode({}).mode;
    };
    const identityOf = async (options: Partial<EngineOptions>) => {
      await using engine = await open(options);
      return await verdictIdentity({ modelPath: model, cacheDir, adapter: engine.model.adapter?.identity });
    };
    const adapted = await identityOf({ adapter });
    await writeVerdict({ ...about, identity: adapted }, verdictPath(adapted, cacheDir));
    expect(await modeOf({ adapter })).toBe('block');
    for (const options of [{}, { adapter: other }, { adapter, adapterScale: 2 }]) {
      expect(await modeOf(options)).toBe('full');
    }
    await writeVerdict({ ...about, identity: await identityOf({ adapter: other }) }, verdictBeside(other));
    expect(await modeOf({ adapter: other })).toBe('block');
    expect(await modeOf({})).toBe('full');
  });

  it('wants an adapter for a scale', async () => {
    await expect(open({ adapterScale: 2 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'adapterScale is 2 without an adapter: name its file',
    });
    await expect(open({ adapter: join(folder, 'none.gguf') })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
