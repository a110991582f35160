import { beforeAll, describe, expect, it } from 'vitest';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { planDialogue, planRag } from '../plan/plans.ts';
import { ChatTemplate } from '../template/chat-template.ts';
import { type FamilyName, families, familyNames } from '../testing/chat-templates.ts';
import { openFamilies, show } from '../testing/open-family.ts';
import { promptText } from '../types.ts';

const now = new Date(2026, 0, 31);
const rag = {
  now,
  passages: [{ title: 'Rope', text: 'Rotary.' }, { text: 'Keys, values.' }],
  question: 'What rotates?',
};
const dialogue = { now, turns: [{ user: 'One?', assistant: 'First.' }], question: 'Two?' };

let tokenizers: Record<FamilyName, Tokenizer>;
beforeAll(async () => {
  tokenizers = await openFamilies();
});

describe('retrieval in the manner of each family', () => {
  it('chatml: its own system message leads', () => {
    expect(show(planRag(rag, tokenizers.chatml))).toMatchInlineSnapshot(`
      "system system: <|im_start|>system⏎You are a helpful assistant.<|im_end|>⏎<|im_start|>user⏎[You are an intelligent AI assistant. Please answer questions based on the user's instructions. Below are some reference documents that may help you in answering the user's question.⏎⏎]
      passage 0: [- Title: Rope⏎Rotary.⏎]
      passage 1: [- Keys, values.⏎]
      final final: [⏎⏎Please write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).⏎Question: What rotates?]<|im_end|>⏎<|im_start|>assistant⏎"
    `);
  });
  it('llama3: BOS, date', () => {
    expect(show(planRag({ ...rag, system: '  Be brief. ' }, tokenizers.llama3))).toMatchInlineSnapshot(`
      "system system: <|begin_of_text|><|start_header_id|>system<|end_header_id|>⏎⏎Today Date: 31 Jan 2026⏎⏎[Be brief.]<|eot_id|><|start_header_id|>user<|end_header_id|>⏎⏎[Below are some reference documents that may help you in answering the user's question.⏎⏎]
      passage 0: [- Title: Rope⏎Rotary.⏎]
      passage 1: [- Keys, values.⏎]
      final final: [⏎⏎Please write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).⏎Question: What rotates?]<|eot_id|><|start_header_id|>assistant<|end_header_id|>⏎⏎"
    `);
  });
  it('gemma: the system message joins the first question', () => {
    expect(show(planRag({ ...rag, system: 'Be brief.' }, tokenizers.gemma))).toMatchInlineSnapshot(`
      "system system: <bos><start_of_turn>user⏎[Be brief.⏎⏎Below are some reference documents that may help you in answering the user's question.⏎⏎]
      passage 0: [- Title: Rope⏎Rotary.⏎]
      passage 1: [- Keys, values.⏎]
      final final: [⏎⏎Please write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).⏎Question: What rotates?]<end_of_turn>⏎<start_of_turn>model⏎"
    `);
  });
  it('zephyr: history follows the passages', () => {
    const history = [{ user: 'What is stored?', assistant: 'Keys.' }];
    expect(show(planRag({ ...rag, history }, tokenizers.zephyr))).toMatchInlineSnapshot(`
      "system system: <|user|>⏎[You are an intelligent AI assistant. Please answer questions based on the user's instructions. Below are some reference documents that may help you in answering the user's question.⏎⏎]
      passage 0: [- Title: Rope⏎Rotary.⏎]
      passage 1: [- Keys, values.⏎]
      turn turn-0: [⏎⏎Please write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).⏎Question: What is stored?]</s>⏎<|assistant|>⏎[Keys.]</s>⏎
      final final: <|user|>⏎[What rotates?]</s>⏎<|assistant|>⏎"
    `);
  });
});

describe('dialogue in the manner of each family', () => {
  it.each(familyNames)('%s: a turn is a block, with its own header', (name) => {
    const blocks = show(planDialogue({ ...dialogue, system: 'Be brief.' }, tokenizers[name])).split('\n');
    expect(blocks).toHaveLength(3);
    expect(blocks[0]).toMatch(/^system system: .*\[Be brief\./);
    expect(blocks[1]).toMatch(/^turn turn-0: .*\[One\?\].*\[First\.\]/);
    expect(blocks[2]).toMatch(/^final final: .*\[Two\?\]/);
  });
  it('phi3: a turn ends where it ends inside a dialogue', () => {
    expect(show(planDialogue({ ...dialogue, system: 'Be brief.' }, tokenizers.phi3))).toMatchInlineSnapshot(`
      "system system: <|system|>⏎[Be brief.]<|end|>⏎
      turn turn-0: <|user|>⏎[One?]<|end|>⏎<|assistant|>⏎[First.]<|end|>⏎
      final final: <|user|>⏎[Two?]<|end|>⏎<|assistant|>⏎"
    `);
  });
  it('llama2: the system message has no end of its own', () => {
    expect(show(planDialogue({ ...dialogue, system: 'Be brief.' }, tokenizers.llama2))).toMatchInlineSnapshot(`
      "system system: <s>[INST] <<SYS>>⏎[Be brief.]⏎<</SYS>>⏎⏎
      turn turn-0: [One?] [/INST] [First.] </s>
      final final: <s>[INST] [Two?] [/INST]"
    `);
  });
});

describe('the blocks joined', () => {
  it.each(familyNames)('are what %s renders for the same messages', (name) => {
    const { controls, chatTemplate } = families[name];
    const template = new ChatTemplate(chatTemplate, { bos: controls[0], eos: controls[1] });
    const system = name === 'gemma' ? [] : [{ role: 'system' as const, content: 'S' }];
    const rendered = template.render(
      [
        ...system,
        { role: 'user', content: name === 'gemma' ? 'S\n\none' : 'one' },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: 'three' },
      ],
      { generationPrompt: true, variables: {}, now },
    );
    const request = { system: 'S', turns: [{ user: ' one\n', assistant: '\ttwo' }], question: 'three ', now };
    expect(promptText(planDialogue(request, tokenizers[name]))).toBe(rendered);
  });
});

describe('templates that do more than quote', () => {
  const plan = (chatTemplate: string, question = 'Why <a> Bird?') =>
    show(planDialogue({ turns: [{ user: 'q', assistant: 'a' }], question, chatTemplate }, tokenizers.chatml));
  const every = (body: string) => `{% for m in messages %}${body}{% endfor %}`;

  it('may rewrite characters', () => {
    expect(plan(every('{{ m.content | upper }};'))).toBe('turn turn-0: [Q];[A];\nfinal final: [WHY <A> BIRD?];');
    expect(plan(every("{{ m.content | replace('<', '&lt;') }};"))).toContain('[Why &lt;a> Bird?]');
  });

  it('may cut the reasoning out of an answer', () => {
    const chatTemplate = every(
      "<{{ m.role }}>{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% else %}{{ m.content }}{% endif %}{{ '\n' }}",
    );
    const turns = [{ user: 'q', assistant: '<think>hm</think>\n\nyes' }];
    expect(show(planDialogue({ turns, question: 'x', chatTemplate }, tokenizers.chatml))).toBe(
      'turn turn-0: <user>[q]⏎<assistant>[yes]⏎\nfinal final: <user>[x]⏎',
    );
  });

  it('may put the system message into the last question: it goes to the first instead', () => {
    const chatTemplate = `{% set s = messages[0].content if messages[0].role == 'system' else '' %}{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{% if loop.last %}{{ s }};{% endif %}{{ m.content }}\n{% endif %}{% endfor %}`;
    const turns = [{ user: 'q', assistant: 'a' }];
    expect(show(planDialogue({ system: 'S', turns, question: 'x', chatTemplate }, tokenizers.chatml))).toBe(
      'system system: <user>[S⏎⏎]\nturn turn-0: [q]⏎<assistant>[a]⏎\nfinal final: <user>;[x]⏎',
    );
  });

  it.each([
    ['capitalizes', every('{{ m.content | capitalize }}')],
    ['shortens', every('{{ m.content[:9] }}')],
    ['repeats', every('{{ m.content }}{{ m.content }}')],
    ['drops', 'nothing'],
    ['counts', every('{{ m.content }}{{ m.content | length }}')],
    ['shows only the last', '{{ messages[-1].content }}'],
  ])('is refused when it %s contents', (_, chatTemplate) => {
    expect(() => plan(chatTemplate)).toThrow(
      expect.objectContaining({ code: 'INVALID_TEMPLATE', message: expect.stringContaining('template "plain"') }),
    );
  });

  it('passes on what the template itself refuses', () => {
    const chatTemplate =
      "{% if messages | length > 1 %}{{ raise_exception('one at a time') }}{% endif %}{{ messages[0].content }}";
    expect(() => plan(chatTemplate)).toThrow(/one at a time/);
  });
});
