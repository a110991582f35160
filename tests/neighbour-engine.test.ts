/** Passages behind what stands before them in their documents: what is computed, under which names, and what never mixes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnswerRequest, createEngine, type Engine, parsePolicy } from '@block-attention/engine/internal/engine';
import { openTokenizer, type VocabTokenizer } from '@block-attention/engine/internal/ggml';
import { type Passage, planAgent, planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import { createBlockStore, createMemoryStore, listStore } from '@block-attention/engine/internal/store';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tokensBefore } from '../packages/engine/src/engine/policy/anchor-tokens.ts';
import { Runner } from '../packages/engine/src/engine/schedule/runner.ts';
import { modelVariants } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { ForwardHarness, relativeError } from './support/oracle/forward-harness.ts';
import { readPrompt } from './support/read-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-neighbours-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bridge = { title: 'Varn Bridge', text: 'The bridge was opened in 1931 and rebuilt in 1987.' };
const passages: Passage[] = [
  { id: 'bridge', ...bridge },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.', previous: bridge },
  { id: 'river', text: 'The Ald is 90 km long.', previous: { text: 'All rivers of the county lead to the sea.' } },
];
const question = 'When was the bridge opened?';
const models: Record<string, RandomModelSpec> = {
  llama: { family: 'llama' },
  'gemma3, windows': { family: 'gemma3', layers: 7, slidingWindow: 16 },
  'lfm2, short convolutions': { ...modelVariants.lfm2, contextTokens: 2048 },
};
const path = (name: string) => join(folder, `${name}.gguf`);
const compute = { device: 'cpu', threads: 1, mode: 'block', cacheDir: join(folder, 'cache') } as const;
const open = (options: Partial<Parameters<typeof createEngine>[0]> = {}) =>
  createEngine({ ...compute, modelPath: path('llama'), ...options });
const read = (engine: Engine, request: Partial<AnswerRequest> = {}) =>
  readPrompt(engine, { passages, question, ...request });

let tokenizer: VocabTokenizer;
beforeAll(async () => {
  for (const [name, spec] of Object.entries(models)) await writeRandomModel(path(name), spec, 3);
  tokenizer = await openTokenizer(path('llama'));
  return () => tokenizer.dispose();
});

const tokensOf = (given: readonly Passage[], by: VocabTokenizer) =>
  tokenizePlan(planRag({ passages: given, question }, by), by).blocks.map(({ tokens }) => tokens);

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ name, attention }) => {
  const runs = Object.entries(models).filter(([model]) => name !== 'gathered' || !model.startsWith('lfm2'));

  it.each(runs)('is the oracle in which each passage sees anchor and neighbour: %s', async (model, { family }) => {
    const bound = family === 'gemma3' ? 2e-3 : 1e-4;
    const harness = await ForwardHarness.open(path(model), 'f32', attention);
    const own = await openTokenizer(path(model));
    await using engine = await open({ modelPath: path(model), kvType: 'f32', linear: 'ggml', attention: name });
    const tokens = tokensOf(passages, own);
    const final = tokens.at(-1) ?? new Int32Array(0);
    const neighbours = passages.map(({ previous }) => (previous ? tokensOf([previous], own)[1] : undefined));
    const seen: Float32Array[] = [];
    for (const text of [
      'plain',
      'neighbour:5',
      'anchor:40',
      'anchor:40+neighbour:1',
      'anchor:40+neighbour:1000+hide:2',
    ]) {
      const policy = parsePolicy(text);
      const anchor = tokensBefore(policy, own, 'auto');
      const tail = (tokens: Int32Array | undefined) =>
        policy.neighbour === 0 ? [] : (tokens?.slice(-policy.neighbour) ?? []);
      const before = [new Int32Array(0), ...neighbours.map((one) => Int32Array.from([...anchor, ...tail(one)]))];
      const hidden = tokens.map((_, i) => (i === 0 ? 0 : policy.hide));
      const expected = await anchoredLogits(harness, tokens.slice(0, -1), before, final, hidden);
      const { logits } = await read(engine, { policy });
      expect(relativeError(logits, expected), text).toBeLessThanOrEqual(bound);
      for (const other of seen) expect(relativeError(logits, other), text).toBeGreaterThan(bound);
      seen.push(logits);
    }
    own.dispose();
    harness.dispose();
  });
});

describe('names of blocks', () => {
  const policy = 'anchor:header+neighbour:6';
  const withBefore = (text: string) =>
    passages.map((one) => (one.id === 'town' ? { ...one, previous: { ...bridge, text } } : one));

  it('follow the tail of the passage before, and nothing else of it', async () => {
    await using engine = await open();
    expect((await read(engine, { policy })).statuses).toBe('miss miss miss miss');
    expect((await read(engine, { policy })).statuses).toBe('hit hit hit hit');
    // What begins its document is encoded as without neighbours.
    expect((await read(engine, { policy: 'anchor:header' })).statuses).toBe('hit hit miss miss');
    expect((await read(engine, { policy: `${policy}+head:2+hide:1` })).statuses).toBe('hit hit hit hit');
    expect((await read(engine, { policy, passages: withBefore(`Once. ${bridge.text}`) })).statuses).toBe(
      'hit hit hit hit',
    );
    const others = { policy, passages: withBefore(bridge.text.replace('1987', '1988')) };
    expect((await engine.plan({ ...others, question })).blocks.map(({ tier }) => tier)).toEqual([
      'memory',
      'memory',
      undefined,
      'memory',
      undefined,
    ]);
    expect((await read(engine, others)).statuses).toBe('hit hit miss hit');
    expect((await read(engine, { policy, passages: [...passages, { text: 'Else.' }].toReversed() })).statuses).toBe(
      'hit miss hit hit hit',
    );
    expect((await engine.encode(passages, { policy })).encoded).toBe(0);
    const [, town] = engine.blockKeys(passages, { policy });
    expect(engine.blockKeys(passages.slice(1, 2), { policy })).toEqual([town]);
    expect(engine.blockKeys(others.passages, { policy })[1]).not.toBe(town);
  });

  it('share one anchor, encoded once', async () => {
    await using engine = await open();
    const prompts = vi.spyOn(Runner.prototype, 'prompt');
    try {
      await engine.encode(passages, { policy });
      // The first block and the anchor behind nothing; two tails and the first passage behind the anchor; two passages.
      const behind = prompts.mock.calls.map(([{ blocks }]) => blocks.length).toSorted((a, b) => a - b);
      expect(behind).toEqual([0, 0, 1, 1, 1, 2, 2]);
    } finally {
      prompts.mockRestore();
    }
  });

  it('do not mix lengths, but for neighbours that are shorter', async () => {
    await using engine = await open();
    const keys = (text: string) => engine.blockKeys(passages, { policy: text });
    expect(new Set(['plain', 'neighbour:6', 'neighbour:7', 'anchor:header+neighbour:6'].flatMap(keys)).size).toBe(10);
    expect(keys('neighbour:1000')).toEqual(keys('neighbour:1024'));
  });

  it('are told by the store', async () => {
    const directory = join(folder, 'store');
    const store = await createBlockStore({ directory });
    await using engine = await open({ store });
    for (const text of [policy, 'neighbour:6']) await engine.encode(passages, { policy: text });
    await store.close();
    const labels: (string | undefined)[] = [];
    for await (const { encoding } of listStore(directory)) labels.push(encoding);
    expect(labels.map(String).toSorted()).toEqual([
      '',
      '',
      'anchor:header',
      ...Array(2).fill('anchor:header, neighbour:6'),
      ...Array(2).fill('neighbour:6'),
    ]);
  });

  it('know tools beside the passages', async () => {
    await using engine = await open({ modelPath: path('llama') });
    const messages = [{ role: 'user' as const, content: question }];
    const refusal = await engine.plan({ passages, question: '', agent: { messages, tools: [] }, policy }).catch(String);
    // This model's template has no place for tools: what a plan with them says of its passages is planAgent()'s.
    expect(refusal).toContain('no place for tools');
    const chatTemplate =
      '{{ tools }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|a|>{% endif %}';
    const plan = planAgent({ messages, tools: [], passages, chatTemplate }, tokenizer);
    expect(plan.blocks.map(({ previous }) => previous?.text).filter(Boolean)).toEqual(
      passages.flatMap(({ previous }) => previous?.text ?? []),
    );
  });
});

describe('blocks', () => {
  const policy = 'anchor:40+neighbour:9';

  /** Bytes of the passages' blocks after they were encoded so. */
  async function bytes(encode: (engine: Engine) => Promise<unknown>): Promise<string[]> {
    const store = createMemoryStore({ budgetBytes: 2 ** 28 });
    await using engine = await open({ store, policy });
    await encode(engine);
    const nothing = () => Promise.reject(new Error('the block is not there'));
    const tokens = tokensOf(passages, tokenizer).slice(1, -1);
    const found: string[] = [];
    for (const [i, key] of engine.blockKeys(passages).entries()) {
      const own = tokens[i] ?? new Int32Array(0);
      const size = engine.model.kvBytesPerToken * Math.ceil(own.length / 32) * 32;
      const [handle] = await store.acquire([{ key, tokens: own, bytes: size }], nothing);
      found.push(Buffer.from(handle?.memory.bytes ?? []).toString('hex'));
      handle?.release();
    }
    await store.close();
    return found;
  }

  it('are the same bytes in any order, batch and company', async () => {
    const expected = await bytes((engine) => engine.encode(passages));
    expect(new Set(expected).size).toBe(3);
    const others: ((engine: Engine) => Promise<unknown>)[] = [
      (engine) => engine.encode(passages.toReversed()),
      (engine) => Promise.all(passages.map((passage) => engine.encode([passage]))),
      async (engine) => {
        await Promise.all([read(engine), read(engine, { policy: 'plain' }), read(engine, { policy: 'neighbour:3' })]);
        await engine.forget(passages);
        await read(engine, { passages: [...passages, { text: 'Something else.', previous: bridge }].toReversed() });
        await engine.encode(passages);
      },
    ];
    for (const encode of others) expect(await bytes(encode)).toEqual(expected);
  });

  it('are forgotten with the passage, by whoever says what stood before it', async () => {
    const store = createMemoryStore({ budgetBytes: 2 ** 28 });
    await using engine = await open({ store });
    for (const text of [policy, 'neighbour:9', 'plain']) await engine.encode(passages, { policy: text });
    await using other = await open({ store });
    expect(await other.forget(passages, { policy })).toBe(3 + 3 + 2);
    await engine.encode(passages, { policy });
    const unknown = passages.map((passage) => ({ ...passage, previous: undefined }));
    expect(await engine.forget(unknown)).toBe(1);
    expect(await engine.forget(passages)).toBe(2);
    await store.close();
  });

  it('cost what was computed for them alone', async () => {
    await using engine = await open();
    const behind = { passages: passages.slice(1) };
    await read(engine, { ...behind, policy: 'plain' });
    const { flops: anchored } = await read(engine, { ...behind, policy: 'anchor:40' });
    const { flops, tokens } = await read(engine, { ...behind, policy });
    const perToken = anchored.fullLinear / (tokens.context + tokens.question);
    const tails = (flops.spentLinear - anchored.spentLinear) / perToken;
    // Two tails of nine tokens; what full attention counts beside the tokens is the output head, once.
    expect(Math.round(tails)).toBe(18);
    expect(flops.encoding).toBeGreaterThan(anchored.encoding);
    expect(flops.spent - flops.encoding).toBe(anchored.spent - anchored.encoding);
  });
});

describe('a passage before that cannot be', () => {
  it.each([
    ['text', 'text', 'INVALID_PASSAGES', /passages\[0\]\.previous is not an object: give \{ text, title\? \}/],
    ['blank', { text: ' ' }, 'INVALID_PASSAGES', /passages\[0\]\.previous\.text is empty/],
    ['a title that is none', { text: 'x', title: 5 }, 'INVALID_PASSAGES', /passages\[0\]\.previous\.title is number/],
    ['too long', { text: 'x '.repeat(20_000) }, 'CONTEXT_OVERFLOW', /what stands before .* has/],
  ])('is refused: %s', async (_, previous, code, message) => {
    await using engine = await open();
    const given = [{ text: 'The bridge.', previous }] as unknown as Passage[];
    const refused = expect.objectContaining({ code, message: expect.stringMatching(message) });
    await expect(read(engine, { passages: given, policy: 'neighbour:4' })).rejects.toEqual(refused);
    await expect(engine.encode(given, { policy: 'neighbour:4' })).rejects.toEqual(refused);
    expect(engine.store.stats().blocks).toBe(0);
  });

  it('is not read where the policy does not ask for it', async () => {
    await using engine = await open();
    const long = [{ text: 'The bridge.', previous: { text: 'x '.repeat(20_000) } }];
    expect((await read(engine, { passages: long, policy: 'anchor:header' })).statuses).toBe('miss miss');
  });
});
