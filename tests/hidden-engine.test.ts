/** `hide:K` through the engine: what it computes, alone and with other parts, and what it leaves as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePolicy } from '@block-attention/engine/internal/engine';
import { openTokenizer } from '@block-attention/engine/internal/ggml';
import { planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tokensBefore } from '../packages/engine/src/engine/policy/anchor-tokens.ts';
import { bridgePassages, bridgeQuestion } from './support/bridge-passages.ts';
import { enginesOf } from './support/engines.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { ForwardHarness, relativeError } from './support/oracle/forward-harness.ts';
import { explainedErrors } from './support/oracle/oracle-rounding.ts';
import { expectWithin } from './support/oracle/rounding.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-hide-'));
const modelPath = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => writeRandomModel(modelPath, { family: 'gemma3', layers: 7, slidingWindow: 16 }, 3));

const [passages, question] = [bridgePassages.slice(0, 3), bridgeQuestion];
const { open, read } = enginesOf(modelPath, { passages, question });

it.each([...attentionPaths, gatheredPath])(
  'is the oracle, with and without an anchor: $name attention',
  async ({ name }) => {
    const tokenizer = await openTokenizer(modelPath);
    const { blocks } = tokenizePlan(planRag({ passages, question }, tokenizer), tokenizer);
    const tokens = blocks.map((block) => block.tokens);
    const policies = ['plain', 'hide:1', 'hide:4', 'hide:64', 'anchor:header+hide:4'].map(parsePolicy);
    const oracle = async (harness: ForwardHarness) => {
      const rows: Float32Array[] = [];
      for (const policy of policies) {
        const before = tokensBefore(policy, tokenizer, 'auto');
        const hidden = tokens.map((_, i) => (i === 0 ? 0 : policy.hide));
        const final = tokens.at(-1) ?? new Int32Array(0);
        rows.push(await anchoredLogits(harness, tokens.slice(0, -1), before, final, hidden));
      }
      return rows;
    };
    const bounds = await explainedErrors(modelPath, 'f32', oracle);
    const harness = await ForwardHarness.open(modelPath, 'f32');
    const expected = await oracle(harness);
    harness.dispose();
    tokenizer.dispose();
    await using engine = await open({ kvType: 'f32', linear: 'ggml', attention: name });
    for (const [i, policy] of policies.entries()) {
      const { logits, policy: ran } = await read(engine, { policy });
      expectWithin(relativeError(logits, expected[i] ?? new Float32Array(0)), bounds[i], policy.name);
      expect(ran).toBe(policy.name);
      const [other] = expected.filter((_, at) => at !== i).map((row) => relativeError(logits, row));
      expect(other).toBeGreaterThan(10 * (bounds[i] ?? 0));
    }
  },
);

it('reads the blocks that are there, under their names, beside recomputed heads too', async () => {
  await using engine = await open({ policy: 'anchor:header' });
  expect((await read(engine)).statuses).toBe('miss miss miss miss');
  const [plain, hidden] = [await read(engine), await read(engine, { policy: 'anchor:header+hide:2' })];
  expect(hidden.statuses).toBe('hit hit hit hit');
  expect(hidden.logits).not.toEqual(plain.logits);
  expect(hidden.flops).toEqual(plain.flops);
  const policies = ['anchor:header', 'anchor:header+hide:2', 'anchor:header+hide:64'];
  expect(new Set(policies.map((policy) => engine.blockKeys(passages, { policy }).join())).size).toBe(1);
  const both = await read(engine, { policy: 'anchor:header+head:3+hide:2' });
  const head = await read(engine, { policy: 'anchor:header+head:3' });
  expect(both.recomputed.tokens).toBe(9);
  expect(both.logits).not.toEqual(head.logits);
});

it('never takes up what was read under another policy', async () => {
  await using engine = await open({ prefixBytes: 2 ** 26 });
  const policies = ['anchor:header', 'anchor:header+hide:2', 'anchor:header+hide:3'];
  const reused = async (policy: string) => (await read(engine, { policy })).reusedTokens;
  for (const policy of policies) expect(await reused(policy)).toBe(0);
  for (const policy of policies) expect(await reused(policy)).toBeGreaterThan(16);
});
