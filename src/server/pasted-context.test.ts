/** Prompts with their context pasted in, as programs send them. */
import { loadQAStuffChain } from '@langchain/classic/chains';
import { Document } from '@langchain/core/documents';
import { ChatOpenAI } from '@langchain/openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from './index.ts';
import { jsonOf, post, Workplace } from './testing/workplace.ts';

const workplace = new Workplace();
let listening: Listening;
beforeAll(async () => {
  await workplace.open();
  listening = await listen(workplace.server(), 0, '127.0.0.1');
});
afterAll(async () => {
  await listening.close(100);
  await workplace.close();
});

const texts = [
  'The bridge was opened in 1931.',
  'Tessen is a town of clock makers.',
  'Keys are rotated every ninety days.',
];
const section = (order: readonly number[]) =>
  `<context>\n${order.map((n, i) => `<source id="${i + 1}" name="${n}.md">${texts[n]}</source>`).join('\n')}\n</context>`;
const asked = (content: string, more: object = {}) => ({
  model: 'small',
  max_tokens: 3,
  messages: [{ role: 'user', content }],
  ...more,
});
const request = async (path: string, body: object) => jsonOf(await workplace.server().app.request(path, post(body)));

interface Block {
  readonly id: string;
  readonly status: string;
}

describe('a context section in a message', () => {
  it('becomes a block per source, which other questions and orders find again', async () => {
    const body = asked(`Cite.\n${section([0, 1])}\nWhen was it opened?`);
    const plan = await request('/v1/plan', body);
    expect(plan.blocks.map(({ id }: Block) => id)).toEqual(['text-0', 'source-1', 'text-1', 'source-2', 'final']);
    await request('/v1/chat/completions', body);
    const other = asked(`Cite.\n${section([2, 1, 0])}\nWho lives there?`);
    const { block_attention } = await request('/v1/chat/completions', other);
    const sources = block_attention.blocks.filter(({ id }: Block) => id.startsWith('source'));
    expect(sources.map(({ status }: Block) => status)).toEqual(['miss', 'hit', 'hit']);
  });

  it('is found in the system message, before a conversation', async () => {
    const messages = [
      {
        role: 'system',
        content: `Context:\n${texts.map((text, i) => `[CONTEXT ${i}]:\n${text}\n[END CONTEXT ${i}]\n\n`).join('')}`,
      },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi' },
      { role: 'user', content: 'When was the bridge opened?' },
    ];
    const { blocks } = await request('/v1/plan', asked('', { messages }));
    const ids = blocks.map(({ id }: Block) => id);
    expect(ids.filter((id: string) => id.startsWith('source'))).toHaveLength(3);
    expect(ids.slice(-3)).toEqual(['system-end', 'turn-0', 'final']);
  });

  it('changes nothing of the prompt: full attention reads the same tokens', async () => {
    const content = `Cite.\n${section([0, 1, 2])}\nWhen?`;
    const full = asked(content, { block_attention: { mode: 'full' } });
    const whole = asked(content, { block_attention: { mode: 'block', segment: 'turns' } });
    expect((await request('/v1/plan', full)).blocks.map(({ id }: Block) => id)).toEqual(['final']);
    expect((await request('/v1/plan', whole)).blocks.map(({ id }: Block) => id)).toEqual(['final']);
    const answers = await Promise.all([full, whole].map((body) => request('/v1/chat/completions', body)));
    expect(answers[0].choices[0].message.content).toBe(answers[1].choices[0].message.content);
  });
});

it('LangChain’s own chain sends one that is found', async () => {
  const sent: object[] = [];
  const llm = new ChatOpenAI({
    model: 'small',
    maxTokens: 3,
    apiKey: 'none',
    configuration: {
      baseURL: `${listening.url}/v1`,
      fetch: (url, init) => {
        if (typeof init?.body === 'string') sent.push(JSON.parse(init.body));
        return fetch(url, init);
      },
    },
  });
  const pages = texts.map(
    (text) => `${text} ${'And so it was for many years, as everybody in the valley knows. '.repeat(2)}`,
  );
  const input_documents = pages.map((pageContent) => new Document({ pageContent }));
  await loadQAStuffChain(llm).invoke({ input_documents, question: 'When was the bridge opened?' });
  const { blocks } = await request('/v1/plan', sent[0] ?? {});
  expect(blocks.filter(({ id }: Block) => id.startsWith('source'))).toHaveLength(3);
});
