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

  const everyday = z.object({
    title: z
      .string()
      .regex(/^[A-Z][a-z ]{2,12}$/)
      .describe('a title'),
    email: z.email(),
    at: z.iso.datetime(),
    count: z.int().min(1).max(9).default(1),
    price: z.number().nonnegative().multipleOf(0.01),
    kind: z.discriminatedUnion('type', [
      z.object({ type: z.literal('a'), x: z.boolean() }),
      z.object({ type: z.literal('b'), y: z.boolean().nullable() }),
    ]),
    tags: z.array(z.string().regex(/^[a-z]{1,4}$/)).max(2),
    scores: z.record(z.enum(['low', 'high']), z.number().max(10)),
  });

  it('openai: a schema as zod writes them every day', async () => {
    // This helper takes no records and no defaults.
    const response_format = zodResponseFormat(everyday.omit({ scores: true, count: true }), 'entry');
    const parsed = await client.chat.completions.parse({ ...request, max_tokens: 600, response_format });
    const { success } = everyday.omit({ scores: true, count: true }).safeParse(parsed.choices[0]?.message.parsed);
    expect(success).toBe(true);
  });

  it('ai sdk: a schema as zod writes them every day, a conversation that begins with the assistant, one that ends with it', async () => {
    const provider = createOpenAICompatible({ name: 'local', baseURL, apiKey, supportsStructuredOutputs: true });
    const model = provider('small');
    const { object } = await generateObject({ model, prompt, schema: everyday, maxOutputTokens: 600 });
    expect(everyday.safeParse(object).error).toBeUndefined();
    const user = { role: 'user' as const, content: prompt };
    const said = { role: 'assistant' as const, content: 'Hello!' };
    for (const messages of [
      [said, user],
      [user, said],
      [user, { ...said, content: [] }, user],
      [user, { ...said, content: '' }],
    ]) {
      const { finishReason } = await generateText({ model, messages, maxOutputTokens: 4, maxRetries: 0 });
      expect(finishReason).toMatch(/stop|length/);
    }
  });

  it('langchain: a schema as zod writes them every day, conversations of any shape', async () => {
    const model = new ChatOpenAI({ model: 'small', maxTokens: 600, apiKey, configuration: { baseURL }, maxRetries: 0 });
    const structured = model.withStructuredOutput(everyday, { name: 'entry', method: 'jsonSchema' });
    expect(everyday.safeParse(await structured.invoke(prompt)).error).toBeUndefined();
    const short = new ChatOpenAI({ model: 'small', maxTokens: 4, apiKey, configuration: { baseURL }, maxRetries: 0 });
    for (const messages of [
      [
        ['assistant', 'Hello!'],
        ['human', prompt],
      ],
      [['system', prompt]],
      [
        ['human', prompt],
        ['assistant', 'It was'],
      ],
      [
        ['human', prompt],
        ['assistant', ''],
        ['human', prompt],
      ],
    ] as [string, string][][]) {
      expect(await short.invoke(messages)).toHaveProperty('response_metadata.finish_reason');
    }
  });

  it('openai: a plain loop over a stream, and its helper with probabilities', async () => {
    let text = '';
    // As people write it: every chunk has a choice.
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      const [choice] = chunk.choices;
      if (choice === undefined) throw new Error('a chunk without a choice');
      text += choice.delta.content ?? '';
    }
    expect(text).toBe((await client.chat.completions.create(request)).choices[0]?.message.content);
    const final = await client.chat.completions.stream({ ...request, logprobs: true }).finalChatCompletion();
    const told = await client.chat.completions.create({ ...request, logprobs: true });
    expect(final.choices[0]?.logprobs?.content).toEqual(told.choices[0]?.logprobs?.content);
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
