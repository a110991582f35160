import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chat, jsonOf, post, Workplace } from '../testing/workplace.ts';
import { BodyBudget } from './body-budget.ts';

describe('the room for bodies', () => {
  it('is shared, given back once, and refused when it is full', () => {
    const budget = new BodyBudget(10);
    const one = budget.lease();
    one.take(4);
    one.take(2);
    const other = budget.lease();
    expect(() => other.take(5)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    expect(budget.bytes).toBe(6);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(budget.bytes).toBe(0);
    other.take(10);
    expect(() => budget.lease().take(1)).toThrow(/10 bytes/);
  });
});

describe('requests that are still sent', () => {
  const workplace = new Workplace();
  beforeAll(() => workplace.open());
  afterAll(() => workplace.close());

  /** A body of which a part has arrived, until `finish` gives the rest. */
  function slow(text: string): { readonly request: RequestInit; readonly finish: () => void } {
    const bytes = new TextEncoder().encode(text);
    let finish = () => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.subarray(0, bytes.length - 1));
        finish = () => {
          controller.enqueue(bytes.subarray(bytes.length - 1));
          controller.close();
        };
      },
    });
    const headers = { 'content-type': 'application/json' };
    return { request: { method: 'POST', body, headers, duplex: 'half' } as RequestInit, finish };
  }

  it.each(['/v1/chat/completions', '/api/chat'])('count together, and give their room back: %s', async (path) => {
    const padding = 'x'.repeat(3000);
    const text = JSON.stringify(chat({ user: padding, max_tokens: 2 }));
    const { app } = workplace.server({ limits: { bodyBytes: 4000, bodiesBytes: 8000 } });
    const sent = [slow(text), slow(text)];
    const answers = sent.map(({ request }) => app.request(path, request));
    // The two hold their bodies before the third comes.
    await expect
      .poll(async () => (await app.request(path, post(text))).status, { interval: 5, timeout: 10_000 })
      .toBe(429);
    const refused = await app.request(path, post(text));
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(JSON.stringify(await jsonOf(refused))).toContain('overloaded');
    for (const { finish } of sent) finish();
    for (const answer of answers) expect((await answer).status).toBe(200);
    expect((await app.request(path, post(text))).status).toBe(200);
  });
});
