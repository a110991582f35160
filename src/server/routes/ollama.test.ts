import { join } from 'node:path';
import { Ollama } from 'ollama';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomEncoder } from '../../../tests/support/models/random-encoder.ts';
import { type Embedder, openEmbedder } from '../../rag/index.ts';
import { type Listening, listen } from '../index.ts';
import { documents, jsonOf, post, Workplace } from '../testing/workplace.ts';

const apiKey = 'test-key-1';
const workplace = new Workplace();
let embedder: Embedder;
let listening: Listening;
let client: Ollama;
beforeAll(async () => {
  await workplace.open();
  const path = join(workplace.folder, 'bert.gguf');
  await writeRandomEncoder(path, 1);
  embedder = await openEmbedder(path, { threads: 1, env: { BLOCK_ATTENTION_CACHE: workplace.folder } });
  const server = workplace.server({ embedder, apiKeys: [{ key: apiKey }], modelName: ['small', 'other'] });
  listening = await listen(server, 0, '127.0.0.1');
  client = new Ollama({ host: listening.url, headers: { authorization: `Bearer ${apiKey}` } });
});
afterAll(async () => {
  await listening.close(100);
  await embedder[Symbol.asyncDispose]();
  await workplace.close();
});

const messages = [{ role: 'user', content: 'When was the bridge opened?' }];
const options = { num_predict: 6, num_ctx: 512, temperature: 0 };
const openAi = async (at: string, body: object) =>
  jsonOf(await workplace.server().app.request(at, post({ model: 'small', max_tokens: 6, ...body })));

describe('the client of Ollama', () => {
  it('chats, whole and streamed, as the chat of OpenAI’s API answers', async () => {
    const whole = await client.chat({ model: 'small', messages, options });
    const { choices, usage } = await openAi('/v1/chat/completions', { messages });
    expect(whole).toMatchObject({ model: 'small', done: true, done_reason: 'length', eval_count: 6 });
    expect(whole.message).toEqual({ role: 'assistant', content: choices[0].message.content });
    expect(whole.prompt_eval_count).toBe(usage.prompt_tokens);
    expect(whole.total_duration).toBeGreaterThanOrEqual(whole.eval_duration);
    let text = '';
    let ends = 0;
    for await (const { message, done } of await client.chat({
      model: 'small:latest',
      messages,
      options,
      stream: true,
    })) {
      text += message.content;
      ends += Number(done);
    }
    expect([text, ends]).toEqual([whole.message.content, 1]);
  });

  it('has documents as blocks where it gives any', async () => {
    const request = { model: 'small', messages, options, documents, block_attention: { mode: 'block' } };
    const answer = (await client.chat(request)) as unknown as { block_attention: { blocks: { id: string }[] } };
    expect(answer.block_attention.blocks.map(({ id }) => id)).toEqual(['system', 'bridge', 'town']);
  });

  it('generates: a question in the template, a raw prompt as it is', async () => {
    const prompt = 'When was the bridge opened?';
    const { response } = await client.generate({ model: 'other', prompt, system: 'Be brief.', options });
    const system = { role: 'system', content: 'Be brief.' };
    const asked = await openAi('/v1/chat/completions', { messages: [system, ...messages] });
    expect(response).toBe(asked.choices[0].message.content);
    const raw = await client.generate({ model: 'small', prompt, raw: true, options });
    const completed = await openAi('/v1/completions', { prompt });
    expect(raw.response).toBe(completed.choices[0].text);
    expect(raw.prompt_eval_count).toBe(completed.usage.prompt_tokens);
    let streamed = '';
    for await (const part of await client.generate({ model: 'small', prompt, raw: true, options, stream: true })) {
      streamed += part.response;
    }
    expect(streamed).toBe(raw.response);
  });

  it('asks for JSON, and by schema', async () => {
    const schema = { type: 'object', properties: { open: { type: 'boolean' } }, required: ['open'] };
    const shaped = await client.chat({ model: 'small', messages, format: schema, options: { num_predict: 60 } });
    expect(JSON.parse(shaped.message.content)).toEqual({ open: expect.any(Boolean) });
    const { response } = await client.generate({
      model: 'small',
      prompt: 'x',
      format: { ...schema, properties: { open: { const: 1 } } },
    });
    expect(JSON.parse(String(response))).toEqual({ open: 1 });
  });

  it('stops at strings, and answers at length where nothing limits it', async () => {
    const format = { type: 'array', items: { type: 'boolean' }, minItems: 60, maxItems: 60 };
    const long = await client.chat({ model: 'small', messages, format });
    expect(JSON.parse(long.message.content)).toHaveLength(60);
    expect(long.eval_count).toBeGreaterThan(200);
    const stop = long.message.content.slice(10, 14);
    const cut = await client.chat({ model: 'small', messages, format, options: { stop: [stop] } });
    expect(cut.message.content).toBe(long.message.content.slice(0, long.message.content.indexOf(stop)));
    expect(cut.done_reason).toBe('stop');
  });

  it('loads a model by asking nothing', async () => {
    const loaded = await client.chat({ model: 'small', messages: [] });
    expect(loaded).toMatchObject({ done: true, done_reason: 'load' });
    expect(await client.generate({ model: 'small', prompt: '' })).toMatchObject({ response: '', done_reason: 'load' });
  });

  it('lists and describes what is served under every name', async () => {
    const { models } = await client.list();
    expect(models.map(({ name }) => name)).toEqual(['small:latest', 'other:latest', 'bert:latest']);
    expect(models[0]).toMatchObject({
      size: expect.any(Number),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      details: {
        format: 'gguf',
        family: 'llama',
        quantization_level: 'F32',
        parameter_size: expect.stringMatching(/K$/),
      },
    });
    const shown = await client.show({ model: 'small' });
    expect(shown.capabilities).toEqual(['completion']);
    const info = shown.model_info as unknown as Record<string, unknown>;
    expect(info['llama.context_length']).toBe(1024);
    expect(shown.template).toContain('add_generation_prompt');
    expect((await client.show({ model: 'bert:latest' })).capabilities).toEqual(['embedding']);
    expect((await client.ps()).models).toHaveLength(3);
    expect((await client.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('embeds', async () => {
    const { embeddings, prompt_eval_count } = (await client.embed({ model: 'bert', input: ['a key', 'a bridge'] })) as {
      embeddings: number[][];
      prompt_eval_count?: number;
    };
    expect(embeddings).toHaveLength(2);
    expect(Math.hypot(...(embeddings[0] ?? []))).toBeCloseTo(1, 4);
    expect(prompt_eval_count).toBeGreaterThan(2);
    const { embedding } = await client.embeddings({ model: 'bert', prompt: 'a key' });
    expect(embedding).toEqual(embeddings[0]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown model', { model: 'none' }, /"none" is not served/],
    ['images', { messages: [{ role: 'user', content: 'x', images: ['AAAA'] }] }, /images/],
    ['an option that draws otherwise', { options: { mirostat: 2 } }, /mirostat/],
    ['a temperature that is none', { options: { temperature: 'hot' } }, /temperature/],
    ['a stop string without end', { options: { stop: ['x'.repeat(513)] } }, /512/],
    ['a template', { template: '{{ .Prompt }}' }, /template/],
  ])('is told in one text what is wrong: %s', async (_, more, message) => {
    await expect(client.chat({ model: 'small', messages, options, ...more })).rejects.toThrow(message);
    const streamed = client.chat({ model: 'small', messages, options, ...more, stream: true });
    await expect(streamed).rejects.toThrow(message);
  });

  it('is refused without a key, with what is not there, and with a stream that it leaves', async () => {
    const stranger = new Ollama({ host: listening.url });
    await expect(stranger.list()).rejects.toMatchObject({
      status_code: 401,
      error: expect.stringContaining('API key'),
    });
    await expect(client.pull({ model: 'small' })).rejects.toThrow('no such route');
    const stream = await client.chat({ model: 'small', messages, stream: true });
    await expect(
      (async () => {
        for await (const _ of stream) client.abort();
      })(),
    ).rejects.toThrow();
    await expect.poll(() => workplace.engine.usage().kvBytes, { timeout: 10_000 }).toBe(0);
  });
});
