import { describe, expect, it } from 'vitest';
import { capture } from '../../../tests/support/cli/cli-capture.ts';
import { smollm2 } from '../../../tests/support/models/real-models.ts';
import { type DemoRow, demoCard, demoHeader, demoNote, demoSummary } from './demo-card.ts';
import { demoPassages, demoQuestions } from './demo-corpus.ts';
import { demoFacts } from './demo-facts.ts';

const row: DemoRow = {
  question: 'When was the Vellmar Bridge opened?',
  expected: '1911',
  full: {
    answer: 'The Vellmar Bridge was opened on 4 May 1911.',
    ttftMs: 4012,
    decodeTokensPerSecond: 50,
    right: true,
  },
  block: {
    answer: 'It was opened in 1911, after six years of work, and replaced a ferry that had run since the Middle Ages.',
    ttftMs: 182.4,
    decodeTokensPerSecond: 50,
    right: true,
  },
  hit: 13,
  missed: 0,
  reusedBytes: 37_600_000,
  flops: { spent: 1e10, encoding: 0, full: 3e11, spentLinear: 9e9, fullLinear: 2e11 },
  agree: false,
};

describe('the demo card', () => {
  it('fits 80 columns', () => {
    const engine = { threads: 2, attention: 'portable', kvType: 'f16', model: { parameters: 134_515_008 } } as const;
    const encoding = {
      blocks: 13,
      encoded: 13,
      present: 0,
      tokens: 1468,
      encodedTokens: 1468,
      bytes: 37_600_000,
      ms: 3004,
    };
    const lines = [
      ...demoHeader({ model: 'smollm2-135m', engine, loadMs: 250, encoding, tokensPerSecond: 489 }),
      ...demoCard(1, row, (text) => text),
      demoSummary([row, { ...row, full: { ...row.full, right: false } }]),
      ...demoNote('smollm2-135m'),
    ];
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "Model    smollm2-135m, 135M parameters, loaded in 250 ms
      Device   2 threads, portable attention, keys and values f16
      Encoded  13 blocks, 1,468 tokens in 3,004 ms (489 tokens/s)
      Stored   35.9 MiB of keys and values, reused by every question

      1  When was the Vellmar Bridge opened?
         full   4,012 ms  The Vellmar Bridge was opened on 4 May 1911.
         block    182 ms  It was opened in 1911, after six years of work, and
                          replaced a ferry that had run since the Middle Ages.
         13 blocks hit, 0 missed, 35.9 MiB reused
         first token -95.5 %, FLOPs to it -96.7 %
         answers differ, both say “1911”

      First token 182 ms instead of 4,012 ms (-95.5 %); right: block 2, full 1 of 2

      smollm2-135m was not fine-tuned for Block-Attention: the times hold for models
      that were, the answers in block mode are worse than theirs (see the README)."
    `);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('tells who is right', () => {
    const last = (changed: Partial<DemoRow>) =>
      demoCard(1, { ...row, ...changed }, (text) => text)
        .at(-2)
        ?.trim();
    const wrong = { ...row.full, right: false };
    expect(last({ agree: true })).toBe('answers agree, both say “1911”');
    expect(last({ full: wrong })).toBe('answers differ, only block attention says “1911”');
    expect(last({ block: wrong })).toBe('answers differ, only full attention says “1911”');
    expect(last({ full: wrong, block: wrong })).toBe('answers differ, neither says “1911”');
  });
});

it.each([
  ['general models', { passages: demoPassages, questions: demoQuestions }],
  ['the embedded model', demoFacts()],
])('asks what the corpus for %s answers', (_, { passages, questions }) => {
  expect(new Set(passages.map(({ title }) => title)).size).toBe(passages.length);
  expect(questions).toHaveLength(3);
  for (const { expected } of questions) {
    expect(passages.filter(({ text }) => text.includes(expected)).length).toBe(1);
  }
});

it('answers from blocks with the embedded model, without a network', async () => {
  const env = { BLOCK_ATTENTION_OFFLINE: '1', BLOCK_ATTENTION_CACHE: '/nonexistent/cache' };
  const { code, json } = await capture(['demo', '--json'], { env });
  expect(code).toBe(0);
  const { questions, model } = json() as { questions: { block: { right: boolean } }[]; model: { name: string } };
  // The reader is not on this machine, so it stands in.
  expect(model.name).toBe('embedded');
  expect(questions.map(({ block }) => block.right)).toEqual([true, true, true]);
});

// Half a minute of work, with a model that is not in the package: only where tests may be slow.
const generalModels = process.env.BLOCK_ATTENTION_NETWORK_TESTS === '1' ? smollm2 : [];
it.each(generalModels)('answers three questions from blocks alone, $name', { timeout: 300_000 }, async ({ path }) => {
  const { code, json } = await capture(['demo', '--model', path, '--json']);
  expect(code).toBe(0);
  const blocks = {
    hit: demoPassages.length + 1,
    missed: 0,
    reusedBytes: expect.any(Number),
    agree: expect.any(Boolean),
  };
  expect(json().questions).toMatchObject(demoQuestions.map(({ question }) => ({ question, ...blocks })));
  expect(json()).toMatchObject({ encoding: { encoded: demoPassages.length + 1, present: 0 } });
});
