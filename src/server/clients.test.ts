import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from './index.ts';
import { Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
const apiKey = 'key-of-clients';
let listening: Listening;
let baseURL: string;
let client: OpenAI;
beforeAll(async () => {
  await workplace.open();
  listening = await listen(workplace.server({ apiKeys: [{ key: apiKey }] }), 0, '127.0.0.1');
  baseURL = `${listening.url}/v1`;
  client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
});
afterAll(async () => {
  await listening.close(100);
  await workplace.close();
});

const prompt = 'When was the bridge opened?';
const request = { model: 'small', max_tokens: 6, messages: [{ role: 'user' as const, content: prompt }] };

describe('clients as they are', () => {
  it('openai: whole, streamed, by schema, errors', async () => {
    const whole = await client.chat.completions.create(request);
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? '';
    }
    expect(streamed).toBe(whole.choices[0]?.message.content);
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
    const response_format = { type: 'json_schema' as const, json_schema: { name: 'x', schema } };
    const shaped = await client.chat.completions.create({ ...request, max_tokens: 40, response_format });
    expect(JSON.parse(shaped.choices[0]?.message.content ?? '')).toEqual({ ok: expect.any(Boolean) });
    const wrong = client.chat.completions.create({ ...request, model: 'other' });
    await expect(wrong).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    const stranger = new OpenAI({ baseURL, apiKey: 'unknown', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it('openai: a stream left early frees what it held', async () => {
    const stream = await client.chat.completions.create({ ...request, max_tokens: 800, stream: true });
    for await (const _ of stream) break;
    await expect.poll(() => workplace.engine.store.stats().pinnedBlocks, { timeout: 10_000 }).toBe(0);
    workplace.engine.store.checkIntegrity();
  });

  it('ai sdk: whole and streamed', async () => {
    const model = createOpenAICompatible({ name: 'local', baseURL, apiKey })('small');
    const { text } = await generateText({ model, prompt, maxOutputTokens: 6 });
    let streamed = '';
    for await (const piece of streamText({ model, prompt, maxOutputTokens: 6 }).textStream) streamed += piece;
    expect(streamed).toBe(text);
  });

  it('langchain: whole and streamed', async () => {
    const model = new ChatOpenAI({ model: 'small', maxTokens: 6, apiKey, configuration: { baseURL } });
    const { content } = await model.invoke(prompt);
    let streamed = '';
    for await (const chunk of await model.stream(prompt)) streamed += chunk.text;
    expect(streamed).toBe(content);
  });

  it('finishes streams when it closes, and takes no more', async () => {
    const other = await listen(workplace.server(), 0, '127.0.0.1');
    const last = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await last.chat.completions.create({ ...request, max_tokens: 50, stream: true });
    const closed = other.close();
    let reason: string | null | undefined;
    for await (const chunk of stream) reason = chunk.choices[0]?.finish_reason ?? reason;
    expect(['stop', 'length']).toContain(reason);
    await closed;
    await expect(last.models.list()).rejects.toThrow();
  });
});
