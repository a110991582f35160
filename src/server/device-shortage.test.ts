/** A device whose memory ends while clients wait: who gets none is told so, the others get their answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chat, eventsOf, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace({ contextTokens: 2 ** 20 });
/** 256 rows of 384 bytes: the least that a sequence takes. */
const rowsBytes = 256 * 384;
beforeAll(async () => {
  await workplace.open({ attention: 'gathered', deviceBytes: 12 * rowsBytes, poolBytes: rowsBytes });
});
afterAll(() => workplace.close());

/** More than there is. */
const hungry = { max_tokens: 12 * 256 };
/** By itself it fits, with others like it it does not. */
const large = { max_tokens: 5 * 256, stop: ['e', 'a', 'o', ' '] };

describe('a device that runs out of memory', () => {
  it('is an error with a code for who needs it, at once or streamed, and nothing to the others', async () => {
    const { app } = workplace.server();
    const ask = async (more: object = {}) => app.request('/v1/chat/completions', post(chat(more)));
    const right = await jsonOf(await ask());
    for (let round = 0; round < 2; round++) {
      const [first, refused, streamed, second] = await Promise.all([
        ask(),
        ask(hungry),
        ask({ ...hungry, stream: true }),
        ask(),
      ]);
      for (const answered of [first, second]) {
        expect(answered?.status).toBe(200);
        expect((await jsonOf(answered ?? new Response())).choices).toEqual(right.choices);
      }
      expect(refused?.status).toBe(507);
      const { error } = await jsonOf(refused ?? new Response());
      expect(error.code).toBe('model_too_large');
      expect(error.message).toMatch(/bytes left for \d+ rows of keys and values.*shorten the prompt or the answer/);
      const body = await (streamed ?? new Response()).text();
      const said = streamed?.status === 200 ? eventsOf(body).at(-1) : JSON.parse(body);
      expect(said).toMatchObject({ error: { code: 'model_too_large' } });
    }
    expect(workplace.engine.usage().kvBytes).toBe(0);
  });

  it('serves many at once as far as it goes, and all of them afterwards', async () => {
    const { app } = workplace.server();
    const ask = async (more: object = {}) => app.request('/v1/chat/completions', post(chat(more)));
    const together = await Promise.all(Array.from({ length: 6 }, () => ask(large)));
    const statuses = together.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 507]));
    for (let i = 0; i < 3; i++) expect((await ask(large)).status).toBe(200);
    const text = await (await app.request('/metrics')).text();
    expect(text).toMatch(/device_used_bytes \d+/);
    expect(text).toMatch(new RegExp(`device_limit_bytes ${12 * rowsBytes}\\b`));
  });
});
