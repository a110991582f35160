import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from './index.ts';
import { postHead } from './testing/raw-request.ts';
import { chat, eventsOf, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const path = '/v1/chat/completions';
const start = (limits = {}) => listen(workplace.server({ limits }), 0, '127.0.0.1');

/** A request whose body waits for its end. */
async function beginRequest({ url }: Listening) {
  const body = JSON.stringify(chat({ max_tokens: 2 }));
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const answered = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  await new Promise<void>((resolve) => socket.write(postHead(path, body.length) + body.slice(0, 9), () => resolve()));
  return {
    finish() {
      socket.write(body.slice(9));
      return answered;
    },
  };
}

/** Forced to go on for at least 200 tokens. */
const schema = { type: 'array', items: { enum: [true] }, minItems: 200, maxItems: 200 };
const long = chat({ max_tokens: 600, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });

async function isRefused(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    () => false,
    () => true,
  );
}

describe('close', () => {
  it('answers 503 for as long as a request is under way, finishes it, and is gone then', async () => {
    const listening = await start();
    const { url } = listening;
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    const begun = await beginRequest(listening);
    // Its head has arrived when a later request has.
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(200);
    const closed = listening.close();
    for (let i = 0; i < 5; i++) {
      const ready = await fetch(`${url}/ready`);
      expect(ready.status).toBe(503);
      expect(Number(ready.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(ready.headers.get('connection')).toBe('close');
      const refused = await fetch(`${url}${path}`, post(chat()));
      expect([refused.status, (await jsonOf(refused)).error.code]).toEqual([503, 'shutting_down']);
      expect((await fetch(`${url}/health`)).status).toBe(200);
    }
    const answer = await begun.finish();
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('chat.completion');
    await closed;
    expect(await isRefused(url)).toBe(true);
  });

  it('answers 503 for the time asked for, also when nothing is under way', async () => {
    const listening = await start();
    const closed = listening.close(60_000, { drainMs: 1500 });
    expect((await fetch(`${listening.url}/ready`)).status).toBe(503);
    await closed;
    expect(await isRefused(listening.url)).toBe(true);
    const idle = await start();
    await idle.close();
    expect(await isRefused(idle.url)).toBe(true);
  });

  it('ends a stream that is out of grace with an error event that says so', async () => {
    const listening = await start();
    const stream = await fetch(`${listening.url}${path}`, post({ ...long, stream: true }));
    const reader = stream.body?.getReader();
    let text = Buffer.from((await reader?.read())?.value ?? []).toString();
    await listening.close(0);
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      text += Buffer.from(part.value).toString();
    }
    const last = eventsOf(text).at(-1);
    expect(last).toEqual({
      error: {
        code: 'shutting_down',
        type: 'server_error',
        param: null,
        message: expect.stringContaining('shut down before the answer was complete'),
      },
    });
    expect(text).not.toContain('[DONE]');
    expect(text).not.toMatch(/"finish_reason":"/);
    await expect.poll(() => workplace.engine.usage().kvBytes).toBe(0);
  });

  it('answers what is out of grace with 503', async () => {
    const listening = await start();
    const whole = fetch(`${listening.url}${path}`, post(long));
    await expect.poll(() => workplace.engine.usage().kvBytes, { interval: 1 }).toBeGreaterThan(0);
    await listening.close(0);
    const response = await whole;
    expect([response.status, (await jsonOf(response)).error.code]).toEqual([503, 'shutting_down']);
    expect(response.headers.get('retry-after')).not.toBeNull();
    await expect.poll(() => workplace.engine.usage().kvBytes).toBe(0);
    expect(workplace.engine.store.stats().pinnedBlocks).toBe(0);
  });
});
