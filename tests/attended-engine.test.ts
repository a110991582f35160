/** `attention:F` through the engine: what it computes again, alone and with other parts, what it costs, and what it leaves as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bridgePassages, bridgeQuestion } from './support/bridge-passages.ts';
import { enginesOf, inFloats } from './support/engines.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { relativeError } from './support/oracle/forward-harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-attended-'));
const modelPath = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => writeRandomModel(modelPath, { family: 'gemma3', layers: 7, slidingWindow: 16 }, 3));

const [passages, question] = [bridgePassages.slice(0, 3), bridgeQuestion];
const { open, read } = enginesOf(modelPath, { passages, question }, inFloats);

/** Products of f32 in another order. */
const bound = 1e-4;

it.each([...attentionPaths, gatheredPath])('computes a share again, or all: $name attention', async ({ name }) => {
  await using engine = await open({ attention: name });
  await read(engine, { policy: 'plain' });
  const plain = await read(engine, { policy: 'plain' });
  const full = await read(engine, { mode: 'full' });
  const later = plain.blocks.slice(1).reduce((sum, { tokens }) => sum + tokens, 0);
  const all = await read(engine, { policy: 'attention:1' });
  expect(all.recomputed.tokens).toBe(later);
  expect(relativeError(all.logits, full.logits)).toBeLessThan(bound);
  const some = await read(engine, { policy: 'attention:0.2' });
  expect(some).toMatchObject({ policy: 'attention:0.2', statuses: 'hit hit hit hit' });
  expect(some.recomputed.tokens).toBe(Math.round(0.2 * later));
  expect(relativeError(some.logits, plain.logits)).toBeGreaterThan(100 * bound);
  expect(relativeError(some.logits, full.logits)).toBeGreaterThan(100 * bound);
  const { spentLinear } = some.flops;
  expect(spentLinear).toBeGreaterThan(plain.flops.spentLinear);
  expect(spentLinear).toBeLessThan(full.flops.spentLinear);
});

it('leaves blocks and their names alone, and never gives its states to another request', async () => {
  await using engine = await open({ policy: 'anchor:header', prefixBytes: 2 ** 26 });
  const policies = ['anchor:header', 'anchor:header+attention:0.3'];
  const [plain, attended] = policies.map((policy) => engine.blockKeys(passages, { policy }));
  expect(attended).toEqual(plain);
  const before = await read(engine);
  for (let i = 0; i < 2; i++) {
    const { recomputed, reusedTokens } = await read(engine, { policy: 'anchor:header+attention:0.3' });
    expect(recomputed.tokens).toBeGreaterThan(0);
    expect(reusedTokens).toBe(0);
  }
  const after = await read(engine, { prefixReuse: false });
  expect(after.logits).toEqual(before.logits);
});

it('goes with hidden heads, which no question looks at, and with chosen passages', async () => {
  await using engine = await open();
  const hidden = await read(engine, { policy: 'hide:4' });
  const later = hidden.blocks.slice(1).reduce((sum, { tokens }) => sum + tokens, 0);
  const { recomputed, logits } = await read(engine, { policy: 'attention:0.3+hide:4' });
  expect(recomputed.tokens).toBe(Math.round(0.3 * later));
  expect(relativeError(logits, hidden.logits)).toBeGreaterThan(100 * bound);
  const { selection, recomputed: ofOne } = await read(engine, { policy: 'attention:0.5+select:1' });
  expect(selection?.passages.filter((passage) => passage.read)).toHaveLength(1);
  expect(ofOne.tokens).toBeLessThan(0.5 * later);
});

it('lets go of everything when it is cancelled while it looks', async () => {
  await using engine = await open();
  await read(engine);
  for (const delay of [0, 1, 3]) {
    const stop = new AbortController();
    const stream = engine.answer({ passages, question, policy: 'attention:0.5', signal: stop.signal, maxTokens: 4 });
    setTimeout(() => stop.abort(), delay);
    const ended = await stream.result.catch((error: unknown) => error);
    expect(ended).toMatchObject(ended instanceof Error ? { code: 'ABORTED' } : { mode: 'block' });
  }
  expect((await read(engine, { policy: 'attention:0.5' })).recomputed.tokens).toBeGreaterThan(0);
});
