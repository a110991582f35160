import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  engineRounding,
  expectSameAnswer,
  type WitnessedAnswer,
  witnessedAnswer,
} from '../../../../../tests/support/answers.ts';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { createEngine } from '../engine.ts';
import type { AnswerRequest, Engine, Passage } from '../types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-prefix-'));
const modelPath = join(folder, 'model.gguf');
const options = { modelPath, threads: 1, device: 'cpu', cacheDir: join(folder, 'cache') } as const;
let engine: Engine;
let plain: Engine;
let rounding: number;
beforeAll(async () => {
  await writeRandomModel(modelPath, { family: 'llama', contextTokens: 1024 }, 3);
  engine = await createEngine({ ...options, prefixBytes: 2 ** 26 });
  plain = await createEngine(options);
  rounding = await engineRounding(modelPath);
});
afterAll(async () => {
  await engine.close();
  await plain.close();
  rmSync(folder, { recursive: true });
});

const passages: Passage[] = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', text: 'Tessen is a town of clock makers on the river Ald.' },
];
const base: AnswerRequest = { passages, question: 'When was the bridge opened, and by whom?', maxTokens: 12 };
const ask = (more: Partial<AnswerRequest> = {}, of = engine) => witnessedAnswer(of, { ...base, ...more });

/** The next turn of a conversation that began with `base`. */
async function secondTurn(mode: 'block' | 'full'): Promise<Partial<AnswerRequest>> {
  const first = await ask({ mode, historyIn: 'final' });
  const history = [{ user: base.question, assistant: `So ${first.text.trim()}` }];
  return { mode, historyIn: 'final', history, question: 'And what is made there?' };
}

describe('a conversation that goes on', () => {
  it.each(['full', 'block'] as const)(
    '%s mode: reuses what it began with, and answers as a fresh run does',
    async (mode) => {
      const request = await secondTurn(mode);
      const reused = await ask(request);
      const fresh = await ask(request, plain);
      expectSameAnswer(reused, fresh, rounding);
      expect(fresh.reusedTokens).toBe(0);
      expect(reused.reusedTokens).toBeGreaterThan(30);
      expect(reused.reusedTokens).toBeLessThan(reused.tokens.context + reused.tokens.question);
      expect(reused.flops.spent).toBeLessThan(fresh.flops.spent);
      expect(reused.flops.full).toBe(fresh.flops.full);
    },
  );

  it('finds nothing under other blocks, another order of them, another tenant, or when asked not to look', async () => {
    const question = 'Which of the two is older, the bridge or the town that it leads to?';
    const request = { question, mode: 'block' as const };
    expect((await ask(request)).reusedTokens).toBe(0);
    expect((await ask(request)).reusedTokens).toBeGreaterThan(15);
    const others: Partial<AnswerRequest>[] = [
      { passages: [...passages].reverse() },
      { passages: passages.slice(0, 1) },
      { tenant: 'other' },
      { prefixReuse: false },
    ];
    for (const other of others) expect((await ask({ ...request, ...other })).reusedTokens).toBe(0);
  });

  it('forgets with the documents, also what was under way', async () => {
    await ask({ mode: 'full' });
    const running = ask({ mode: 'full', maxTokens: 60, question: 'Is it long?' });
    await engine.forget(passages.slice(0, 1));
    expect(engine.usage().prefixes).toMatchObject({ entries: 0, bytes: 0 });
    await running;
    expect(engine.usage()).toMatchObject({ kvBytes: 0, prefixes: { entries: 0 } });
    expect((await ask({ mode: 'full' })).reusedTokens).toBe(0);
  });

  it('copies from a sequence that is still growing, and both get what each gets alone', async () => {
    const requests = ['?', '!', '.', '...'].map((end) => ({
      mode: 'full' as const,
      maxTokens: 30,
      question: `${base.question}${end}`,
    }));
    const alone: WitnessedAnswer[] = [];
    for (const request of requests) alone.push(await ask(request, plain));
    const [first, ...rest] = requests;
    const stream = engine.answer({ ...base, ...first });
    for await (const _ of stream) {
      const others = await Promise.all(rest.map((request) => ask(request)));
      expect(others.every(({ reusedTokens }) => reusedTokens > 40)).toBe(true);
      for (const [i, reference] of alone.slice(1).entries())
        expectSameAnswer(others[i] ?? reference, reference, rounding);
      break;
    }
    await stream.result;
    const [reference] = alone;
    if (reference !== undefined) expectSameAnswer(await ask(first), reference, rounding);
  });
});

describe('memory of answers', () => {
  it('is bounded: prefixes give way, requests wait for each other, and what can never fit is refused', async () => {
    const whole = await ask({ mode: 'full', maxTokens: 300 });
    const bytes = (whole.tokens.context + whole.tokens.question + 300 + 32) * engine.model.kvBytesPerToken;
    await using small = await createEngine({ ...options, kvBytes: Math.floor(bytes * 1.5), prefixBytes: bytes });
    let most = 0;
    const requests = [0, 1, 2, 3].map((i) => ({ mode: 'full' as const, maxTokens: 300, question: `Number ${i}?` }));
    const timer = setInterval(() => (most = Math.max(most, small.usage().kvBytes)), 1);
    const answers = await Promise.all(requests.map((request) => ask(request, small)));
    clearInterval(timer);
    expect(answers).toHaveLength(4);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(bytes * 1.5);
    expect(small.usage().kvWaiting).toBe(0);
    const controller = new AbortController();
    const waiting = [0, 1].map(() => ask({ mode: 'full', maxTokens: 300, signal: controller.signal }, small));
    controller.abort();
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(ask({ mode: 'full', maxTokens: 700 }, small)).rejects.toMatchObject({ code: 'MODEL_TOO_LARGE' });
    expect((await ask({ mode: 'full', maxTokens: 8 }, small)).tokens.answer).toBeGreaterThan(0);
  });
});
