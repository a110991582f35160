/** Conversations in the shapes that clients send them: greetings, gaps, instructions alone, answers to go on with. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conversationOf } from './requests/messages.ts';
import type { ChatRequest } from './requests/request-schemas.ts';
import { chat, eventsOf, jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const path = '/v1/chat/completions';
const app = () => workplace.server().app;
const ask = async (body: object) => jsonOf(await app().request(path, post(body)));

type Messages = ChatRequest['messages'];
const user = (content: Messages[number]['content']) => ({ role: 'user' as const, content });
const assistant = (content?: Messages[number]['content']) => ({ role: 'assistant' as const, content });
const system = (content: string) => ({ role: 'system' as const, content });

const shapes: readonly (readonly [string, Messages, object])[] = [
  ['null', [user('a'), assistant(null), user('b')], { question: 'a\n\nb', history: [] }],
  ['nothing at all', [user('a'), assistant(), user('b')], { question: 'a\n\nb' }],
  ['an empty string', [user('a'), assistant(''), user('b')], { question: 'a\n\nb' }],
  ['no parts', [user('a'), assistant([]), user('b')], { question: 'a\n\nb' }],
  ['blank text', [user('a'), assistant(' \n'), user('b')], { question: 'a\n\nb' }],
  [
    'an empty user turn',
    [user('a'), assistant('A'), user(''), assistant('B'), user('c')],
    { question: 'c', history: [{ user: 'a', assistant: 'A\n\nB' }] },
  ],
  ['an empty answer last', [user('a'), assistant(null)], { question: 'a', answerStart: undefined }],
  [
    'a refusal',
    [user('a'), assistant([{ type: 'refusal', refusal: 'no' }]), user('b')],
    { question: 'b', history: [{ user: 'a', assistant: 'no' }] },
  ],
  ['a greeting', [assistant('Hello!'), user('a')], { greeting: 'Hello!', question: 'a', history: [] }],
  [
    'a greeting behind an instruction',
    [system('s'), assistant('Hello!'), user('a'), assistant('A'), user('b')],
    { system: 's', greeting: 'Hello!', question: 'b', history: [{ user: 'a', assistant: 'A' }] },
  ],
  ['an empty message before the greeting', [user(''), assistant('Hello!'), user('a')], { greeting: 'Hello!' }],
  ['an instruction alone', [system('Write a poem.')], { system: undefined, question: 'Write a poem.' }],
  ['instructions alone', [system('a'), system('b')], { system: undefined, question: 'a\n\nb' }],
  ['an answer to go on with', [user('a'), assistant('one,')], { question: 'a', answerStart: 'one,' }],
  [
    'one behind an instruction alone',
    [system('Count.'), assistant('one,')],
    { question: 'Count.', answerStart: 'one,' },
  ],
  ['two answers to go on with', [user('a'), assistant('x'), assistant('y')], { answerStart: 'x\n\ny' }],
  ['an instruction at the end', [user('a'), system('s')], { system: 's', question: 'a' }],
];

describe('a conversation', () => {
  it.each(shapes)('with %s is taken', async (_, messages, expected) => {
    expect(conversationOf({ messages, documents: undefined })).toMatchObject(expected);
    expect((await ask({ model: 'small', max_tokens: 2, messages })).choices).toHaveLength(1);
  });

  it.each([
    ['an empty question', [user('a'), assistant('A'), user('')]],
    ['documents without a question', [user([{ type: 'document', document: { text: 'a' } }])]],
    ['nobody who asks', [assistant('Hello!')]],
    ['nothing', [user(null)]],
  ] satisfies [string, Messages][])('with %s is refused', async (_, messages) => {
    const response = await app().request(path, post({ model: 'small', messages }));
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject({
      code: 'empty_question',
      param: `messages.${messages.length - 1}`,
    });
  });

  it('goes on with an answer as the model would have: the rest of what it says of itself', async () => {
    const messages = [user('Count!')];
    const whole = await ask({ model: 'small', messages, max_tokens: 24, logprobs: true });
    const pieces: string[] = whole.choices[0].logprobs.content.map(({ token }: { token: string }) => token);
    const text: string = whole.choices[0].message.content;
    // A prefix that is whole text, whatever tokens make it.
    const start = pieces.slice(0, 8).join('');
    expect(text.startsWith(start)).toBe(true);
    const plan = await jsonOf(
      await app().request('/v1/plan', post({ model: 'small', messages: [...messages, assistant(start)] })),
    );
    const bare = await jsonOf(await app().request('/v1/plan', post({ model: 'small', messages })));
    expect(plan.question_tokens).toBeGreaterThan(bare.question_tokens);
    const rest = await ask({ model: 'small', messages: [...messages, assistant(start)], max_tokens: 16 });
    expect(rest.usage.prompt_tokens).toBe(plan.question_tokens);
    if (plan.question_tokens - bare.question_tokens === 8) expect(start + rest.choices[0].message.content).toBe(text);
  });
});

interface StreamChunk {
  readonly choices: {
    readonly index: number;
    readonly delta: { readonly role?: string; readonly content?: string };
    readonly logprobs: unknown;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: object | null;
  readonly block_attention?: object;
}

async function stream(at: string, body: object): Promise<StreamChunk[]> {
  const text = await (await app().request(at, post({ ...body, stream: true }))).text();
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  return eventsOf(text) as unknown as StreamChunk[];
}

const completion = { model: 'small', prompt: 'once', max_tokens: 5 };

describe('a stream', () => {
  it.each([
    ['/v1/chat/completions', chat()],
    ['/v1/chat/completions', chat({ n: 3, temperature: 1, seed: 2 })],
    ['/v1/chat/completions', chat({ stream_options: { include_usage: false } })],
    ['/v1/chat/completions', chat({ stream_options: null })],
    ['/v1/completions', completion],
    ['/v1/completions', { ...completion, n: 2 }],
  ])('%s has a choice in every chunk where no usage was asked for: %j', async (at, body) => {
    const chunks = await stream(at, body);
    for (const { choices } of chunks) expect(choices).toHaveLength(1);
    expect(chunks.filter((chunk) => chunk.block_attention !== undefined)).toEqual([chunks.at(-1)]);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toMatch(/stop|length/);
    expect(chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  });

  it.each([
    ['/v1/chat/completions', chat({ n: 2 })],
    ['/v1/completions', completion],
  ])('%s ends with the usage where it was asked for; the others have none', async (at, body) => {
    const chunks = await stream(at, { ...body, stream_options: { include_usage: true } });
    for (const { choices, usage } of chunks.slice(0, -1)) {
      expect(choices).toHaveLength(1);
      expect(usage).toBeNull();
    }
    const last = { choices: [], usage: { total_tokens: expect.any(Number) }, block_attention: { mode: 'block' } };
    expect(chunks.at(-1)).toMatchObject(last);
  });

  it('begins each choice with its role, as OpenAI does', async () => {
    const chunks = await stream(path, chat({ n: 2, logprobs: true }));
    for (const index of [0, 1]) {
      const [first, ...others] = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
      expect(first).toEqual({
        index,
        delta: { role: 'assistant', content: '', refusal: null },
        logprobs: null,
        finish_reason: null,
      });
      for (const { delta } of others) expect(delta.role).toBeUndefined();
    }
  });
});

describe('values that other servers take', () => {
  it('no limit of the answer’s length is as far as the context and the server go', async () => {
    const server = workplace.server({ limits: { answerTokens: 30 } }).app;
    const unlimited = { temperature: 0, stop: '', top_k: -1 };
    for (const field of ['max_tokens', 'max_completion_tokens']) {
      const body = await jsonOf(
        await server.request(path, post(chat({ ...unlimited, max_tokens: null, [field]: -1 }))),
      );
      expect(body.usage.completion_tokens).toBeGreaterThan(8);
      expect(body.usage.completion_tokens).toBeLessThanOrEqual(30);
    }
    // The context, 1,024 tokens, has less room than the server would give.
    const messages = [user('word '.repeat(180))];
    const long = await ask({ model: 'small', messages, max_tokens: -1, temperature: 1.5, seed: 1 });
    const { prompt_tokens, completion_tokens } = long.usage;
    expect(prompt_tokens + completion_tokens).toBeLessThanOrEqual(1024);
    const over = await ask({ model: 'small', messages: [user('word '.repeat(1100))], max_tokens: -1 });
    expect(over.error).toMatchObject({ code: 'context_length_exceeded', block_attention_code: 'context_overflow' });
  });

  it('many stop strings, and empty ones among them', async () => {
    const many = Array.from({ length: 60 }, (_, i) => `stop ${i}`);
    const { choices } = await ask(chat());
    const text: string = choices[0].message.content;
    expect((await ask(chat({ stop: [...many, ''] }))).choices[0].message.content).toBe(text);
    const stopped = await ask(chat({ stop: [...many, '', text.slice(2, 4)] }));
    expect(stopped.choices[0].message.content).toBe(text.slice(0, text.indexOf(text.slice(2, 4))));
    expect((await ask(chat({ stop: Array.from({ length: 129 }, () => 'x') }))).error.param).toBe('stop');
  });
});

describe('names of the model', () => {
  it('are all served and listed; the answer says the one that was asked for', async () => {
    const { app: server } = workplace.server({ modelName: ['gpt-4o-mini', 'small'] });
    const { data } = await jsonOf(await server.request('/v1/models'));
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['gpt-4o-mini', 'small']);
    expect((await jsonOf(await server.request('/v1/models/small'))).id).toBe('small');
    for (const model of ['gpt-4o-mini', 'small']) {
      expect((await jsonOf(await server.request(path, post(chat({ model }))))).model).toBe(model);
    }
    const { error } = await jsonOf(await server.request(path, post(chat({ model: 'other' }))));
    expect(error.message).toContain('use "gpt-4o-mini" or "small"');
  });
});

it('a long question is cut into blocks in block mode alone', async () => {
  const paragraph = 'The bridge is long. '.repeat(30).trim();
  const messages = [user(`${paragraph}\n\n${paragraph}\n\nWhy?`)];
  const body = { model: 'small', messages, max_tokens: 4 };
  const planned = async (block_attention: object) => {
    const plan = await jsonOf(await app().request('/v1/plan', post({ ...body, block_attention })));
    return plan.blocks.map(({ id }: { id: string }) => id);
  };
  expect(await planned({ mode: 'block' })).toEqual(['text-0', 'text-1', 'final']);
  for (const mode of ['full', 'auto']) expect(await planned({ mode })).toEqual(['final']);
  // The prompt of full attention is the plain one, token for token.
  const full = await ask({ ...body, block_attention: { mode: 'full' } });
  const whole = await ask({ ...body, block_attention: { mode: 'full', segment: 'turns' } });
  expect(full.usage.prompt_tokens).toBe(whole.usage.prompt_tokens);
  expect(full.choices).toEqual(whole.choices);
});
