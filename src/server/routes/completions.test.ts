import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomEncoder } from '../../../tests/support/models/random-encoder.ts';
import { type Embedder, openEmbedder } from '../../rag/index.ts';
import { type Listening, listen } from '../index.ts';
import { chatTemplate, documents, jsonOf, post, Workplace } from '../testing/workplace.ts';

const workplace = new Workplace();
let embedder: Embedder;
let listening: Listening;
let client: OpenAI;
beforeAll(async () => {
  await workplace.open();
  const path = join(workplace.folder, 'bert.gguf');
  await writeRandomEncoder(path, 1);
  embedder = await openEmbedder(path, { threads: 1, env: { BLOCK_ATTENTION_CACHE: workplace.folder } });
  listening = await listen(workplace.server({ embedder }), 0, '127.0.0.1');
  client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await listening.close(100);
  await embedder[Symbol.asyncDispose]();
  await workplace.close();
});

const request = { model: 'small', max_tokens: 6 };
const question = 'When was the bridge opened?';
const rendered = `<|user|>\n${question}\n<|assistant|>\n`;

describe('completions', () => {
  it('read a prompt as it is: a rendered template answers as the chat does', async () => {
    expect(chatTemplate).toContain('<|');
    const raw = await client.completions.create({ ...request, prompt: rendered });
    const messages = [{ role: 'user' as const, content: question }];
    const { choices, usage } = await client.chat.completions.create({ ...request, messages });
    expect(raw.choices[0]?.text).toBe(choices[0]?.message.content);
    expect(raw.usage?.prompt_tokens).toBe(usage?.prompt_tokens);
    const asked = { ...request, prompt: question, raw: false };
    expect((await client.completions.create(asked)).choices[0]?.text).toBe(choices[0]?.message.content);
    const bare = await client.completions.create({ ...request, prompt: question });
    expect(bare.usage?.prompt_tokens).toBeLessThan(usage?.prompt_tokens ?? 0);
  });

  it('put a prompt over documents into the template', async () => {
    const body = { ...request, prompt: question, documents };
    const answer = await jsonOf(await workplace.server().app.request('/v1/completions', post(body)));
    expect(answer.block_attention.blocks.map(({ id }: { id: string }) => id)).toEqual(['system', 'bridge', 'town']);
    await expect(client.completions.create({ ...body, raw: true } as never)).rejects.toMatchObject({ param: 'raw' });
  });

  it('answer several prompts in one request, each as alone, with choices of each', async () => {
    const prompts = [rendered, 'once upon a time', question];
    const alone: string[] = [];
    let tokens = 0;
    for (const prompt of prompts) {
      const { choices, usage } = await client.completions.create({ ...request, prompt });
      alone.push(choices[0]?.text ?? '');
      tokens += usage?.prompt_tokens ?? 0;
    }
    const together = await client.completions.create({ ...request, prompt: prompts, n: 2 });
    expect(together.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(together.choices.map(({ text }) => text)).toEqual(alone.flatMap((text) => [text, text]));
    expect(together.usage?.prompt_tokens).toBe(tokens);
    const streamed = ['', '', ''];
    const stream = await client.completions.create({
      ...request,
      prompt: prompts,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const { choices, usage } of stream) {
      for (const { index, text } of choices) streamed[index] += text;
      if (usage) expect(usage.prompt_tokens).toBe(tokens);
    }
    expect(streamed).toEqual(alone);
  });

  it('read token ids, one prompt or several', async () => {
    const ids = [10, 20, 30];
    const one = await client.completions.create({ ...request, prompt: ids });
    expect(one.usage?.prompt_tokens).toBe(ids.length);
    const two = await client.completions.create({ ...request, prompt: [ids, [40, 50]] });
    expect(two.choices[0]?.text).toBe(one.choices[0]?.text);
    expect(two.usage?.prompt_tokens).toBe(5);
  });

  it.each<[Record<string, unknown>, string | null]>([
    [{ prompt: [] }, 'prompt'],
    [{ prompt: [[]] }, 'prompt.0'],
    [{ prompt: [1.5] }, 'prompt'],
    [{ prompt: [1e9] }, null],
    [{ prompt: [1, 'x'] }, 'prompt'],
    [{ prompt: '' }, 'prompt'],
    [{ prompt: ['x', ''] }, 'prompt'],
    [{ prompt: Array(129).fill('x') }, 'prompt'],
    [{ prompt: Array(65).fill('x'), n: 2 }, 'prompt'],
    [{ prompt: [1, 2], raw: false }, 'prompt'],
    [{ prompt: 'x'.repeat(2000) }, null],
    [{ prompt: '\ud800' }, null],
    [{ prompt: 'x', stop: 'y'.repeat(513) }, 'stop'],
    [{ prompt: 'x', stop: ['y', 'z'.repeat(513)] }, 'stop.1'],
    [{ prompt: 'x', stop: Array(129).fill('y') }, 'stop'],
  ])('refuse what is not a prompt, case %#', async (more, param) => {
    const refused = client.completions.create({ ...request, ...more } as never);
    await expect(refused).rejects.toMatchObject({ status: 400, param });
    workplace.engine.store.checkIntegrity();
    expect(workplace.engine.usage().kvBytes).toBe(0);
  });
});

describe('embeddings', () => {
  it('give vectors of length 1, in numbers and as bytes, cut to fewer dimensions', async () => {
    // The client asks for bytes by itself.
    const { data, usage, model } = await client.embeddings.create({ model: 'bert', input: ['the key', 'the bridge'] });
    expect([model, data.map(({ index }) => index)]).toEqual(['bert', [0, 1]]);
    expect(usage).toEqual({ prompt_tokens: 8, total_tokens: 8 });
    const numbers = await client.embeddings.create({ model: 'bert', input: 'the key', encoding_format: 'float' });
    expect(numbers.data[0]?.embedding).toEqual(data[0]?.embedding);
    const [own] = await embedder.embed(['the key'], 'document');
    expect(numbers.data[0]?.embedding).toEqual([...(own ?? [])]);
    const short = await client.embeddings.create({ model: 'bert', input: 'the key', dimensions: 8 });
    expect(short.data[0]?.embedding).toHaveLength(8);
    expect(Math.hypot(...(short.data[0]?.embedding ?? []))).toBeCloseTo(1, 4);
  });

  it('are listed beside the model', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['small', 'bert']);
    expect((await client.models.retrieve('bert')).id).toBe('bert');
  });

  it.each<[Record<string, unknown>, number, string | null]>([
    [{ model: 'small' }, 404, 'model'],
    [{ input: [] }, 400, 'input'],
    [{ input: ['x', ''] }, 400, 'input'],
    [{ input: [1, 2] }, 400, 'input'],
    [{ input: Array(2049).fill('x') }, 400, 'input'],
    [{ dimensions: 33 }, 400, 'dimensions'],
  ])('refuse by name: %j', async (more, status, param) => {
    const refused = client.embeddings.create({ model: 'bert', input: 'x', ...more } as never);
    await expect(refused).rejects.toMatchObject({ status, param });
  });

  it('say how to have them where no model is loaded', async () => {
    const response = await workplace.server().app.request('/v1/embeddings', post({ model: 'x', input: 'x' }));
    expect(response.status).toBe(404);
    expect((await jsonOf(response)).error.message).toContain('--embed');
  });

  it('read what is far too long no further than the model does', async () => {
    const input = 'the key '.repeat(500_000);
    const { usage } = await client.embeddings.create({ model: 'bert', input });
    expect(usage.prompt_tokens).toBe(64);
  });
});
