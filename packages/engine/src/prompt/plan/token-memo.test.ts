import { beforeAll, describe, expect, it } from 'vitest';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { openVocabulary } from '../testing/open-family.ts';
import { planRag } from './plans.ts';
import { createTokenMemo } from './token-memo.ts';
import { tokenizePlan, tokenizePlanAside } from './tokenize-plan.ts';

describe('createTokenMemo', () => {
  const tokenize = (text: string) => Int32Array.from(text, (_, index) => index);
  const fail = () => {
    throw new Error('asked again');
  };

  it('asks once per text', () => {
    const memo = createTokenMemo();
    const tokens = memo.get('abc', tokenize);
    expect(memo.get('abc', fail)).toBe(tokens);
    expect(() => memo.get('abd', fail)).toThrow('asked again');
    memo.clear();
    expect(memo.tokens).toBe(0);
    expect(() => memo.get('abc', fail)).toThrow('asked again');
  });

  it('keeps to its budget, forgetting what was used longest ago', () => {
    const memo = createTokenMemo(6);
    memo.get('aa', tokenize);
    memo.get('bb', tokenize);
    memo.get('cc', tokenize);
    memo.get('aa', fail);
    memo.get('ddd', tokenize);
    expect(memo.tokens).toBe(5);
    memo.get('aa', fail);
    expect(() => memo.get('bb', fail)).toThrow('asked again');
    memo.get('eeeeeee', tokenize);
    expect(memo.tokens).toBe(5);
  });

  it('learns the texts that it does not know, each once, and forgets them within its budget', async () => {
    const memo = createTokenMemo(6);
    memo.get('aa', tokenize);
    const asked: string[][] = [];
    const all = async (texts: readonly string[]) => {
      asked.push([...texts]);
      return texts.map(tokenize);
    };
    const texts = ['aa', 'bbb', 'much too long'];
    const tokens = new Map(texts.map((text) => [text, tokenize(text)]));
    expect(await memo.learn(['bbb', ...texts], all)).toEqual({ tokens, kept: true });
    tokens.delete('much too long');
    expect(await memo.learn(['aa', 'bbb'], all)).toEqual({ tokens, kept: true });
    expect(asked).toEqual([['bbb', 'much too long']]);
    expect(memo.get('bbb', fail)).toEqual(tokenize('bbb'));
    expect(memo.tokens).toBe(5);
    await Promise.all([memo.learn(['cc'], all), memo.learn(['cc'], all)]);
    expect(memo.tokens).toBe(5);
    expect(() => memo.get('aa', fail)).toThrow('asked again');
  });

  it('keeps nothing of what is being learnt when it is cleared', async () => {
    const memo = createTokenMemo();
    const learning = memo.learn(['abc'], async (texts) => texts.map(tokenize));
    memo.clear();
    expect(await learning).toEqual({ tokens: new Map([['abc', tokenize('abc')]]), kept: false });
    expect(memo.tokens).toBe(0);
  });

  it.each([[-1], [Number.NaN]])('refuses a budget of %d', (budget) => {
    expect(() => createTokenMemo(budget)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('tokenizePlan with a memo', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openVocabulary({ controls: ['<s>', '</s>'], addBos: true });
  });

  it('gives the same tokens, and keeps those of passages and of what stands before them', () => {
    const plan = planRag({ passages: [{ text: 'the <s>' }, { text: 'he' }, { text: 'he' }], question: 'x' }, tokenizer);
    const memo = createTokenMemo();
    const plainly = tokenizePlan(plan, tokenizer);
    expect(tokenizePlan(plan, tokenizer, memo)).toEqual(plainly);
    expect(tokenizePlan(plan, tokenizer, memo)).toEqual(plainly);
    // Asked once more without BOS in front, which is not a part of what is kept; both "he" are one.
    const kept = plan.blocks.slice(0, 3).map((planned) => tokenizePlan({ bos: 'never', blocks: [planned] }, tokenizer));
    expect(memo.tokens).toBe(kept.reduce((sum, { blocks }) => sum + (blocks[0]?.tokens.length ?? 0), 0));
  });

  it('gives the same tokens when the passages are tokenized aside, also when the memo is cleared meanwhile', async () => {
    const passages = Array.from({ length: 30 }, (_, at) => ({ text: `the <s> ${'he '.repeat(at * 20)}€` }));
    const plan = planRag({ passages, question: 'x' }, tokenizer);
    const plainly = tokenizePlan(plan, tokenizer);
    const memo = createTokenMemo();
    expect(await tokenizePlanAside(plan, tokenizer, memo)).toEqual(plainly);
    const known = memo.tokens;
    expect(known).toBeGreaterThan(1000);
    expect(await tokenizePlanAside(plan, tokenizer, memo)).toEqual(plainly);
    expect(memo.tokens).toBe(known);
    memo.clear();
    const planning = tokenizePlanAside(plan, tokenizer, memo);
    memo.clear();
    expect(await planning).toEqual(plainly);
    expect(memo.tokens).toBe(0);
  });
});
