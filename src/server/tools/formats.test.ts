import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerRequest } from '@block-attention/engine/internal/engine';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toolTemplates } from '../../../tests/support/templates/tool-templates.ts';
import { type Listening, listen } from '../index.ts';
import { plainReader, readWhole, wholeReply } from '../replies/reply.ts';
import { jsonOf, post, Workplace } from '../testing/workplace.ts';
import { callingEngine } from './calling.ts';
import { channelReader } from './channel-reader.ts';
import { callFormat } from './formats.ts';
import { callReader, reasoningReader } from './reader.ts';
import { toolRequest } from './request.ts';

const place = { type: 'object', properties: { city: { enum: ['Tessen', 'Varn'] } }, required: ['city'] };
const at = { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] };
const tools = [
  { type: 'function' as const, function: { name: 'weather', description: 'Tells the weather', parameters: place } },
  { type: 'function' as const, function: { name: 'weather_map', description: 'Shows a map', parameters: at } },
];
const question = [{ role: 'user' as const, content: 'Is it raining?' }];

function expectCall(
  { name, arguments: text }: { readonly name: string; readonly arguments: string } | undefined = {
    name: '',
    arguments: '',
  },
): void {
  expect(['weather', 'weather_map']).toContain(name);
  const given: unknown = JSON.parse(text);
  expect(given).toEqual(
    name === 'weather' ? { city: expect.stringMatching(/^(Tessen|Varn)$/) } : { on: expect.any(Boolean) },
  );
}

/** What the model says before it calls, for a grammar to make it say so. */
const says = {
  llama: ['', '{"name"'],
  mistral: ['Let me see. ', '[TOOL_CALLS]'],
  'mistral-args': ['Let me see. ', '[TOOL_CALLS]'],
  'mistral-ids': ['', '[TOOL_CALLS]'],
  harmony: [
    '<|channel|>analysis<|message|>I call a function.<|end|><|start|>assistant<|channel|>commentary<|message|>Let me see. <|end|><|start|>assistant<|channel|>commentary',
    ' to=functions.',
  ],
} as const;

describe.each(Object.entries(toolTemplates))('tools as %s has them', (name, chatTemplate) => {
  const workplace = new Workplace({ chatTemplate, contextTokens: 2048 });
  let listening: Listening;
  let client: OpenAI;
  beforeAll(async () => {
    // A random model's arguments end or not as its states would have it: these end.
    await workplace.open({ prefixBytes: 2 ** 26, policy: 'anchor:header' });
    listening = await listen(workplace.server(), 0, '127.0.0.1');
    client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await listening.close(100);
    await workplace.close();
  });

  it('are called by name with arguments of their schema, whole and streamed, and told what came of it', async () => {
    const request = { model: 'small', messages: question, tools, tool_choice: 'required' as const, max_tokens: 150 };
    const { choices } = await client.chat.completions.create(request);
    const [choice] = choices;
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const [call] = choice?.message.tool_calls ?? [];
    if (call?.type !== 'function' || choice === undefined) throw new Error('no call of a function');
    expectCall(call.function);
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices[0]?.message.tool_calls?.[0]?.function).toMatchObject(call.function);
    const named = { ...request, tool_choice: { type: 'function' as const, function: { name: 'weather_map' } } };
    const chosen = await client.chat.completions.create(named);
    expect(chosen.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: 'weather_map' } });
    const results = (choice.message.tool_calls ?? []).map((one) => ({
      role: 'tool' as const,
      tool_call_id: one.id,
      content: 'rain',
    }));
    const next = {
      ...request,
      tool_choice: 'auto' as const,
      messages: [...question, choice.message, ...results],
      max_tokens: 3,
    };
    expect((await client.chat.completions.create(next)).choices).toHaveLength(1);
  });

  it('are turned to where the model begins a call, behind words that stay words', async () => {
    const body = { model: 'small', messages: question, tools };
    const asked = toolRequest(body, chatTemplate);
    if (asked?.calling === undefined) throw new Error('no tools');
    const { agent, calling } = asked;
    const [words, trigger] = says[name as keyof typeof says];
    const request: AnswerRequest = { passages: [], question: '', agent, maxTokens: 400 };
    // A grammar makes the random model say what stands there; calls have theirs.
    const saying = (text: string) => ({ ...request, grammar: `root ::= ${JSON.stringify(text)}` });
    const answered = async (given: AnswerRequest) => {
      const stream = callingEngine(workplace.engine, calling).answer(given);
      let streamed = '';
      for await (const piece of stream) streamed += piece;
      const result = await stream.result;
      expect(result.text).toBe(streamed);
      return result;
    };
    const { text, tokens } = await answered(saying(words + trigger));
    const inner = callReader(calling.format, calling.mark);
    const reply = wholeReply(readWhole(name === 'harmony' ? channelReader(inner) : reasoningReader(inner), text));
    expect(reply.content.trim()).toBe(words === '' ? '' : 'Let me see.');
    expect(reply.reasoning).toBe(name === 'harmony' ? 'I call a function.' : '');
    expect(reply.calls.length).toBeGreaterThan(0);
    expectCall(reply.calls[0]);
    expect(tokens.answer).toBeGreaterThan(0);
    expect(tokens.answer).toBeLessThanOrEqual(400);
    // With no room for a call there is none, and the answer says that it was cut.
    const short = await answered({ ...request, maxTokens: 3 });
    expect(short.tokens.answer).toBeLessThanOrEqual(3);
  });

  it('go with documents, a block each', async () => {
    const documents = [{ id: 'bridge', text: 'The bridge was opened in 1931.' }];
    const body = {
      model: 'small',
      messages: question,
      tools,
      tool_choice: 'required' as const,
      max_tokens: 150,
      documents,
    };
    const answer = (await client.chat.completions.create(body as never)) as OpenAI.ChatCompletion & {
      block_attention: { blocks: { id: string }[] };
    };
    expectCall(
      answer.choices[0]?.message.tool_calls?.[0]?.type === 'function'
        ? answer.choices[0].message.tool_calls[0].function
        : undefined,
    );
    const blocks = answer.block_attention.blocks.map(({ id }) => id);
    expect(blocks).toEqual(expect.arrayContaining(['bridge', 'tool:weather', 'tool:weather_map']));
  });
});

describe('tools beside the documents of the server', () => {
  const workplace = new Workplace({ chatTemplate: toolTemplates.harmony, contextTokens: 2048 });
  beforeAll(() => workplace.open());
  afterAll(() => workplace.close());

  it('are offered with what was found, and where nothing was', async () => {
    const docs = join(workplace.folder, 'docs');
    mkdirSync(docs);
    writeFileSync(join(docs, 'bridge.md'), 'The bridge over the Arve was opened in 1934.\n');
    const server = workplace.server({
      documents: { directory: join(workplace.folder, 'index'), folders: [{ path: docs }] },
    });
    try {
      while ((await jsonOf(await server.app.request('/v1/search?q=bridge'))).documents.state !== 'ready')
        await sleep(10);
      const ask = async (content: string) => {
        const messages = [{ role: 'user', content }];
        const body = { model: 'docs', messages, tools, tool_choice: 'required', max_tokens: 150 };
        return jsonOf(await server.app.request('/v1/chat/completions', post(body)));
      };
      const found = await ask('When was the bridge over the Arve opened?');
      expectCall(found.choices[0].message.tool_calls[0].function);
      expect(found.retrieval).toMatchObject({ asked: true, passages: [{ path: 'bridge.md' }], in_documents: false });
      const blocks = found.block_attention.blocks.map(({ id }: { id: string }) => id);
      expect(blocks).toEqual(expect.arrayContaining(['bridge.md:1', 'tool:weather']));
      const other = await ask('What do penguins eat?');
      expectCall(other.choices[0].message.tool_calls[0].function);
      expect(other.retrieval).toMatchObject({ asked: true, passages: [] });
    } finally {
      await server.close();
    }
  });

  it('are answered in words by a model that speaks in channels, which is begun for it', async () => {
    const server = workplace.server();
    const messages = [{ role: 'user', content: 'x' }];
    const tokens = async (more: object) => {
      const plan = await jsonOf(await server.app.request('/v1/plan', post({ model: 'small', messages, ...more })));
      return plan.question_tokens as number;
    };
    // The header of the final channel is behind the prompt, unless the model is to reason first.
    expect(await tokens({})).toBeGreaterThan(await tokens({ reasoning_effort: 'medium' }));
    const grammar = `root ::= ${JSON.stringify('<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.')}`;
    const body = { model: 'small', messages, grammar, max_tokens: 120, reasoning_effort: 'low' };
    const { choices } = await jsonOf(await server.app.request('/v1/chat/completions', post(body)));
    expect(choices[0].message).toMatchObject({ content: 'Yes.', reasoning_content: 'Hm.' });
    await server.close();
  });
});

describe('the form of calls', () => {
  it('turns to calling in the header of a message alone, where answers have channels', () => {
    const turns = callFormat(toolTemplates.harmony)?.turns ?? (() => false);
    expect(turns('')).toBe(true);
    expect(turns('<|channel|>commentary')).toBe(true);
    expect(turns('<|channel|>analysis<|message|>hm<|end|><|start|>assistant')).toBe(true);
    expect(turns('<|channel|>analysis<|message|>one writes')).toBe(false);
    expect(turns('one writes')).toBe(false);
  });

  it('is told by the template, and not known of others', () => {
    const names = Object.entries(toolTemplates).map(([, source]) => callFormat(source)?.name);
    expect(names).toEqual(['llama', 'mistral', 'mistral-args', 'mistral-args', 'harmony']);
    expect(callFormat("{{ messages[0]['content'] }}")).toBeUndefined();
    expect(callFormat('<tool_call><function=x>')).toBeUndefined();
  });
});

describe('an answer in channels', () => {
  const read = (pieces: readonly string[]) => {
    const reader = channelReader(plainReader());
    return wholeReply([...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]);
  };

  it('is reasoning and content, however it is cut', () => {
    const text =
      '<|channel|>analysis<|message|>2 < 3 <| hm<|end|><|start|>assistant<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>final<|message|>It is <b>7</b>.';
    for (const size of [1, 2, 3, 7, 50, text.length]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      expect(read(pieces)).toEqual({ reasoning: '2 < 3 <| hm', content: 'First.\n\nIt is <b>7</b>.', calls: [] });
    }
  });

  it('may begin with the words themselves, and end anywhere', () => {
    expect(read(['It is ', '7 <', '|', 'e'])).toEqual({ reasoning: '', content: 'It is 7 <|e', calls: [] });
    expect(read(['<|channel|>analysis<|message|>so f'])).toMatchObject({ reasoning: 'so f', content: '' });
    expect(read(['<|channel|>anal'])).toMatchObject({ reasoning: '', content: '' });
  });
});
