import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPrng } from '../../tests/support/prng.ts';
import { chat, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const wrong: unknown[] = [{ a: 1 }, 1e308, -1, 'x', true, [[]], [null], '\ud800', { __proto__: null, type: 7 }];
const fields = [
  'model',
  'messages',
  'documents',
  'temperature',
  'n',
  'stop',
  'response_format',
  'stream',
  'tools',
  'top_p',
];

it('answers 2,000 malformed bodies with 4xx in the shape of OpenAI’s errors', async () => {
  const { app } = workplace.server({ limits: { bodyBytes: 10_000 } });
  const prng = createPrng(7);
  const below = (n: number) => Math.min(n - 1, Math.floor(prng.uniform() * n));
  for (let i = 0; i < 2000; i++) {
    const good = JSON.stringify(chat());
    const damaged = [
      // No prefix of a JSON object is one.
      () => good.slice(0, below(good.length)),
      () => JSON.stringify(chat({ [fields[below(6)] ?? '']: wrong[below(2)] })).replace('"small"', '7'),
      () => JSON.stringify({ ...chat(), messages: wrong[below(wrong.length)] }),
      () => JSON.stringify({ ...chat(), documents: [wrong[below(wrong.length)]] }),
      () => `${'['.repeat(below(9000))}`,
      () => JSON.stringify(chat({ messages: [{ role: 'user', content: 'x'.repeat(10_000) }] })),
      () => JSON.stringify(chat({ documents: [{ text: 'a\ud800b' }] })),
      () => `${good}${'}'.repeat(1 + below(5))}`,
    ][i % 8];
    const response = await app.request('/v1/chat/completions', post(damaged?.() ?? ''));
    expect(response.status, damaged?.().slice(0, 200)).toBeGreaterThanOrEqual(400);
    expect(response.status, damaged?.().slice(0, 200)).toBeLessThan(500);
    const { error } = await jsonOf(response);
    expect(error).toMatchObject({
      message: expect.any(String),
      type: 'invalid_request_error',
      code: expect.any(String),
    });
  }
  const body = Uint8Array.of(0x22, 0xff, 0xfe, 0x22);
  expect((await app.request('/v1/completions', { method: 'POST', body })).status).toBe(400);
  expect((await app.request('/v1/chat/completions', post(chat()))).status).toBe(200);
  workplace.engine.store.checkIntegrity();
  expect(workplace.engine.store.stats().pinnedBlocks).toBe(0);
});
