import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
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

  it('openai: structured output by its helper, probabilities, documents, an aborted request', async () => {
    const shape = z.object({ open: z.boolean(), kind: z.enum(['old', 'new']) });
    const response_format = zodResponseFormat(shape, 'bridge');
    const parsed = await client.chat.completions.parse({ ...request, max_tokens: 60, response_format });
    expect(shape.safeParse(parsed.choices[0]?.message.parsed).success).toBe(true);
    const told = await client.chat.completions.create({ ...request, logprobs: true, top_logprobs: 2 });
    expect(told.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2);
    // The field that OpenAI does not have goes along with a request as it is.
    const body = { ...request, documents: [{ id: 'a', text: 'The bridge was opened in 1931.' }] };
    const answer = (await client.chat.completions.create(body)) as { block_attention?: { blocks: { id: string }[] } };
    expect(answer.block_attention?.blocks.map(({ id }) => id)).toEqual(['system', 'a']);
    const controller = new AbortController();
    // An answer that cannot end early.
    const endless = zodResponseFormat(z.object({ all: z.array(z.boolean()).min(250) }), 'long');
    const long = { ...request, max_tokens: 900, response_format: endless };
    const aborted = client.chat.completions.create(long, { signal: controller.signal });
    aborted.catch(() => undefined);
    await expect.poll(() => workplace.engine.usage().kvBytes, { interval: 1 }).toBeGreaterThan(0);
    controller.abort();
    await expect(aborted).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => workplace.engine.usage().kvBytes, { timeout: 10_000 }).toBe(0);
  });

  it('ai sdk: objects by schema, errors with their status, an aborted stream', async () => {
    const provider = createOpenAICompatible({ name: 'local', baseURL, apiKey, supportsStructuredOutputs: true });
    const schema = z.object({ open: z.boolean() });
    const { object } = await generateObject({ model: provider('small'), prompt, schema, maxOutputTokens: 60 });
    expect(schema.safeParse(object).success).toBe(true);
    const wrong = generateText({ model: provider('other'), prompt, maxRetries: 0 });
    await expect(wrong).rejects.toMatchObject({ statusCode: 404 });
    const controller = new AbortController();
    const stream = streamText({
      model: provider('small'),
      prompt,
      maxOutputTokens: 900,
      abortSignal: controller.signal,
      onError: () => undefined,
    });
    for await (const _ of stream.textStream) controller.abort();
    await expect.poll(() => workplace.engine.usage().kvBytes, { timeout: 10_000 }).toBe(0);
  });

  it('langchain: structured output, errors, an aborted stream', async () => {
    const options = { maxTokens: 60, apiKey, configuration: { baseURL }, maxRetries: 0 };
    const model = new ChatOpenAI({ ...options, model: 'small' });
    const schema = z.object({ open: z.boolean() });
    const structured = model.withStructuredOutput(schema, { name: 'bridge', method: 'jsonSchema' });
    expect(schema.safeParse(await structured.invoke(prompt)).success).toBe(true);
    const wrong = new ChatOpenAI({ ...options, model: 'other' });
    await expect(wrong.invoke(prompt)).rejects.toMatchObject({ status: 404 });
    const controller = new AbortController();
    const left = async () => {
      const long = new ChatOpenAI({ ...options, model: 'small', maxTokens: 900 });
      for await (const _ of await long.stream(prompt, { signal: controller.signal })) controller.abort();
    };
    await left().catch(() => undefined);
    await expect.poll(() => workplace.engine.usage().kvBytes, { timeout: 10_000 }).toBe(0);
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
