/** Fields of other servers' requests, and of none. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chatTemplate, jsonOf, post, Workplace } from '../testing/workplace.ts';

const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

const app = () => workplace.server().app;
const messages = [{ role: 'user', content: 'When was the bridge opened?' }];
const chat = (more: object) => ({ model: 'small', messages, max_tokens: 120, ...more });
const ask = async (more: object) => jsonOf(await app().request('/v1/chat/completions', post(chat(more))));
const complete = async (more: object) =>
  jsonOf(await app().request('/v1/completions', post({ model: 'small', prompt: 'once', max_tokens: 120, ...more })));

const schema = { type: 'object', properties: { open: { type: 'boolean' } }, required: ['open'] };
const grammar = 'root ::= "{" "\\"open\\": " ("true" | "false") "}"';

describe('the form of the answer', () => {
  const fields: readonly object[] = [
    { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } },
    { response_format: { type: 'json_schema', schema } },
    { response_format: { type: 'json_object', schema } },
    { response_format: { type: 'grammar', grammar } },
    { json_schema: schema },
    { json_schema: JSON.stringify(schema) },
    { guided_json: schema },
    { guided_json: JSON.stringify(schema) },
    { format: schema },
    { grammar },
    { guided_grammar: grammar },
    { ebnf: grammar },
    { structured_outputs: { json: schema } },
    { structured_outputs: { grammar, regex: null } },
    { guided_choice: ['{"open": true}', '{"open": false}'] },
    { structured_outputs: { choice: ['{"open":true}'], disable_any_whitespace: true } },
  ];

  it.each(fields)('is what was asked for: %j', async (field) => {
    const { choices } = await ask(field);
    expect(JSON.parse(choices[0].message.content)).toEqual({ open: expect.any(Boolean) });
    expect(JSON.parse((await complete(field)).choices[0].text)).toEqual({ open: expect.any(Boolean) });
  });

  it.each<[object, string]>([
    [{ guided_json: '{' }, 'guided_json'],
    [{ guided_json: 7 }, 'guided_json'],
    [{ guided_choice: [] }, 'guided_choice'],
    [{ guided_choice: 'a' }, 'guided_choice'],
    [{ guided_regex: 'a+' }, 'guided_regex'],
    [{ regex: 'a+' }, 'regex'],
    [{ structured_outputs: { regex: 'a+' } }, 'structured_outputs.regex'],
    [{ structured_outputs: { structural_tag: {} } }, 'structured_outputs.structural_tag'],
    [{ response_format: { type: 'regex', pattern: 'a' } }, 'response_format.type'],
    [{ json_schema: schema, grammar }, 'grammar'],
    [{ response_format: { type: 'json_object' }, guided_choice: ['a'] }, 'guided_choice'],
    [{ json_schema: { type: 'nothing' } }, 'json_schema.type'],
  ])('is refused by name: %j', async (field, param) => {
    expect((await ask(field)).error).toMatchObject({ code: 'invalid_argument', param });
  });

  it('is not bound by what asks for nothing', async () => {
    const plain = await ask({ max_tokens: 5 });
    const empty = { response_format: { type: 'text' }, grammar: '', json_schema: null, structured_outputs: null };
    expect((await ask({ max_tokens: 5, ...empty })).choices).toEqual(plain.choices);
  });

  it('leaves to the client what no grammar promises, and says so; with strict it is refused', async () => {
    const odd = {
      type: 'object',
      properties: { n: { type: 'integer', multipleOf: 7, maximum: 99, minimum: 0 } },
      required: ['n'],
    };
    const format = (strict: boolean) => ({
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: odd, strict } },
    });
    const { choices, block_attention } = await ask(format(false));
    expect(JSON.parse(choices[0].message.content)).toEqual({ n: expect.any(Number) });
    const param = 'response_format.json_schema.schema.properties.n.multipleOf';
    expect(block_attention.warnings).toEqual([{ param, message: expect.stringContaining('multipleOf, 7') }]);
    expect((await ask(format(true))).error).toMatchObject({ param, message: expect.stringContaining('strict') });
    expect((await ask({ guided_json: odd })).block_attention.warnings).toHaveLength(1);
  });

  it('holds for whole answers: not behind a given beginning', async () => {
    const begun = [...messages, { role: 'assistant', content: '{' }];
    expect((await ask({ messages: begun, guided_json: schema })).error).toMatchObject({ param: 'messages.1' });
  });
});

describe('other fields', () => {
  it('change the answer where they can', async () => {
    const plain = await ask({ max_tokens: 40 });
    for (const name of ['repetition_penalty', 'repeat_penalty']) {
      const penalised = await ask({ max_tokens: 40, [name]: 1.9, repeat_last_n: -1 });
      expect(penalised.choices[0].message.content).not.toBe(plain.choices[0].message.content);
      expect((await ask({ max_tokens: 40, [name]: 1 })).choices).toEqual(plain.choices);
      expect((await ask({ max_tokens: 40, [name]: 1.9, repeat_last_n: 0 })).choices).toEqual(plain.choices);
    }
    expect((await ask({ max_tokens: null, n_predict: 3 })).usage.completion_tokens).toBeLessThanOrEqual(3);
    expect((await ask({ repeat_penalty: 2, repetition_penalty: 2 })).error.param).toBe('repeat_penalty');
    expect((await ask({ n_predict: 9999, max_tokens: null })).error.param).toBe('max_tokens');
  });

  it.each<[string, unknown]>([
    ['min_tokens', 4],
    ['stop_token_ids', [5]],
    ['ignore_eos', true],
    ['typical_p', 0.5],
    ['mirostat', 2],
    ['dry_multiplier', 0.8],
    ['xtc_probability', 0.5],
    ['use_beam_search', true],
    ['length_penalty', 1.2],
    ['bad_words', ['a']],
    ['allowed_token_ids', [1, 2]],
    ['include_stop_str_in_output', true],
    ['skip_special_tokens', false],
    ['truncate_prompt_tokens', 100],
    ['chat_template', '{{ messages }}'],
    ['system', 'Be brief.'],
    ['options', { num_ctx: 4096 }],
    ['samplers', ['top_k']],
    ['lora', [{ id: 0, scale: 1 }]],
    ['verbosity', 'low'],
  ])('that cannot are refused by name: %s', async (name, value) => {
    expect((await ask({ [name]: value })).error).toMatchObject({ code: 'invalid_argument', param: name });
    expect((await complete({ [name]: value })).error).toMatchObject({ param: name });
    const plan = await jsonOf(await app().request('/v1/plan', post(chat({ [name]: value }))));
    expect(plan.error).toMatchObject({ param: name });
  });

  it('that say nothing are passed over, as clients send them all', async () => {
    const idle = {
      min_tokens: 0,
      stop_token_ids: [],
      ignore_eos: false,
      typical_p: 1,
      mirostat: 0,
      dry_multiplier: 0,
      xtc_probability: 0,
      length_penalty: 1,
      skip_special_tokens: true,
      use_beam_search: false,
      lora: null,
      user: 'me',
      metadata: { a: 'b' },
      store: false,
      cache_prompt: true,
      keep_alive: '5m',
      dry_base: 1.75,
      tools: [],
      tool_choice: 'none',
      verbosity: 'medium',
      parallel_tool_calls: true,
      system: '',
    };
    const { choices, block_attention } = await ask({ max_tokens: 5, ...idle });
    expect(choices).toEqual((await ask({ max_tokens: 5 })).choices);
    expect(block_attention.warnings).toBeUndefined();
  });

  it('that nobody knows are told in the answer: whole, streamed, in plans and completions', async () => {
    const typo = { temprature: 2, mode: 'full', max_tokens: 4 };
    const told = ['temprature', 'mode'].map((param) => ({ param, message: expect.any(String) }));
    expect((await ask(typo)).block_attention.warnings).toEqual(told);
    expect((await complete(typo)).block_attention.warnings).toEqual(told);
    const plan = await jsonOf(await app().request('/v1/plan', post(chat(typo))));
    expect(plan.warnings).toEqual(told);
    const stream = await app().request('/v1/chat/completions', post(chat({ ...typo, stream: true })));
    expect(await stream.text()).toContain('"param":"temprature"');
    expect((await ask({ max_tokens: 4 })).block_attention.warnings).toBeUndefined();
    const many = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`field-${i}`, 1]));
    expect((await ask({ max_tokens: 4, ...many })).block_attention.warnings).toHaveLength(32);
  });

  it('that say how the last message is meant must agree with it', async () => {
    const begun = [...messages, { role: 'assistant', content: 'It was' }];
    expect(
      (await ask({ messages: begun, continue_final_message: true, add_generation_prompt: false })).choices,
    ).toHaveLength(1);
    expect((await ask({ add_generation_prompt: true })).choices).toHaveLength(1);
    for (const [param, wrong] of [
      ['continue_final_message', { continue_final_message: true }],
      ['continue_final_message', { messages: begun, continue_final_message: false }],
      ['add_generation_prompt', { add_generation_prompt: false }],
      ['add_generation_prompt', { messages: begun, add_generation_prompt: true }],
    ] as const) {
      expect((await ask(wrong)).error.param).toBe(param);
    }
  });
});

describe('variables of the chat template', () => {
  const thinking = new Workplace({
    chatTemplate: `{{ '<|effort|>' + (reasoning_effort or 'none') + (' thinking' if enable_thinking else ' quiet') + (' ' + tone if tone else '') }}${chatTemplate}`,
  });
  beforeAll(() => thinking.open());
  afterAll(() => thinking.close());

  it('come from the fields that other servers have for them', async () => {
    const server = thinking.server().app;
    const tokens = async (more: object) =>
      (await jsonOf(await server.request('/v1/plan', post(chat(more))))).question_tokens;
    const plain = await tokens({});
    // A token of this vocabulary is a byte here, or less than one word.
    expect(await tokens({ reasoning_effort: 'extraordinarily high' })).toBeGreaterThan(plain);
    const loud = await tokens({ enable_thinking: true });
    expect(loud).not.toBe(plain);
    expect(await tokens({ think: true })).toBe(loud);
    expect(await tokens({ chat_template_kwargs: { enable_thinking: true } })).toBe(loud);
    expect(await tokens({ chat_template_kwargs: { tone: 'very polite indeed' } })).toBeGreaterThan(plain);
    const { error } = await jsonOf(await server.request('/v1/plan', post(chat({ chat_template_kwargs: 'x' }))));
    expect(error.param).toBe('chat_template_kwargs');
  });

  it('are told where the template has none of the name', async () => {
    const told = async (server: ReturnType<typeof app>) =>
      (await jsonOf(await server.request('/v1/plan', post(chat({ reasoning_effort: 'low', think: true }))))).warnings;
    expect(await told(thinking.server().app)).toBeUndefined();
    const params = (await told(app())).map(({ param }: { param: string }) => param);
    expect(params).toEqual(['reasoning_effort', 'enable_thinking']);
  });
});
