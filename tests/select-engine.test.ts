/** `select:K` through the engine: whom it chooses, what is then computed, and what it leaves as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnswerRequest, Engine } from '@block-attention/engine/internal/engine';
import { notInDocuments } from '@block-attention/engine/internal/prompt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectedWithin } from '../packages/engine/src/engine/policy/select.ts';
import { bridgePassages, bridgeQuestion } from './support/bridge-passages.ts';
import { enginesOf, inFloats } from './support/engines.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { relativeError } from './support/oracle/forward-harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-select-'));
const modelPath = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => writeRandomModel(modelPath, { family: 'llama', contextTokens: 2048 }, 11));

const [passages, question] = [[...bridgePassages], bridgeQuestion];
/** Of two that are equal both are read, where two may be. */
const twice = passages.flatMap((passage) => [passage, { ...passage, id: `${passage.id} again` }]);
const { open, read } = enginesOf(modelPath, { passages, question }, inFloats);

/** Products of f32 in another order: batches of other sizes, blocks at other places. */
const bound = 1e-4;

/** How unlikely the refusal is behind each passage alone, asked for one by one. */
async function relevances(engine: Engine, policy: string, request: Partial<AnswerRequest> = {}): Promise<number[]> {
  const found: number[] = [];
  for (const passage of passages) {
    const { scores } = await read(engine, { passages: [passage], policy, score: [notInDocuments], ...request });
    found.push(-(scores[0]?.logprob ?? Number.NaN));
  }
  return found;
}

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ name }) => {
  it.each(['plain', 'anchor:header'])('chooses by how each passage alone answers, behind %s', async (policy) => {
    await using engine = await open({ attention: name });
    const expected = await relevances(engine, policy);
    const order = passages.map((_, i) => i).sort((a, b) => (expected[b] ?? 0) - (expected[a] ?? 0));
    const best = expected[order[0] ?? 0] ?? 0;
    const close = order.filter((i) => best - (expected[i] ?? 0) < selectedWithin);
    for (const wanted of [1, 2, 3]) {
      const chosen = close.slice(0, wanted);
      const { selection, logits, policy: ran } = await read(engine, { policy: `${policy}+select:${wanted}` });
      expect(ran).toBe(policy === 'plain' ? `select:${wanted}` : `${policy}+select:${wanted}`);
      expect(selection?.passages.map(({ id }) => id)).toEqual(['bridge', 'town', 'river', 'hill']);
      for (const [i, { relevance, read: isRead }] of (selection?.passages ?? []).entries()) {
        expect(Math.abs(relevance - (expected[i] ?? 0))).toBeLessThan(bound * (expected[i] ?? 0));
        expect(isRead).toBe(chosen.includes(i));
      }
      // The likeliest stands last, next to the question.
      const bestLast = [...chosen].reverse().flatMap((i) => passages[i] ?? []);
      const own = await read(engine, { passages: bestLast, policy });
      expect(relativeError(logits, own.logits)).toBeLessThan(bound);
      const all = await read(engine, { policy });
      expect(relativeError(logits, all.logits)).toBeGreaterThan(100 * bound);
    }
  });
});

it('reads no more passages than come close to the likeliest one', async () => {
  await using engine = await open();
  const expected = await relevances(engine, 'plain');
  const best = expected.indexOf(Math.max(...expected));
  const close = expected.filter((one) => (expected[best] ?? 0) - one < selectedWithin).length;
  expect(close).toBeLessThan(3);
  for (const wanted of [1, 2, 4, 7]) {
    const { selection, logits } = await read(engine, { policy: `select:${wanted}`, passages: twice });
    const chosen = selection?.passages.flatMap(({ id, read: isRead }) => (isRead ? [id] : [])) ?? [];
    expect(chosen).toHaveLength(Math.min(wanted, 2 * close));
    const name = passages[best]?.id ?? '';
    if (wanted === 1) expect([name, `${name} again`]).toContain(chosen[0]);
    else expect(chosen).toEqual(expect.arrayContaining([name, `${name} again`]));
    if (wanted > 2 || close > 1) continue;
    const same = Array.from({ length: wanted }, () => passages[best] ?? []).flat();
    const own = await read(engine, { policy: 'plain', passages: same });
    expect(relativeError(logits, own.logits)).toBeLessThan(bound);
  }
});

it('chooses nothing where there is nothing to choose, and never in full mode', async () => {
  await using engine = await open();
  const first = passages.slice(0, 1);
  await read(engine, { policy: 'plain', passages: first });
  const plain = await read(engine, { policy: 'plain', passages: first });
  const alone = await read(engine, { policy: 'select:4', passages: first });
  expect(alone.selection).toBeNull();
  expect(alone.logits).toEqual(plain.logits);
  expect(alone.flops).toEqual(plain.flops);
  // No more than may be read, and chosen among all the same: what stands beside the answer is taken for it.
  expect((await read(engine, { policy: 'select:4' })).selection?.passages).toHaveLength(passages.length);
  expect((await read(engine, { policy: 'select:1', passages: [] })).selection).toBeNull();
  expect(await read(engine, { mode: 'full' })).toMatchObject({ selection: null, policy: null });
});

it('reads the blocks that are there, counts what it computes, and reports every block', async () => {
  await using engine = await open({ policy: 'anchor:header' });
  expect((await read(engine)).statuses).toBe('miss miss miss miss miss');
  const plain = await read(engine);
  const one = await read(engine, { policy: 'anchor:header+select:1' });
  expect(one.statuses).toBe('hit hit hit hit hit');
  expect(one.blocks.map(({ id }) => id)).toEqual(plain.blocks.map(({ id }) => id));
  expect(one.tokens).toEqual(plain.tokens);
  // The question once behind each passage, with the refusal behind it, and once for the answer.
  const ratio = one.flops.spentLinear / plain.flops.spentLinear;
  expect(ratio).toBeGreaterThan(passages.length);
  expect(ratio).toBeLessThan(2 * (passages.length + 1));
  expect(one.flops.full).toBe(plain.flops.full);
});

it('goes with recomputed and hidden heads, and with turns of a conversation', async () => {
  await using engine = await open();
  const history = [{ user: 'Hello.', assistant: 'Ask me about Tessen.' }];
  // Choosing reads what the answer reads, but for what is computed again.
  const expected = await relevances(engine, 'anchor:header+hide:1', { history });
  const best = expected.indexOf(Math.max(...expected));
  const policy = 'anchor:header+head:3+hide:1';
  const { selection, logits, recomputed } = await read(engine, { policy: `${policy}+select:1`, history });
  expect(selection?.passages.findIndex((passage) => passage.read)).toBe(best);
  const own = await read(engine, { policy, history, passages: passages.slice(best, best + 1) });
  expect(relativeError(logits, own.logits)).toBeLessThan(bound);
  expect(recomputed.tokens).toBe(own.recomputed.tokens);
});

it('takes up an earlier prompt only where the same passages were read', async () => {
  await using engine = await open({ prefixBytes: 2 ** 26 });
  const reused = async (policy: string) => (await read(engine, { policy, passages: twice })).reusedTokens;
  // The one passage was read while it was chosen, with this question.
  expect(await reused('select:1')).toBeGreaterThan(16);
  expect(await reused('select:2')).toBe(0);
  expect(await reused('plain')).toBe(0);
  for (const policy of ['select:1', 'select:2', 'plain']) expect(await reused(policy)).toBeGreaterThan(16);
});

describe('a question behind passages that an earlier one was read behind', () => {
  const policy = 'select:1';
  const other = 'How long is the Ald?';
  // Its words before a question are long enough to be worth keeping.
  const template = 'paper';

  it('goes on behind the words that both share, and chooses alike', async () => {
    await using fresh = await open({ template });
    const expected = await read(fresh, { policy, question: other });
    await using engine = await open({ template, prefixBytes: 2 ** 26 });
    const first = await read(engine, { policy });
    const { reusedTokens } = engine.usage().prefixes;
    const second = await read(engine, { policy, question: other });
    expect(engine.usage().prefixes.reusedTokens - reusedTokens).toBeGreaterThan(passages.length * 16);
    expect(second.flops.spentLinear).toBeLessThan(0.8 * first.flops.spentLinear);
    for (const [i, { relevance, read: isRead }] of (second.selection?.passages ?? []).entries()) {
      const one = expected.selection?.passages[i];
      expect(isRead).toBe(one?.read);
      expect(Math.abs(relevance - (one?.relevance ?? 0))).toBeLessThan(bound * (one?.relevance ?? 0));
    }
    expect(relativeError(second.logits, expected.logits)).toBeLessThan(bound);
  });

  it('takes over nothing of another tenant, of what was forgotten, or where it is told not to', async () => {
    await using engine = await open({ template, prefixBytes: 2 ** 26 });
    const computed = async (request: Partial<AnswerRequest>) =>
      (await read(engine, { policy: 'select:2', ...request })).flops.spentLinear;
    await read(engine);
    await computed({ prefixReuse: false });
    expect(engine.usage().prefixes.entries).toBe(1);
    await computed({ tenant: 'a' });
    await computed({ tenant: 'b' });
    const whole = await computed({ prefixReuse: false, question: other, tenant: 'b' });
    await read(engine, { tenant: 'c' });
    expect(await computed({ question: other, tenant: 'c' })).toBe(whole);
    expect(await computed({ question: other, tenant: 'b' })).toBeLessThan(0.8 * whole);
    await engine.forget([...passages], { tenant: 'b' });
    expect(engine.usage().prefixes.entries).toBe(0);
  });

  it('keeps nothing where there is no memory to spare', async () => {
    await using roomy = await open({ template, prefixBytes: 2 ** 26 });
    await read(roomy, { policy });
    const { bytes, entries } = roomy.usage().prefixes;
    expect(entries).toBeGreaterThanOrEqual(passages.length);
    // Room for what is read at once, and for one sequence beyond.
    const kvBytes = Math.ceil((bytes / entries) * (passages.length + 1.5));
    await using engine = await open({ template, prefixBytes: 2 ** 26, kvBytes });
    await read(engine, { policy });
    expect(engine.usage().prefixes.entries).toBeLessThan(passages.length);
    const { selection } = await read(engine, { policy, question: other });
    expect(selection?.passages).toHaveLength(passages.length);
  });
});

it('lets go of everything when it is cancelled while it chooses', async () => {
  await using engine = await open();
  await read(engine);
  for (const delay of [0, 1, 3]) {
    const stop = new AbortController();
    const stream = engine.answer({ passages, question, policy: 'select:1', signal: stop.signal, maxTokens: 4 });
    setTimeout(() => stop.abort(), delay);
    const ended = await stream.result.catch((error: unknown) => error);
    expect(ended).toMatchObject(ended instanceof Error ? { code: 'ABORTED' } : { mode: 'block' });
  }
  expect((await read(engine, { policy: 'select:1' })).selection?.passages).toHaveLength(4);
});
