import { beforeAll, describe, expect, it } from 'vitest';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { planRag } from '../plan/plans.ts';
import { familyNames } from '../testing/chat-templates.ts';
import { openFamilies } from '../testing/open-family.ts';
import { blockText, promptText } from '../types.ts';
import { splitQuestion, turnsIntoFinal } from './reshape.ts';

let tokenizers: Awaited<ReturnType<typeof openFamilies>>;
beforeAll(async () => {
  tokenizers = await openFamilies();
});
const cases = familyNames.flatMap((family) =>
  (['auto', 'paper', 'plain'] as const).map((template) => ({ family, template })),
);

const paragraph = 'The Ald rises in the hills, passes three towns and a bridge, and ends in a lake. '.repeat(8).trim();
const question = `${paragraph}\n\n${paragraph}\n\nWhich towns?`;
const tokenizer = (family: (typeof cases)[number]['family']): Tokenizer => tokenizers[family];

describe('splitQuestion', () => {
  it.each(cases)(
    'cuts a long question where the text does, in any template: $family, $template',
    async ({ family, template }) => {
      const plan = planRag({ template, passages: [], question }, tokenizer(family));
      const cut = await splitQuestion(plan, question);
      expect(promptText(cut)).toBe(promptText(plan));
      expect(cut.blocks.map(({ id, kind }) => `${id} ${kind}`)).toEqual(['text-0 text', 'text-1 text', 'final final']);
      expect(blockText(cut.blocks[1] ?? { id: '', kind: 'text', segments: [] })).toBe(`${paragraph}\n\n`);
    },
  );

  it('leaves short questions, and long ones without delimiter, whole', async () => {
    for (const text of ['One.\n\nTwo?', 'x '.repeat(2000).trim()]) {
      const plan = planRag({ template: 'plain', passages: [], question: text }, tokenizer('chatml'));
      expect(await splitQuestion(plan, text)).toBe(plan);
    }
  });
});

describe('turnsIntoFinal', () => {
  const history = [
    { user: 'One?', assistant: 'First.' },
    { user: 'Two?', assistant: 'Second.' },
  ];
  it.each(cases)('makes earlier turns the beginning of the final block: $family, $template', ({ family, template }) => {
    const plan = planRag(
      { template, passages: [{ id: 'a', text: 'A.' }], history, question: 'Three?' },
      tokenizer(family),
    );
    const joined = turnsIntoFinal(plan);
    expect(promptText(joined)).toBe(promptText(plan));
    expect(joined.blocks.map(({ id }) => id)).toEqual(['system', 'a', 'final']);
    // The next turn begins as this one did: what was computed can be used again.
    const shorter = turnsIntoFinal(
      planRag(
        { template, passages: [{ id: 'a', text: 'A.' }], history: history.slice(0, 1), question: 'Two?' },
        tokenizer(family),
      ),
    );
    const [before, after] = [shorter, joined].map(({ blocks }) => blocks.map(blockText).at(-1) ?? '');
    expect(after?.startsWith(before?.slice(0, before.indexOf('Two?') + 4) ?? '-')).toBe(true);
  });
});
