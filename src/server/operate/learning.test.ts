import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, readVerdict, verdictIdentity } from '@block-attention/engine/internal/engine';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../tests/support/models/random-model.ts';
import { createServer, type Server } from '../server.ts';
import { chat, jsonOf, post } from '../testing/workplace.ts';
import { keepLearned } from './keep-learned.ts';
import type { LearnOptions } from './learning.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-learning-'));
const modelPath = join(folder, 'model.gguf');
const compute = { modelPath, device: 'cpu', threads: 1, cacheDir: folder, kvType: 'f32' } as const;
const path = '/v1/chat/completions';
let engine: Engine;
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 1024 }, 5);
  engine = await createEngine(compute);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

// A policy that computes the first tokens of every block again is full attention while no block has more.
const policy = 'head:64';
const short = [{ text: 'opened in 1911.' }, { text: 'in the passage.' }];
const long = [
  { text: 'the bridge was opened in 1911. '.repeat(8) },
  { text: 'the answer is in the passage. '.repeat(8) },
  { text: 'where is the passage? the bridge. '.repeat(8) },
];
const learn = { rate: 1, policies: [policy], tolerance: 2e-3, minChecks: 4, window: 8 };

function served(options: Partial<LearnOptions> = {}, on: Engine = engine) {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const server = createServer({ engine: on, modelName: 'small', logger, learn: { ...learn, ...options } });
  return { server, lines };
}

async function ask(server: Server, documents: object[], i: number) {
  const messages = [{ role: 'user', content: `What is answer ${i}?` }];
  const response = await server.app.request(path, post(chat({ documents, messages, block_attention: {} })));
  return (await jsonOf(response)).block_attention;
}

const learning = async (server: Server) =>
  (await jsonOf(await server.app.request('/v1/models'))).data[0].block_attention.learning;

/** Asks until the server has come to a state. */
async function until(server: Server, documents: object[], state: string, most = 40) {
  for (let i = 0; i < most; i++) {
    await ask(server, documents, i);
    const before = await learning(server);
    if (before.state === state) return before;
    // The check of this request runs once the server is idle.
    await expect.poll(async () => (await learning(server)).checks, { timeout: 30_000 }).toBeGreaterThan(i);
    const after = await learning(server);
    if (after.state === state) return after;
    if (after.state === 'full') break;
  }
  throw new Error(`not ${state} after ${most} requests: ${JSON.stringify(await learning(server))}`);
}

describe('auto that learns', () => {
  it('changes over when enough answers agree, and back when they part', async () => {
    const { server, lines } = served();
    expect(await learning(server)).toMatchObject({ state: 'learning', policy, n: 0, checks: 0, loss: null });
    expect(await ask(server, short, 0)).toMatchObject({ mode: 'full', requested: 'auto' });
    const found = await until(server, short, 'block');
    expect(found).toMatchObject({ policy, reason: expect.stringMatching(/learned from \d+ requests/) });
    expect(found.n).toBeGreaterThanOrEqual(4);
    expect(Math.abs(found.loss)).toBeLessThan(1e-3);
    const account = await ask(server, short, 99);
    expect(account).toMatchObject({ mode: 'block', policy, requested: 'auto', reason: found.reason });
    const text = await (await server.app.request('/metrics')).text();
    expect(text).toContain('block_attention_learn_block 1');
    expect(text).toMatch(/block_attention_learn_checks_total \d/);
    // What is asked for is what runs.
    const body = chat({ documents: short, block_attention: { mode: 'full' } });
    const full = await jsonOf(await server.app.request(path, post(body)));
    expect(full.block_attention.mode).toBe('full');
    const back = await until(server, long, 'full');
    expect(back.reason).toContain('no longer as good as full attention');
    expect(await ask(server, long, 100)).toMatchObject({ mode: 'full', requested: 'auto' });
    expect(await (await server.app.request('/metrics')).text()).toContain('block_attention_learn_block 0');
    const said = lines.filter((line) => line.includes('"level":40'));
    expect(said.some((line) => line.includes('learned from'))).toBe(true);
    expect(said.some((line) => line.includes('no longer as good'))).toBe(true);
    for (const line of lines) expect(line).not.toMatch(/What is answer|1911/);
    server.drain();
  });

  it('tries the next policy when one does not hold, and stays with full attention when none does', async () => {
    const { server } = served({ policies: ['plain', policy] });
    expect(await until(server, long, 'full')).toMatchObject({ reason: expect.stringContaining('no policy held') });
    server.drain();
    const other = served({ policies: ['plain', policy] });
    // Plain blocks of one token differ from full attention, too.
    expect(await until(other.server, short, 'block')).toMatchObject({ policy });
    other.server.drain();
  });

  it('keeps what it learned, and goes on from there', async () => {
    const { model, kvType } = engine;
    const identity = await verdictIdentity({ modelPath: model.path, kvType, cacheDir: folder });
    const { server } = served({ keep: keepLearned(engine, { cacheDir: folder }) });
    await until(server, short, 'block');
    await expect.poll(() => readVerdict(identity, { cacheDir: folder })).toMatchObject({ learned: true, policy });
    server.drain();
    await using obeying = await createEngine(compute);
    expect(obeying.chooseMode({})).toMatchObject({ mode: 'block', policy: { name: policy } });
    const again = served({ keep: keepLearned(obeying, { cacheDir: folder }) }, obeying);
    expect(await learning(again.server)).toMatchObject({ state: 'block', policy });
    const back = await until(again.server, long, 'full');
    expect(await ask(again.server, long, 100)).toMatchObject({ mode: 'full', reason: back.reason });
    await expect
      .poll(() => readVerdict(identity, { cacheDir: folder }))
      .toMatchObject({ learned: true, verdict: 'full' });
    again.server.drain();
  });

  it('leaves a verdict of the user alone', async () => {
    const cacheDir = join(folder, 'verified');
    const { model, kvType } = engine;
    const identity = await verdictIdentity({ modelPath: model.path, kvType, cacheDir });
    const { writeVerdict, verdictPath } = await import('@block-attention/engine/internal/engine');
    const stored = {
      identity,
      verdict: 'full' as const,
      policy: null,
      reasons: ['measured'],
      tolerance: 0.02,
      n: 150,
      fullAccuracy: 0.5,
      blockAccuracy: 0.2,
      difference: { value: -0.3, interval: [-0.4, -0.2] as [number, number] },
      measuredAt: '2026-01-01T00:00:00.000Z',
    };
    await writeVerdict(stored, verdictPath(identity, cacheDir));
    await using verified = await createEngine({ ...compute, cacheDir });
    const { server } = served({}, verified);
    expect(await learning(server)).toMatchObject({ state: 'off', policy: null });
    expect(await ask(server, short, 0)).toMatchObject({ mode: 'full', reason: expect.stringContaining('measured') });
    // Also when it came while the server ran.
    const { basis: _, ...found } = { ...stored, basis: 'own' as const, learned: true };
    await keepLearned(engine, { cacheDir })({ ...found, verdict: 'block', policy });
    expect(await readVerdict(identity, { cacheDir })).toMatchObject({ verdict: 'full', reasons: ['measured'] });
    server.drain();
  });

  it('is off without a rate, and with a mode that was asked for', async () => {
    expect(await learning(served({ rate: 0 }).server)).toMatchObject({ state: 'off' });
    await using block = await createEngine({ ...compute, mode: 'block' });
    expect(await learning(served({}, block).server)).toMatchObject({ state: 'off' });
  });
});
