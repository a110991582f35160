/** Anchored encoding through the engine: what it computes, under which names, and what it never mixes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AnswerRequest,
  createEngine,
  type Engine,
  type EngineOptions,
  parsePolicy,
} from '@block-attention/engine/internal/engine';
import { openTokenizer } from '@block-attention/engine/internal/ggml';
import { type Passage, planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import { type BlockKey, createBlockStore, createMemoryStore, listStore } from '@block-attention/engine/internal/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anchorTokens } from '../packages/engine/src/engine/policy/anchor-tokens.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { ForwardHarness, relativeError } from './support/oracle/forward-harness.ts';
import { readPrompt } from './support/read-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-policies-'));
afterAll(() => rmSync(folder, { recursive: true }));

const passages: Passage[] = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.' },
  { id: 'river', text: 'The Ald is 90 km long.' },
];
const question = 'When was the bridge opened?';
const own = 'A text of our own, with a + and a , in it.';
const file = join(folder, 'anchor, the+text.txt');
const models: Record<string, RandomModelSpec> = {
  llama: { family: 'llama' },
  'gemma3, windows': { family: 'gemma3', layers: 7, slidingWindow: 16 },
  'llama 3.1': { family: 'llama', ropeBase: 500_000, tiedHead: true, vocabulary: 'bpe' },
};
const path = (name: string) => join(folder, `${name}.gguf`);
const compute = { device: 'cpu', threads: 1, mode: 'block', cacheDir: join(folder, 'cache') } as const;
const open = (options: Partial<EngineOptions> = {}) =>
  createEngine({ ...compute, modelPath: path('llama'), ...options });

beforeAll(async () => {
  writeFileSync(file, own);
  for (const [name, spec] of Object.entries(models)) await writeRandomModel(path(name), spec, 3);
});

const read = (engine: Engine, request: Partial<AnswerRequest> = {}) =>
  readPrompt(engine, { passages, question, ...request });

const policies = [
  'plain',
  'anchor:bos',
  'anchor:header',
  'anchor:40',
  `anchor:text=${encodeURIComponent(own)}`,
  `anchor:file=${encodeURIComponent(file)}`,
];

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ name, attention }) => {
  it.each(Object.entries(models))('is the oracle under every anchor: %s', async (model, { family }) => {
    const bound = family === 'gemma3' ? 2e-3 : 1e-4;
    const harness = await ForwardHarness.open(path(model), 'f32', attention);
    const tokenizer = await openTokenizer(path(model));
    const { blocks } = tokenizePlan(planRag({ passages, question }, tokenizer), tokenizer);
    const tokens = blocks.map((block) => block.tokens);
    await using engine = await open({
      modelPath: path(model),
      kvType: 'f32',
      linear: 'ggml',
      attention: name,
    });
    const seen = new Set<string>();
    for (const text of policies) {
      const { anchor } = parsePolicy(text);
      const before = anchor === null ? new Int32Array(0) : anchorTokens(anchor, tokenizer, 'auto');
      const { logits, policy } = await read(engine, { policy: text });
      const final = tokens.at(-1) ?? new Int32Array(0);
      const expected = await anchoredLogits(harness, tokens.slice(0, -1), before, final);
      expect(relativeError(logits, expected)).toBeLessThanOrEqual(bound);
      expect(policy).toBe(parsePolicy(text).name);
      seen.add(before.join());
    }
    // The file says what the text does.
    expect(seen.size).toBe(policies.length - 1);
    tokenizer.dispose();
    harness.dispose();
  });
});

describe('names of blocks', () => {
  it('follow what the block was encoded behind, and the instruction stands behind nothing', async () => {
    await using engine = await open();
    const [first, ...others] = policies;
    expect((await read(engine, { policy: first })).statuses).toBe('miss miss miss miss');
    for (const policy of others.slice(0, -1)) {
      expect((await read(engine, { policy })).statuses).toBe('hit miss miss miss');
      expect((await read(engine, { policy: `${policy}+head:2` })).statuses).toBe('hit hit hit hit');
    }
    // The same tokens before them are the same blocks, whatever names them.
    expect((await read(engine, { policy: others.at(-1) })).statuses).toBe('hit hit hit hit');
    const keys = new Set(policies.flatMap((policy) => engine.blockKeys(passages, { policy })));
    expect(keys.size).toBe((policies.length - 1) * passages.length);
    expect((await engine.plan({ passages, question, policy: 'anchor:7' })).blocks.map(({ tier }) => tier)).toEqual([
      'memory',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect((await engine.encode(passages, { policy: 'anchor:40' })).encoded).toBe(0);
    expect((await engine.encode(passages, { policy: 'anchor:7' })).encoded).toBe(3);
  });

  it('do not depend on the system text, the template does', async () => {
    await using engine = await open({ policy: 'anchor:header' });
    await read(engine);
    expect((await read(engine, { system: 'Answer in verse.' })).statuses).toBe('miss hit hit hit');
    await using paper = await open({ policy: 'anchor:header', template: 'paper', store: engine.store });
    expect((await read(paper)).statuses).toBe('miss miss miss miss');
  });

  it('are told by the store', async () => {
    const directory = join(folder, 'store');
    const store = await createBlockStore({ directory });
    await using engine = await open({ store });
    for (const policy of ['plain', 'anchor:header', policies[4]]) await engine.encode(passages, { policy });
    await store.close();
    const labels: (string | undefined)[] = [];
    for await (const { encoding } of listStore(directory)) labels.push(encoding?.replace(/[0-9a-f]{8}$/, '…'));
    expect(labels.map(String).toSorted((a, b) => a.localeCompare(b))).toEqual([
      '',
      '',
      '',
      '',
      'anchor:header',
      'anchor:header',
      'anchor:header',
      'anchor:text …',
      'anchor:text …',
      'anchor:text …',
    ]);
    const reopened = await createBlockStore({ directory });
    await using again = await open({ store: reopened });
    expect((await read(again, { policy: 'anchor:header' })).blocks.map(({ tier }) => tier)).toEqual(
      Array(4).fill('disk'),
    );
    expect((await read(again, { policy: 'anchor:bos' })).statuses).toBe('hit miss miss miss');
    await reopened.close();
  });
});

describe('blocks', () => {
  /** Bytes of the passages' blocks after they were encoded so. */
  async function bytes(encode: (engine: Engine) => Promise<unknown>): Promise<string[]> {
    const store = createMemoryStore({ budgetBytes: 2 ** 28 });
    await using engine = await open({ store, policy: 'anchor:40' });
    await encode(engine);
    const found: string[] = [];
    for (const key of engine.blockKeys(passages)) found.push(await payload(engine, key));
    await store.close();
    return found;
  }

  async function payload(engine: Engine, key: BlockKey): Promise<string> {
    const nothing = () => Promise.reject(new Error('the block is not there'));
    const tokenizer = await openTokenizer(path('llama'));
    const { blocks } = tokenizePlan(planRag({ passages, question }, tokenizer), tokenizer);
    tokenizer.dispose();
    const tokens = blocks[1 + engine.blockKeys(passages).indexOf(key)]?.tokens ?? new Int32Array(0);
    const size = engine.model.kvBytesPerToken * Math.ceil(tokens.length / 32) * 32;
    const [handle] = await engine.store.acquire([{ key, tokens, bytes: size }], nothing);
    const text = Buffer.from(handle?.memory.bytes ?? []).toString('hex');
    handle?.release();
    return text;
  }

  it('are the same bytes in any order, batch and company', async () => {
    const expected = await bytes((engine) => engine.encode(passages));
    expect(new Set(expected).size).toBe(3);
    const others: ((engine: Engine) => Promise<unknown>)[] = [
      (engine) => engine.encode(passages.toReversed()),
      async (engine) => {
        for (const passage of passages) await engine.encode([passage]);
      },
      (engine) => Promise.all(passages.map((passage) => engine.encode([passage]))),
      (engine) =>
        Promise.all([read(engine), read(engine, { policy: 'plain' }), read(engine, { policy: 'anchor:bos' })]),
      async (engine) => {
        await read(engine, { passages: [...passages, { text: 'Something else altogether.' }].toReversed() });
        // The anchors of others come and go.
        for (let n = 1; n <= 12; n++) await engine.encode(passages, { policy: `anchor:${n}` });
        await engine.forget(passages);
        await engine.encode(passages);
      },
    ];
    for (const encode of others) expect(await bytes(encode)).toEqual(expected);
  });

  it('are all found when a passage is forgotten', async () => {
    await using engine = await open();
    for (const policy of [...policies, 'anchor:7']) await engine.encode(passages, { policy });
    expect(await engine.forget(passages)).toBe(3 * policies.length);
    expect((await read(engine, { policy: 'anchor:7' })).statuses).toBe('hit miss miss miss');
  });

  it('are found by another engine that is told how they were encoded', async () => {
    const store = createMemoryStore({ budgetBytes: 2 ** 28 });
    await using engine = await open({ store });
    await engine.encode(passages, { policy: 'anchor:9' });
    await using other = await open({ store });
    expect(await other.forget(passages)).toBe(0);
    expect(await other.forget(passages, { policy: 'anchor:9+hide:2' })).toBe(3);
    await expect(other.forget(passages, { policy: 'tail:1' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await store.close();
  });

  it('cost what was computed, the keys of the anchor included', async () => {
    await using engine = await open();
    const plain = await read(engine, { policy: 'plain' });
    await engine.forget(passages);
    const anchored = await read(engine, { policy: 'anchor:200' });
    expect(anchored.flops.encoding).toBeGreaterThan(plain.flops.encoding - 1);
    expect(anchored.flops.spent - anchored.flops.encoding).toBe(plain.flops.spent - plain.flops.encoding);
  });
});

describe('an anchor that cannot be had', () => {
  it.each([
    ['anchor:file=/no/such/file', 'cannot be read'],
    [`anchor:file=${encodeURIComponent(folder)}`, 'cannot be read'],
    ['anchor:301', 'from 1 to 300'],
    ['anchor:0', 'from 1 to 300'],
    ['anchor:1.5', 'from 1 to 300'],
    ['anchor', 'give bos, header'],
    ['anchor:', 'give bos, header'],
    ['anchor:tail', 'give bos, header'],
    ['anchor:text=', 'give bos, header'],
    ['anchor:text=%20', 'is empty'],
    ['anchor:text=%zz', '%25'],
    [`anchor:text=${'x'.repeat(5000)}`, 'at most 4096'],
    ['anchor:bos+anchor:header', 'another part says the same'],
  ])('is refused before anything is computed: %s', async (policy, why) => {
    await using engine = await open();
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(why) });
    await expect(read(engine, { policy })).rejects.toEqual(refused);
    await expect(engine.encode(passages, { policy })).rejects.toEqual(refused);
    expect(() => engine.blockKeys(passages, { policy })).toThrowError(refused);
    await expect(open({ policy })).rejects.toEqual(refused);
    expect(engine.store.stats().blocks).toBe(0);
  });
});
