import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sentencePieceModels } from '../../../../../tests/support/models/sentence-piece-models.ts';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { openTokenizer } from '../../ggml/llama/vocab.ts';
import { type FamilyName, families, familyNames } from '../testing/chat-templates.ts';
import { openFamilies, openVocabulary } from '../testing/open-family.ts';
import { block, blockText, markup, plain, promptText } from '../types.ts';
import { planDialogue, planRag } from './plans.ts';
import { tokenizePlan } from './tokenize-plan.ts';

let tokenizers: Record<FamilyName, Tokenizer>;
beforeAll(async () => {
  tokenizers = await openFamilies();
});

const now = new Date(2026, 0, 31);
const question = 'What rotates?';

function controlTexts(tokens: Int32Array, tokenizer: Tokenizer): string[] {
  return Array.from(tokens)
    .filter((token) => tokenizer.isControl(token))
    .map((token) => tokenizer.tokenText(token));
}

/** The text that tokens stand for, control tokens by their spelling. */
function spelled(tokens: Int32Array, tokenizer: Tokenizer): string {
  const bytes = Array.from(tokens, (token) =>
    tokenizer.isControl(token) ? Buffer.from(tokenizer.tokenText(token)) : tokenizer.tokenBytes(token),
  );
  return Buffer.concat(bytes).toString('utf8');
}

describe('BOS', () => {
  const passages = [{ text: 'One.' }, { text: 'Two.' }];

  it.each([
    ['chatml', 0],
    ['llama3', 1],
    ['gemma', 1],
    ['zephyr', 1],
    ['phi3', 0],
    ['llama2', 1],
  ] as const)('%s: %d times, in front of the first block', (name, count) => {
    const tokenizer = tokenizers[name];
    for (const system of [undefined, 'Be brief.']) {
      const { blocks } = tokenizePlan(planRag({ system, passages, question, now }, tokenizer), tokenizer);
      const found = blocks.flatMap(({ tokens }, block) =>
        Array.from(tokens, (token, at) => ({ token, block, at })).filter(({ token }) => token === tokenizer.bos),
      );
      expect(found).toEqual(count === 0 ? [] : [{ token: tokenizer.bos, block: 0, at: 0 }]);
    }
  });

  it('stays where a template begins every turn with it', () => {
    const tokenizer = tokenizers.llama2;
    const plan = planDialogue({ turns: [{ user: 'a', assistant: 'b' }], question }, tokenizer);
    const starts = tokenizePlan(plan, tokenizer).blocks.map(({ tokens }) => tokens.indexOf(tokenizer.bos ?? -1));
    expect(starts).toEqual([0, 0]);
  });

  it('is in no prompt of the paper, even if the tokenizer asks for it', () => {
    const tokenizer = tokenizers.zephyr;
    expect(tokenizer.addBos).toBe(true);
    const { blocks } = tokenizePlan(planRag({ template: 'paper', passages, question }, tokenizer), tokenizer);
    for (const { tokens } of blocks) expect(Array.from(tokens)).not.toContain(tokenizer.bos);
  });

  it('is written once by a template that writes it twice', () => {
    const tokenizer = tokenizers.gemma;
    const blocks = [block('final', 'final', [markup('<bos><bos>'), plain('x')])];
    const { tokens } = tokenizePlan({ blocks, bos: 'auto' }, tokenizer).blocks[0] ?? { tokens: [] };
    expect(Array.from(tokens)).toEqual([tokenizer.bos, 'x'.charCodeAt(0)]);
  });

  it('spelled by a passage in front is text', () => {
    const tokenizer = tokenizers.gemma;
    const blocks = [block('final', 'final', [plain('<bos>x')])];
    const { tokens } = tokenizePlan({ blocks, bos: 'auto' }, tokenizer).blocks[0] ?? { tokens: new Int32Array() };
    expect(controlTexts(tokens, tokenizer)).toEqual(['<bos>']);
    expect(spelled(tokens, tokenizer)).toBe('<bos><bos>x');
  });
});

describe.each(familyNames)('%s: control tokens', (name) => {
  const hostile = fc
    .array(
      fc.oneof(
        fc.constantFrom(...familyNames.flatMap((family) => [...families[family].controls])),
        fc.constantFrom('<', '|', '>', '<|', 'user', '\n', ' ', '|>', 'im_end'),
        fc.string({ unit: 'grapheme', maxLength: 4 }),
      ),
      { minLength: 1, maxLength: 8 },
    )
    .map((parts) => parts.join(''))
    .filter((text) => text.trim() !== '');

  it('come from markup only, whatever the contents spell, and no text is lost', () => {
    const tokenizer = tokenizers[name];
    const tokenized = (system: string, passage: string, asked: string, user: string, assistant: string) => {
      const request = { system, passages: [{ text: passage }], history: [{ user, assistant }], question: asked, now };
      const plan = planRag(request, tokenizer);
      return { plan, blocks: tokenizePlan(plan, tokenizer).blocks };
    };
    const calm = tokenized('a', 'b', 'c', 'd', 'e').blocks.map(({ tokens }) => controlTexts(tokens, tokenizer));
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, hostile, (...contents) => {
        const { plan, blocks } = tokenized(...contents);
        expect(blocks.map(({ tokens }) => controlTexts(tokens, tokenizer))).toEqual(calm);
        const text = blocks.map(({ tokens }) => spelled(tokens, tokenizer)).join('');
        const bos = name === 'zephyr' ? '<s>' : '';
        expect(text).toBe(bos + promptText(plan));
      }),
      { numRuns: 40 },
    );
  });
});

describe('the tokens of a block', () => {
  it('are those of its text in one piece, when its contents spell no control token', () => {
    const tokenizer = tokenizers.chatml;
    const plan = planDialogue({ system: 'the heron', turns: [], question: 'the he in the\n\n\nhen' }, tokenizer);
    for (const planned of tokenizePlan(plan, tokenizer).blocks) {
      expect(planned.tokens).toEqual(tokenizer.tokenize(blockText(planned), true));
    }
  });

  it('do not depend on other blocks', () => {
    const tokenizer = tokenizers.llama3;
    const tokens = (passages: { text: string }[]) =>
      tokenizePlan(planRag({ passages, question, now }, tokenizer), tokenizer).blocks.map((planned) => planned.tokens);
    const [, a, b] = tokens([{ text: 'the' }, { text: ' he' }]);
    expect(tokens([{ text: ' he' }, { text: 'the' }]).slice(1, 3)).toEqual([b, a]);
  });

  it('are never none', () => {
    const plan = { blocks: [block('final', 'final', [])], bos: 'never' as const };
    expect(() => tokenizePlan(plan, tokenizers.chatml)).toThrow(/block 0 \(final\) has no tokens/);
  });

  it('are too many for a call stack and still counted', async () => {
    const tokenizer = await openVocabulary({ controls: ['<s>', '</s>'], addBos: true });
    const blocks = [block('final', 'final', [markup('<s>'), plain('</s>'), plain('x'.repeat(300_000))])];
    expect(tokenizePlan({ blocks, bos: 'auto' }, tokenizer).blocks[0]?.tokens).toHaveLength(300_005);
    tokenizer.dispose();
  });
});

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await sentencePieceModels(folder))('a SentencePiece model without a chat template, $name', ({ path }) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    await loadLibrary('cpu');
    tokenizer = await openTokenizer(path);
  });
  afterAll(() => tokenizer.dispose());

  it('gets one BOS, and passages that stay text', () => {
    const passages = [{ title: 'A', text: 'One <s> day</s>' }, { text: 'Lily' }];
    const { blocks } = tokenizePlan(planRag({ passages, question: '<s>' }, tokenizer), tokenizer);
    const bos = blocks.map(({ tokens }) => tokens.filter((token) => tokenizer.isControl(token)));
    expect(bos).toEqual([Int32Array.of(1), new Int32Array(), new Int32Array(), new Int32Array()]);
    for (const [index, { tokens }] of blocks.entries()) {
      const text = blockText(blocks[index] ?? { id: '', kind: 'text', segments: [] });
      expect(spelled(index === 0 ? tokens.slice(1) : tokens, tokenizer)).toBe(` ${text}`);
    }
  });
});
