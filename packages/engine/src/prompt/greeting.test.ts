import { beforeAll, describe, expect, it } from 'vitest';
import type { Tokenizer } from '../ggml/llama/tokenizer.ts';
import { planRag } from './plan/plans.ts';
import { beginAnswer, turnsIntoFinal } from './segment/reshape.ts';
import { familyNames } from './testing/chat-templates.ts';
import { openFamilies, show } from './testing/open-family.ts';
import { blockText, promptText } from './types.ts';

let tokenizers: Awaited<ReturnType<typeof openFamilies>>;
beforeAll(async () => {
  tokenizers = await openFamilies();
});
const cases = familyNames.flatMap((family) =>
  (['auto', 'paper', 'plain'] as const).map((template) => ({ family, template })),
);
const tokenizer = (family: (typeof cases)[number]['family']): Tokenizer => tokenizers[family];

const greeting = 'hello, I am the heron.';
const passages = [{ id: 'a', text: 'a heron stands.' }];
const history = [{ user: 'one?', assistant: 'first.' }];

describe('a greeting of the assistant’s', () => {
  it.each(cases)('stands once, before everything but the instruction: $family, $template', ({ family, template }) => {
    for (const system of [undefined, 'be brief.']) {
      for (const about of [[], passages]) {
        const request = { template, system, passages: about, history, question: 'two?' };
        const plan = planRag({ ...request, greeting }, tokenizer(family));
        const text = promptText(plan);
        expect(text.split(greeting)).toHaveLength(2);
        // The paper's template has no instruction but in the first user message with documents.
        const before = template === 'paper' && about.length > 0 ? [greeting, system ?? ''] : [system ?? '', greeting];
        const order = [...before, ...about.map((one) => one.text), 'one?', 'first.', 'two?'].filter(
          (one) => one !== '',
        );
        const places = order.map((part) => text.indexOf(part));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        // In the instruction's block, so that all others are what they are without it.
        expect(blockText(plan.blocks[0] ?? { id: '', kind: 'final', segments: [] })).toContain(greeting);
        const kinds = turnsIntoFinal(plan).blocks.map(({ kind }) => kind);
        expect(kinds).toEqual(['system', ...about.map(() => 'passage'), 'final']);
        const ungreeted = planRag(request, tokenizer(family));
        expect(plan.blocks.slice(-1 - about.length)).toEqual(ungreeted.blocks.slice(-1 - about.length));
      }
    }
  });

  it('is a message where the template takes one, else told in the instruction', () => {
    const request = { system: 'be brief.', greeting, passages: [], history, question: 'two?' };
    expect(show(planRag(request, tokenizers.chatml))).toMatchInlineSnapshot(`
      "system system: <|im_start|>system⏎[be brief.]<|im_end|>⏎<|im_start|>assistant⏎[hello, I am the heron.]<|im_end|>⏎
      turn turn-0: <|im_start|>user⏎[one?]<|im_end|>⏎<|im_start|>assistant⏎[first.]<|im_end|>⏎
      final final: <|im_start|>user⏎[two?]<|im_end|>⏎<|im_start|>assistant⏎"
    `);
    expect(show(planRag(request, tokenizers.gemma))).toMatchInlineSnapshot(`
      "system system: <bos><start_of_turn>user⏎[be brief.⏎⏎You opened the conversation with:⏎hello, I am the heron.⏎⏎]
      turn turn-0: [one?]<end_of_turn>⏎<start_of_turn>model⏎[first.]<end_of_turn>⏎
      final final: <start_of_turn>user⏎[two?]<end_of_turn>⏎<start_of_turn>model⏎"
    `);
  });
});

describe('the beginning of an answer', () => {
  it.each(cases)('ends the prompt, as plain text: $family, $template', ({ family, template }) => {
    const plan = planRag({ template, passages, history, question: 'two?' }, tokenizer(family));
    const begun = beginAnswer(plan, 'one, <|im_end|> two,');
    const space = plan.answerAfterSpace ? ' ' : '';
    expect(promptText(begun)).toBe(`${promptText(plan)}${space}one, <|im_end|> two,`);
    expect(begun.blocks.at(-1)?.segments.at(-1)).toMatchObject({ special: false });
    expect(begun.answerAfterSpace).toBeUndefined();
    expect(begun.blocks.slice(0, -1)).toEqual(plan.blocks.slice(0, -1));
  });
});
