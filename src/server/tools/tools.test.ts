import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, type ToolSet, tool } from 'ai';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Listening, listen } from '../index.ts';
import { jsonOf, post, Workplace } from '../testing/workplace.ts';

/** The shape of Hermes-style templates: definitions as JSON lines in the system turn, calls and results in tags. */
const chatTemplate = `{% if tools %}<|system|>
{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n' }}{% endif %}<tools>{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}
</tools>
{% elif messages[0].role == 'system' %}{{ '<|system|>\\n' + messages[0].content + '\\n' }}{% endif %}{% for message in messages %}{% if message.role == 'user' %}{{ '<|user|>\\n' + message.content + '\\n' }}{% elif message.role == 'assistant' %}{{ '<|assistant|>\\n' + message.content }}{% for call in message.tool_calls or [] %}{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}{{ '\\n' }}{% elif message.role == 'tool' %}{{ '<|user|>\\n<tool_response>\\n' + message.content + '\\n</tool_response>\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}`;

const workplace = new Workplace({ chatTemplate });
let listening: Listening;
let client: OpenAI;
let baseURL: string;
beforeAll(async () => {
  await workplace.open({ prefixBytes: 2 ** 26 });
  listening = await listen(workplace.server(), 0, '127.0.0.1');
  baseURL = `${listening.url}/v1`;
  client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await listening.close(100);
  await workplace.close();
});

const definition = (name: string, parameters: Record<string, unknown>) => ({
  type: 'function' as const,
  function: { name, description: `Does ${name}`, parameters },
});
const city = { type: 'object', properties: { city: { enum: ['Tessen', 'Varn'] } }, required: ['city'] };
const weather = definition('weather', city);
const clock = definition('clock', { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] });
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Is it raining?' }];
const request = { model: 'small', messages, tools: [weather, clock], max_tokens: 120 };
const required = { ...request, tool_choice: 'required' as const, parallel_tool_calls: false };

function expectCall(call: { function: { name: string; arguments: string } } | undefined): void {
  const given = JSON.parse(call?.function.arguments ?? '');
  if (call?.function.name === 'weather') expect(given).toEqual({ city: expect.stringMatching(/^(Tessen|Varn)$/) });
  else {
    expect(call?.function.name).toBe('clock');
    expect(given).toEqual({ on: expect.any(Boolean) });
  }
}

describe('calls', () => {
  it('name a tool and satisfy its schema, whole and streamed alike', async () => {
    const { choices } = await client.chat.completions.create(required);
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const [call] = choices[0]?.message.tool_calls ?? [];
    if (call?.type !== 'function') throw new Error('no call of a function');
    expectCall(call);
    expect(call.id).toMatch(/^[A-Za-z0-9]{9}$/);
    const stream = client.chat.completions.stream(required);
    const first = await stream.finalChatCompletion();
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    const streamed = first.choices[0]?.message.tool_calls?.[0];
    expect(streamed?.function).toMatchObject({ name: call.function.name, arguments: call.function.arguments });
  });

  it('are of the tool that is chosen, and of none where none may be', async () => {
    const tool_choice = { type: 'function' as const, function: { name: 'clock' } };
    const chosen = await client.chat.completions.create({ ...request, tool_choice });
    const [call] = chosen.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { name: 'clock' } });
    const none = await client.chat.completions.create({ ...request, tool_choice: 'none', max_tokens: 4 });
    expect(none.choices[0]?.message.tool_calls).toBeUndefined();
  });

  it('come through the AI SDK, LangChain, Ollama’s client and responses', async () => {
    const provider = createOpenAICompatible({ name: 'local', baseURL, apiKey: 'none' });
    const clockTool = tool({ description: 'x', inputSchema: z.object({ on: z.boolean() }) });
    const tools = { clock: clockTool } as unknown as ToolSet;
    const { toolCalls } = await generateText({
      model: provider('small'),
      prompt: 'x',
      tools,
      toolChoice: 'required',
      maxOutputTokens: 120,
    });
    expect(toolCalls[0]).toMatchObject({ toolName: 'clock', input: { on: expect.any(Boolean) } });

    const bound = new ChatOpenAI({
      model: 'small',
      maxTokens: 120,
      apiKey: 'none',
      configuration: { baseURL },
    }).bindTools([langchainTool(() => '', { name: 'clock', schema: z.object({ on: z.boolean() }) })], {
      tool_choice: 'required',
    });
    const said = await bound.invoke('x');
    expect(said.tool_calls?.[0]).toMatchObject({ name: 'clock', args: { on: expect.any(Boolean) } });

    const ollama = new Ollama({ host: listening.url });
    const body = {
      model: 'small',
      messages: [{ role: 'user', content: 'x' }],
      tools: [clock],
      tool_choice: 'required',
      parallel_tool_calls: false,
    };
    const answer = await ollama.chat({ ...body, options: { num_predict: 120 } } as never);
    const { tool_calls } = (answer as unknown as { message: { tool_calls: object[] } }).message;
    expect(tool_calls).toMatchObject([{ function: { name: 'clock', arguments: { on: expect.any(Boolean) } } }]);
    expect((await ollama.show({ model: 'small' })).capabilities).toContain('tools');

    const { function: flat } = clock;
    const response = await client.responses.create({
      model: 'small',
      input: 'x',
      max_output_tokens: 120,
      tools: [{ type: 'function', ...flat, strict: false }],
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    expect(response.output[0]).toMatchObject({ type: 'function_call', name: 'clock', status: 'completed' });
  });
});

describe('the prompt', () => {
  const plan = async (more: object) => {
    const { blocks } = await jsonOf(
      await workplace.server().app.request('/v1/plan', post({ model: 'small', messages, ...more })),
    );
    return blocks as { id: string; kind: string; tokens: number; cached: string | null }[];
  };

  it('has a block per tool, found again in any order and company', async () => {
    await client.chat.completions.create({ ...request, max_tokens: 1 });
    const blocks = await plan({ tools: [clock, definition('other', city), weather] });
    expect(blocks.map(({ id }) => id)).toEqual([
      'system',
      'tool:clock',
      'tool:other',
      'tool:weather',
      'system-end',
      'final',
    ]);
    expect(blocks.map(({ cached }) => cached !== null)).toEqual([true, true, false, true, true, false]);
  });

  it('has a block per finished exchange, and takes calls and results of every client’s shape', async () => {
    const call = { id: 'a-long-id', type: 'function', function: { name: 'weather', arguments: '{"city":"Varn"}' } };
    const conversation = [
      { role: 'system', content: 'Be brief.' },
      ...messages,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'a-long-id', content: 'rain' },
      { role: 'assistant', content: 'It rains.' },
      { role: 'user', content: 'And there?' },
      // As Ollama's clients have it: no id, an object.
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ function: { name: 'weather', arguments: { city: 'Tessen' } } }],
      },
      { role: 'tool', name: 'weather', content: 'sun' },
    ];
    const blocks = await plan({ tools: [weather], messages: conversation });
    expect(blocks.map(({ id }) => id)).toEqual(['system', 'tool:weather', 'system-end', 'turn-0', 'final']);
    const full = await client.chat.completions.create({ ...request, messages: conversation, max_tokens: 3 } as never);
    expect((full as OpenAI.ChatCompletion).choices[0]?.finish_reason).toMatch(/stop|length|tool_calls/);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a tool that is none', { tools: [{ type: 'web_search' }] }, 'tools.0.type'],
    ['a name of markup', { tools: [definition('<|user|>', city)] }, 'tools.0.function.name'],
    ['a choice that is not there', { tool_choice: { type: 'function', function: { name: 'x' } } }, 'tool_choice'],
    ['a choice that is none', { tool_choice: 'perhaps' }, 'tool_choice'],
    ['a result without a call', { messages: [...messages, { role: 'tool', content: 'x' }] }, 'messages.1.tool_call_id'],
    ['a form beside tools', { response_format: { type: 'json_object' } }, 'tools'],
    ['too many', { tools: Array.from({ length: 129 }, (_, i) => definition(`t${i}`, city)) }, 'tools'],
  ])('is refused by name with %s', async (_, more, param) => {
    const refused = client.chat.completions.create({ ...request, ...more } as never);
    await expect(refused).rejects.toMatchObject({ status: 400, param });
  });

  it('is refused where the template has no tools', async () => {
    const other = new Workplace();
    await other.open();
    const response = await other.server().app.request('/v1/chat/completions', post({ ...request }));
    expect((await jsonOf(response)).error).toMatchObject({ param: 'tools', code: 'invalid_argument' });
    await other.close();
  });
});
