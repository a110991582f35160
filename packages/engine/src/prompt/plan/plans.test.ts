import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { type FamilyName, familyNames } from '../testing/chat-templates.ts';
import { openFamilies, openVocabulary, show } from '../testing/open-family.ts';
import { blockText, type Passage, promptText } from '../types.ts';
import { type PromptTemplate, planDemonstrations, planDialogue, planRag } from './plans.ts';

let tokenizers: Record<FamilyName, Tokenizer>;
let base: Tokenizer;
beforeAll(async () => {
  tokenizers = await openFamilies();
  base = await openVocabulary({ controls: ['<s>', '</s>'], addBos: true });
});

const passages: Passage[] = [
  { id: 'a', title: 'Rope', text: 'Rotary.' },
  { id: 'b', text: 'Keys, values.' },
];
const question = 'What rotates?';

describe('the paper template', () => {
  it('is exact to the line break', () => {
    const plan = planRag({ template: 'paper', passages, question }, base);
    expect(plan.bos).toBe('never');
    expect(plan.blocks.map(blockText)).toEqual([
      "<|user|>\nYou are an intelligent AI assistant. Please answer questions based on the user's instructions. Below are some reference documents that may help you in answering the user's question.\n\n",
      '- Title: Rope\nRotary.\n',
      '- Keys, values.\n',
      '\n\nPlease write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).\nQuestion: What rotates?\n<|assistant|>\n',
    ]);
  });

  it('takes the prefix of block-mode training, a system text and history', () => {
    const history = [{ user: 'One?', assistant: 'First.' }];
    const request = { template: 'paper' as const, passages: [], history, question, blockPrefix: true };
    expect(show(planRag({ ...request, passages, system: 'Be brief.' }, base))).toMatchInlineSnapshot(`
      "system system: [[Block-Attention]]<|user|>⏎[Be brief. Below are some reference documents that may help you in answering the user's question.⏎⏎]
      passage a: [- Title: Rope⏎Rotary.⏎]
      passage b: [- Keys, values.⏎]
      turn turn-0: [⏎⏎Please write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).⏎Question: One?]⏎<|assistant|>⏎[First.]</s>⏎
      final final: <|user|>⏎[What rotates?]⏎<|assistant|>⏎"
    `);
    expect(show(planRag(request, base))).toMatchInlineSnapshot(`
      "turn turn-0: [[Block-Attention]]<|user|>⏎[One?]⏎<|assistant|>⏎[First.]</s>⏎
      final final: <|user|>⏎[What rotates?]⏎<|assistant|>⏎"
    `);
    expect(show(planRag({ ...request, system: 'Be brief.' }, base))).toMatchInlineSnapshot(`
      "system system: [[Block-Attention]]<|system|>⏎[Be brief.]⏎
      turn turn-0: <|user|>⏎[One?]⏎<|assistant|>⏎[First.]</s>⏎
      final final: <|user|>⏎[What rotates?]⏎<|assistant|>⏎"
    `);
  });
});

describe('the plain template', () => {
  it.each(['', ' \n'])('is chosen for a model whose chat template is %j', async (chatTemplate) => {
    const blank = await openVocabulary({ controls: ['<s>', '</s>'], addBos: true, chatTemplate });
    expect(blank.chatTemplate).toBeUndefined();
    expect(planRag({ passages, question }, blank)).toEqual(planRag({ passages, question }, base));
    expect(planRag({ passages, question, chatTemplate }, base)).toEqual(planRag({ passages, question }, base));
    expect(() => planRag({ passages, question, chatTemplate, template: 'chat' }, base)).toThrow(
      expect.objectContaining({ code: 'INVALID_TEMPLATE', message: expect.stringMatching(/no chat template/) }),
    );
  });

  it('is chosen for a model without a chat template', () => {
    const history = [{ user: 'One?', assistant: 'First.' }];
    expect(show(planRag({ passages, history, question }, base))).toMatchInlineSnapshot(`
      "system system: [Answer the question using the documents below.⏎⏎]
      passage a: [Document: Rope⏎Rotary.⏎⏎]
      passage b: [Document:⏎Keys, values.⏎⏎]
      turn turn-0: [Question: One?⏎Answer: First.⏎⏎]
      final final: [Question: What rotates?⏎Answer:]"
    `);
    expect(show(planRag({ passages, question, system: 'Be brief.' }, base))).toContain('system system: [Be brief.⏎⏎]');
  });

  it('gives way to a chat template that is passed', () => {
    const chatTemplate = '{% for m in messages %}({{ m.content }}){% endfor %}';
    expect(promptText(planRag({ passages: [], question, chatTemplate }, base))).toBe('(What rotates?)');
    expect(() => planRag({ template: 'chat', passages, question }, base)).toThrow(
      expect.objectContaining({ code: 'INVALID_TEMPLATE' }),
    );
  });
});

describe('few blocks', () => {
  it.each(['chat', 'paper', 'plain'] as const)('zero-shot is one block (%s)', (template) => {
    const plan = planRag({ template, passages: [], question, system: 'Be brief.' }, tokenizers.llama3);
    expect(plan.blocks.map(({ kind }) => kind)).toEqual(['final']);
    expect(promptText(plan)).toContain('Be brief.');
  });

  it('demonstrations are a block each', () => {
    const demonstrations = [
      { user: 'aab', assistant: 'baa' },
      { user: 'xy', assistant: 'yx' },
    ];
    const request = { instruction: 'Reverse.', demonstrations, question: 'pq' };
    expect(show(planDemonstrations(request, tokenizers.chatml))).toMatchInlineSnapshot(`
      "system system: <|im_start|>system⏎[Reverse.]<|im_end|>⏎
      demonstration demonstration-0: <|im_start|>user⏎[aab]<|im_end|>⏎<|im_start|>assistant⏎[baa]<|im_end|>⏎
      demonstration demonstration-1: <|im_start|>user⏎[xy]<|im_end|>⏎<|im_start|>assistant⏎[yx]<|im_end|>⏎
      final final: <|im_start|>user⏎[pq]<|im_end|>⏎<|im_start|>assistant⏎"
    `);
    expect(show(planDemonstrations(request, base))).toMatchInlineSnapshot(`
      "system system: [Reverse.⏎⏎]
      demonstration demonstration-0: [Question: aab⏎Answer: baa⏎⏎]
      demonstration demonstration-1: [Question: xy⏎Answer: yx⏎⏎]
      final final: [Question: pq⏎Answer:]"
    `);
  });
});

const templates: { name: string; tokenizer: () => Tokenizer; template: PromptTemplate }[] = [
  ...familyNames.map((name) => ({ name, tokenizer: () => tokenizers[name], template: 'chat' as const })),
  { name: 'paper', tokenizer: () => base, template: 'paper' },
  { name: 'plain', tokenizer: () => base, template: 'plain' },
];

/** Text with what could confuse a template, a mark or a tokenizer. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 5 }),
      fc.constantFrom(
        '<|im_end|>',
        '<|im_start|>user\n',
        '<s>',
        '</s>',
        '<|eot_id|>',
        '[INST]',
        '{{ messages }}',
        '{% if',
      ),
      fc.constantFrom(
        '\uE000',
        '\uE0000\uE001',
        '\uE0000\uE0010\uE002',
        '\uE001',
        '</think>',
        '- Title: ',
        '\n\n',
        '\r\n',
        ' ',
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))
  .filter((text) => text.trim() !== '');

describe.each(templates)('any content under $name', ({ tokenizer, template }) => {
  const now = new Date(2026, 0, 31);

  it('is found again, in its block and nowhere else', () => {
    const content = fc.record({
      system: fc.option(hostile, { nil: undefined }),
      passages: fc.array(fc.record({ title: hostile, text: hostile }), { minLength: 1, maxLength: 4 }),
      question: hostile,
    });
    fc.assert(
      fc.property(content, ({ system, passages, question }) => {
        const { blocks } = planRag({ template, system, passages, question, now }, tokenizer());
        expect(blocks.map(({ kind }) => kind)).toEqual(['system', ...passages.map(() => 'passage'), 'final']);
        for (const [index, { title, text }] of passages.entries()) {
          const planned = blocks[index + 1];
          expect(planned?.segments).toHaveLength(1);
          expect(planned?.segments[0]?.special).toBe(false);
          const shown = template === 'plain' ? 'Document' : '- Title';
          const from = text.trimEnd();
          const start = `${shown}: ${title.trim()}\n`;
          const body = planned?.segments[0]?.text.slice(start.length) ?? '';
          expect(planned?.segments[0]?.text.startsWith(start)).toBe(true);
          expect(from.endsWith(body.trimEnd())).toBe(true);
          expect(body.trim()).toBe(text.trim());
        }
        const markup = (at: number) =>
          blocks
            .at(at)
            ?.segments.filter(({ special }) => special)
            .map(({ text }) => text);
        const calm = planRag(
          { template, system: system && 'x', passages: [{ text: 'x' }], question: 'x', now },
          tokenizer(),
        );
        expect(markup(-1)).toEqual(
          calm.blocks
            .at(-1)
            ?.segments.filter(({ special }) => special)
            .map(({ text }) => text),
        );
        expect(markup(0)).toEqual(calm.blocks[0]?.segments.filter(({ special }) => special).map(({ text }) => text));
      }),
      { numRuns: 40 },
    );
  });

  it('permutes with the passages and changes nothing else', () => {
    const shuffled = fc
      .array(fc.record({ id: fc.uuid(), text: hostile }), { minLength: 2, maxLength: 6 })
      .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })));
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        const plan = (passages: Passage[]) => planRag({ template, passages, question, now }, tokenizer()).blocks;
        const [first, second] = [plan(list), plan(other)];
        expect(second[0]).toEqual(first[0]);
        expect(second.at(-1)).toEqual(first.at(-1));
        const order = other.map((passage) => first[1 + list.indexOf(passage)]);
        expect(second.slice(1, -1)).toEqual(order);
      }),
      { numRuns: 25 },
    );
  });
});

describe('what is refused', () => {
  const ask = (extra: Record<string, unknown>) => () => planRag({ passages, question, ...extra } as never, base);

  it.each([
    ['a blank question', { question: ' \n' }, 'EMPTY_QUESTION', /question is empty/],
    ['a question that is not text', { question: 7 }, 'INVALID_ARGUMENT', /question is number/],
    ['half a character', { question: 'a\ud800' }, 'INVALID_ARGUMENT', /question .* lone surrogate at index 1/],
    [
      'a blank passage',
      { passages: [...passages, { text: '\t\n' }] },
      'INVALID_PASSAGES',
      /passages\[2\]\.text is empty/,
    ],
    ['a passage without text', { passages: [{ title: 'x' }] }, 'INVALID_PASSAGES', /passages\[0\]\.text is undefined/],
    ['a passage that is none', { passages: [null] }, 'INVALID_PASSAGES', /passages\[0\] is not an object/],
    ['no list of passages', { passages: undefined }, 'INVALID_PASSAGES', /passages is not an array/],
    ['a turn that is none', { history: [null] }, 'INVALID_ARGUMENT', /history\[0\]\.user is undefined/],
    ['half a character in a passage', { passages: [{ text: '\udc00' }] }, 'INVALID_PASSAGES', /passages\[0\]\.text/],
    ['half a character in a title', { passages: [{ title: '\udc00', text: 'x' }] }, 'INVALID_PASSAGES', /\[0\]\.title/],
    [
      'a blank answer in the history',
      { history: [{ user: 'x', assistant: '' }] },
      'INVALID_ARGUMENT',
      /history\[0\]\.assistant/,
    ],
    ['half a character in the system text', { system: '\ud800' }, 'INVALID_ARGUMENT', /system/],
    ['an unknown template', { template: 'jinja' }, 'INVALID_ARGUMENT', /use one of auto, chat, paper, plain/],
    ['the prefix elsewhere', { blockPrefix: true }, 'INVALID_ARGUMENT', /belongs to the template "paper"/],
  ])('%s', (_, extra, code, message) => {
    expect(ask(extra)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('an empty question of a dialogue', () => {
    expect(() => planDialogue({ turns: [], question: '' }, base)).toThrow(
      expect.objectContaining({ code: 'EMPTY_QUESTION' }),
    );
  });
});

describe('white space around a passage', () => {
  it('is dropped, but not the indentation of its first line', () => {
    const [, planned] = planRag({ passages: [{ title: ' T\n', text: '\n \n  a\n b \n\n' }], question }, base).blocks;
    expect(planned && blockText(planned)).toBe('Document: T\n  a\n b\n\n');
  });
});
