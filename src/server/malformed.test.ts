import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptBytes } from '../../packages/engine/src/store/testing/blocks.ts';
import { createPrng } from '../../tests/support/prng.ts';
import { type Listening, listen } from './index.ts';
import { postHead, sendRaw } from './testing/raw-request.ts';
import { chat, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const path = '/v1/chat/completions';

async function serves(app: ReturnType<Workplace['server']>['app']): Promise<void> {
  expect((await app.request(path, post(chat()))).status).toBe(200);
  workplace.engine.store.checkIntegrity();
  expect(workplace.engine.store.stats().pinnedBlocks).toBe(0);
  expect(workplace.engine.usage().kvBytes).toBe(0);
}

function expectOpenAiError(body: string, what: string): void {
  const { error } = JSON.parse(body);
  expect(error, what).toMatchObject({
    message: expect.any(String),
    type: 'invalid_request_error',
    code: expect.any(String),
  });
  expect([null, 'string']).toContain(error.param === null ? null : typeof error.param);
}

/** Values that no field of a chat request takes, but for those named. */
const wrong: unknown[] = [{ a: 1 }, 1e308, -1, 'x\u0000', true, [[]], [null], '\ud800', { type: 7 }, 0.5, '', [{}]];
const takes: Readonly<Record<string, (value: unknown) => boolean>> = {
  messages: () => false,
  documents: () => false,
  temperature: (value) => value === 0.5,
  top_p: (value) => value === 0.5,
  min_p: (value) => value === 0.5,
  top_k: (value) => value === -1,
  n: () => false,
  max_tokens: (value) => value === -1,
  seed: (value) => value === -1,
  stop: (value) => typeof value === 'string',
  response_format: () => false,
  block_attention: () => false,
  stream: (value) => value === true,
  logprobs: (value) => value === true,
  top_logprobs: () => false,
  // Empty, as `[]` is.
  tools: (value) => value === '',
  presence_penalty: (value) => value === -1 || value === 0.5,
};
const fields = Object.keys(takes);

describe('10,000 malformed requests', () => {
  it('get a 4xx each, in the shape of OpenAI’s errors, and leave nothing behind', async () => {
    const { app } = workplace.server({ limits: { bodyBytes: 4000, documents: 20 } });
    const prng = createPrng(7);
    const below = (n: number) => Math.min(n - 1, Math.floor(prng.uniform() * n));
    const good = JSON.stringify(chat());
    const damages: readonly (() => string | Uint8Array)[] = [
      // No prefix of a JSON object is one.
      () => good.slice(0, below(good.length)),
      () => {
        const field = fields[below(fields.length)] ?? '';
        const values = wrong.filter((value) => !takes[field]?.(value));
        return JSON.stringify(chat({ [field]: values[below(values.length)] }));
      },
      () => JSON.stringify(chat({ messages: [{ role: ['tool', 'x', 7, null][below(4)], content: 'x' }] })),
      () => JSON.stringify(chat({ documents: [wrong[below(wrong.length)]] })),
      () => '['.repeat(1 + below(3900)),
      () => JSON.stringify(chat({ messages: [{ role: 'user', content: 'x'.repeat(4000) }] })),
      () => JSON.stringify(chat({ documents: [{ text: 'a\ud800b' }] })),
      () => `${good}${'}'.repeat(1 + below(5))}`,
      () => JSON.stringify(chat({ max_tokens: [0, -5, 1.5, 2 ** 40, 1e300][below(5)] })),
      () => {
        const bytes = Buffer.from(good);
        bytes[1 + below(bytes.length - 2)] = 0x80 + below(0x40);
        return bytes;
      },
      () => JSON.stringify(chat({ documents: Array.from({ length: 21 }, () => ({ text: 'x' })) })),
      () => JSON.stringify(chat({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] })),
    ];
    const send = async (i: number) => {
      const body = damages[i % damages.length]?.() ?? '';
      const response = await app.request(path, { ...post(''), body: body as NonNullable<RequestInit['body']> });
      const what = `${i}: ${Buffer.from(body).toString().slice(0, 200)}`;
      expect(response.status, what).toBeGreaterThanOrEqual(400);
      expect(response.status, what).toBeLessThan(500);
      expectOpenAiError(await response.text(), what);
    };
    for (let i = 0; i < 500; i++) await send(i);
    const before = (await keptBytes()).heap;
    for (let i = 500; i < 9500; i++) await send(i);
    expect((await keptBytes()).heap - before).toBeLessThan(4 * 2 ** 20);
    await serves(app);
  });
});

describe('over sockets', () => {
  let listening: Listening;
  const server = () => workplace.server({ limits: { bodyBytes: 4000 } });
  beforeAll(async () => {
    listening = await listen(server(), 0, '127.0.0.1', { requestTimeoutMs: 400 });
  });
  afterAll(() => listening.close(100));

  const good = JSON.stringify(chat({ max_tokens: 2 }));
  const kinds: readonly (readonly [string, number | undefined, (i: number) => Parameters<typeof sendRaw>[1]])[] = [
    ['no HTTP', 400, () => ({ parts: ['\u0016\u0003\u0001 hello\r\n\r\n'] })],
    [
      'headers without end',
      431,
      () => ({ parts: [`GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: ${'y'.repeat(20_000)}\r\n\r\n`] }),
    ],
    [
      'a length that is not a number',
      400,
      () => ({ parts: [`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ten\r\n\r\n`] }),
    ],
    [
      'two lengths',
      400,
      () => ({
        parts: [`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`],
      }),
    ],
    ['a body announced too large', 413, () => ({ parts: [postHead(path, 5_000_000)] })],
    [
      'a body too large in chunks',
      413,
      () => ({
        parts: [
          postHead(path, 'chunked'),
          ...Array.from({ length: 6 }, () => `3e8\r\n${'x'.repeat(1000)}\r\n`),
          '0\r\n\r\n',
        ],
      }),
    ],
    ['half a body', 408, (i) => ({ parts: [postHead(path, good.length), good.slice(0, 1 + (i % (good.length - 1)))] })],
    [
      'a body that trickles',
      408,
      () => ({ parts: [postHead(path, good.length), ...good.slice(0, 40).split('')], pauseMs: 25 }),
    ],
    ['a broken chunk', 400, () => ({ parts: [postHead(path, 'chunked'), 'zz\r\nabc\r\n'] })],
    [
      'a body cut off',
      undefined,
      (i) => ({ parts: [postHead(path, good.length), good.slice(0, i % good.length)], cut: true }),
    ],
    [
      'a client gone while it is answered',
      undefined,
      () => ({ parts: [postHead(path, good.length), good], cut: true }),
    ],
    [
      'an unknown method',
      404,
      () => ({ parts: [`PATCH ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`] }),
    ],
    ['broken JSON', 400, () => ({ parts: [postHead(path, 7), '{"a": \u0000}'.slice(0, 7)] })],
  ];

  it('gets the same for what is not a request, comes too slowly, is too large, or ends early', async () => {
    const before = (await keptBytes()).heap;
    for (let round = 0; round < 3; round++) {
      const all = Array.from({ length: 13 }, (_, i) =>
        kinds.map((kind) => [...kind, round * 91 + i * 7] as const),
      ).flat();
      await Promise.all(
        all.map(async ([name, status, make, i]) => {
          const answer = await sendRaw(listening.url, make(i));
          if (status === undefined) return;
          expect(answer.status, name).toBe(status);
          expectOpenAiError(answer.body, name);
        }),
      );
    }
    const response = await fetch(`${listening.url}${path}`, post(chat({ max_tokens: 2 })));
    expect(response.status).toBe(200);
    expect(await jsonOf(response)).toMatchObject({ object: 'chat.completion' });
    await expect.poll(() => workplace.engine.store.stats().pinnedBlocks).toBe(0);
    expect((await keptBytes()).heap - before).toBeLessThan(8 * 2 ** 20);
    await serves(server().app);
  });
});
