/**
 * The memory of a device ends while requests are under way, by a limit that the engine keeps to: whatever could not be
 * had, its request alone fails, with a code; nothing is lost, and the engine goes on. On the path of devices, run by the
 * CPU.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import {
  type AnswerRequest,
  createEngine,
  type Engine,
  type EngineOptions,
} from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowPadding } from '../packages/engine/src/model/kv/row-states.ts';
import { writeRandomModel } from './support/models/random-model.ts';
import { relativeError } from './support/oracle/forward-harness.ts';
import { readPrompt } from './support/read-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-shortage-'));
const modelPath = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => writeRandomModel(modelPath, { family: 'llama', headDim: 32, contextTokens: 4096 }, 9));

const open = (options: Partial<EngineOptions> = {}) =>
  createEngine({
    modelPath,
    device: 'cpu',
    attention: 'gathered',
    threads: 1,
    mode: 'block',
    policy: 'plain',
    kvType: 'f32',
    linear: 'ggml',
    contextTokens: 2 ** 24,
    cacheDir: join(folder, 'cache'),
    ...options,
  });

const question = 'When was the bridge opened?';
const texts = [
  'The bridge was opened in 1931.',
  'Tessen is a town of clock makers. '.repeat(9),
  'The Ald is 90 km long.',
  'Salt.',
];
const passages = texts.map((text, i) => ({ id: String(i), text }));
/** Bytes of the least rows that a sequence takes: 256 of 1,536 bytes. */
const rowsBytes = rowPadding * 1536;

type Read = Awaited<ReturnType<typeof readPrompt>>;

/** What a request gave, or the error it failed with, which must be of memory and say what to do. */
async function outcomeOf(answered: Promise<Read>): Promise<Read | undefined> {
  try {
    return await answered;
  } catch (error) {
    if (!BlockAttentionError.isInstance(error)) throw error;
    expect(error.message).toMatch(/has no \d+ bytes left for .*: \d+ of the \d+ that deviceBytes allows are taken: /);
    expect(error.message).toContain('shorten the prompt or the answer');
    expect(error).toMatchObject({ code: 'MODEL_TOO_LARGE', status: 507 });
    return undefined;
  }
}

/** What a batch is cut into changes the order of sums at most. */
function expectSame(found: Read, right: Read | undefined): void {
  expect(relativeError(found.logits, right?.logits ?? new Float32Array(0))).toBeLessThan(1e-5);
  expect(found.text).toBe(right?.text);
}

/** A sequence that needs all that the limit allows gets it only if nothing else is held, but what can be given back. */
async function expectNothingHeld(engine: Engine): Promise<void> {
  const { limitBytes } = engine.usage().device;
  const whole = Math.floor((limitBytes ?? 0) / rowsBytes);
  const maxTokens = (whole - 1) * rowPadding;
  const refused = engine.answer({ passages: passages.slice(2), question, maxTokens }).result;
  const taken = `: ${whole * rowsBytes} of the ${limitBytes} that deviceBytes allows are taken`;
  await expect(refused).rejects.toThrow(taken);
  expect(engine.usage().kvBytes).toBe(0);
  expect(engine.store.stats().pinnedBlocks).toBe(0);
}

describe('memory that ends', () => {
  const requests: AnswerRequest[] = [
    { passages, question, maxTokens: 12 },
    { passages: passages.slice(2), question: question.repeat(12), maxTokens: 12 },
    { passages: [...passages].reverse(), question, maxTokens: 12, policy: 'deviation:0.3' },
    { passages, question, maxTokens: 12, policy: 'anchor:header+head:4' },
    { passages, question, maxTokens: 12, mode: 'full' },
    { passages: passages.slice(3), question, maxTokens: 12 },
  ];

  it('fails alone, wherever it ends, and leaves nothing behind', async () => {
    const right: Read[] = [];
    await using free = await open();
    for (const request of requests) right.push(await readPrompt(free, request));
    const tally = { answered: 0, refused: 0 };
    // From less than one sequence with its graphs to all of them at once; a remainder that holds no graph.
    for (const sequences of [1, 3, 4, 5, 8, 13, 21, 34]) {
      await using engine = await open({ deviceBytes: sequences * rowsBytes + 1000, prefixBytes: 2 ** 20 });
      for (let round = 0; round < 2; round++) {
        const found = await Promise.all(requests.map((request) => outcomeOf(readPrompt(engine, request))));
        found.forEach((one, i) => {
          if (one === undefined) tally.refused += 1;
          else {
            tally.answered += 1;
            expectSame(one, right[i]);
          }
        });
        expect(engine.usage().device.usedBytes).toBeLessThanOrEqual(sequences * rowsBytes + 1000);
      }
      await engine.encode(passages.slice(2)).catch(() => undefined);
      if (sequences > 2) expectSame(await readPrompt(engine, requests[5] ?? { passages, question }), right[5]);
      if (sequences > 2) await expectNothingHeld(engine);
      if (sequences > 2) expectSame(await readPrompt(engine, requests[5] ?? { passages, question }), right[5]);
    }
    expect(tally.answered).toBeGreaterThan(20);
    expect(tally.refused).toBeGreaterThan(20);
  });

  it('does no harm to an answer under way', async () => {
    const long = { passages: passages.slice(2), question, maxTokens: 40 };
    await using engine = await open({ deviceBytes: 4 * rowsBytes });
    const right = await engine.answer(long).result;
    const pieces: string[] = [];
    let refused = 0;
    for await (const piece of engine.answer(long)) {
      pieces.push(piece);
      if (pieces.length % 8 !== 1) continue;
      const hungry = { passages: passages.slice(2), question, maxTokens: 4 * rowPadding };
      if ((await outcomeOf(readPrompt(engine, hungry))) === undefined) refused += 1;
    }
    expect(pieces.join('')).toBe(right.text);
    expect(refused).toBeGreaterThan(1);
  });

  it('is found in smaller batches', async () => {
    const request = { passages: passages.slice(2), question: question.repeat(30) };
    await using free = await open();
    const right = await readPrompt(free, request);
    // Two sequences of this length and a third of what the prompt takes in one batch.
    const { usedBytes } = free.usage().device;
    await using engine = await open({ deviceBytes: 2 * 3 * rowsBytes + Math.floor(usedBytes / 3), poolBytes: 0 });
    expectSame(await readPrompt(engine, request), right);
    expect(engine.usage().device.usedBytes).toBeLessThan(usedBytes);
  });

  it('is taken from blocks that stay on the device, which come again from the store', async () => {
    await using engine = await open({ deviceBytes: 11 * rowsBytes, poolBytes: 4 * rowsBytes });
    const first = await readPrompt(engine, { passages, question });
    const { pool } = engine.usage();
    expect(pool).toMatchObject({ budgetBytes: 4 * rowsBytes, blocks: 5 });
    const begun = new AbortController();
    let logits = new Float32Array(0);
    const onPromptLogits = (all: Float32Array) => {
      logits = all.slice();
      begun.abort();
    };
    const large = { passages, question, maxTokens: 6 * rowPadding, signal: begun.signal, onPromptLogits };
    expect((await engine.answer(large).result).stopReason).toBe('aborted');
    expect(relativeError(logits, first.logits)).toBeLessThan(1e-5);
    expect(engine.usage().pool?.budgetBytes).toBeLessThan(4 * rowsBytes);
    expectSame(await readPrompt(engine, { passages, question }), first);
  });

  it('is no reason to open an engine that was given too little', async () => {
    await expect(open({ deviceBytes: 5000, poolBytes: rowsBytes })).rejects.toMatchObject({
      code: 'MODEL_TOO_LARGE',
      message: expect.stringContaining('256 rows of keys and values: 0 of the 5000 that deviceBytes allows'),
    });
    for (const deviceBytes of [0, -1, Number.NaN]) {
      await expect(open({ deviceBytes })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: `deviceBytes is ${deviceBytes}: give a number of bytes above 0`,
      });
    }
  });
});
