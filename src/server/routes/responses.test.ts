import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Listening, listen } from '../index.ts';
import type { WithAccount } from '../requests/client-types.ts';
import { documents, Workplace } from '../testing/workplace.ts';

const workplace = new Workplace();
let listening: Listening;
let client: OpenAI;
beforeAll(async () => {
  await workplace.open();
  listening = await listen(workplace.server(), 0, '127.0.0.1');
  client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await listening.close(100);
  await workplace.close();
});

const input = 'When was the bridge opened?';
const request = { model: 'small', input, max_output_tokens: 6 };
const chat = { model: 'small', max_tokens: 6 };

describe('responses', () => {
  it('answer as the chat does, and count', async () => {
    const response: WithAccount<OpenAI.Responses.Response> = await client.responses.create(request);
    const answer = await client.chat.completions.create({ ...chat, messages: [{ role: 'user', content: input }] });
    expect(response.output_text).toBe(answer.choices[0]?.message.content);
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.usage).toMatchObject({ input_tokens: answer.usage?.prompt_tokens, output_tokens: 6 });
    expect(response.block_attention?.mode).toBe('block');
  });

  it('take a conversation of items, instructions and documents', async () => {
    const more = { documents };
    const response: WithAccount<OpenAI.Responses.Response> = await client.responses.create({
      ...request,
      ...more,
      instructions: 'Be brief.',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
        {
          type: 'message',
          role: 'assistant',
          id: 'msg_1',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Hello!', annotations: [] }],
        },
        { role: 'user', content: input },
      ],
    });
    const answer = await client.chat.completions.create({
      ...chat,
      ...more,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Hello!' },
        { role: 'user', content: input },
      ],
    });
    expect(response.output_text).toBe(answer.choices[0]?.message.content);
    expect(response.block_attention?.blocks.map(({ id }) => id)).toEqual(['system', 'bridge', 'town', 'turn-0']);
  });

  it('stream every event of a message, in order, numbered, ending with the whole', async () => {
    const stream = client.responses.stream({ ...request, max_output_tokens: 5 });
    const types: string[] = [];
    const numbers: number[] = [];
    let text = '';
    for await (const event of stream) {
      if (types.at(-1) !== event.type) types.push(event.type);
      numbers.push(event.sequence_number);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ]);
    expect(numbers).toEqual(numbers.map((_, index) => index));
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(text);
    const whole = await client.responses.create({ ...request, max_output_tokens: 5 });
    expect(whole.output_text).toBe(text);
    expect(whole.output.map(({ type }) => type)).toEqual(final.output.map(({ type }) => type));
  });

  it('follow a schema, by the client’s helper', async () => {
    const shape = z.object({ open: z.boolean() });
    const parsed = await client.responses.parse({ model: 'small', input, text: { format: zodTextFormat(shape, 'x') } });
    expect(shape.safeParse(parsed.output_parsed).success).toBe(true);
    expect(parsed.status).toBe('completed');
  });

  it.each<[Record<string, unknown>, string]>([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ background: true }, 'background'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }, 'input'],
    [{ input: [] }, 'input'],
    [{ tools: [{ type: 'web_search' }] }, 'tools.0'],
    [{ logit_bias: { 1: 1 } }, 'logit_bias'],
    [{ max_output_tokens: 0 }, 'max_output_tokens'],
  ])('refuse by name what is not done: %j', async (more, param) => {
    await expect(client.responses.create({ ...request, ...more })).rejects.toMatchObject({ status: 400, param });
  });

  it('end a stream with an error event when the server ends, and free what a left one held', async () => {
    const long = { type: 'array', items: { type: 'boolean' }, minItems: 250 };
    const body = { model: 'small', input, text: { format: { type: 'json_schema' as const, name: 'x', schema: long } } };
    const other = await listen(workplace.server(), 0, '127.0.0.1');
    const last = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    let closed: Promise<void> | undefined;
    for await (const event of await last.responses.create({ ...body, stream: true })) {
      events.push(event);
      closed ??= other.close(0);
    }
    await closed;
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'shutting_down', sequence_number: events.length - 1 });
    const stream = await client.responses.create({ ...body, stream: true });
    for await (const _ of stream) break;
    await expect.poll(() => workplace.engine.usage().kvBytes, { timeout: 10_000 }).toBe(0);
  });
});
