import { describe, expect, it } from 'vitest';
import type { Account, ModelInfo } from '../api/types.ts';
import { costLine } from './cost-line.ts';
import { modeWords } from './mode-words.ts';

const words = (facts: Partial<NonNullable<ModelInfo['block_attention']>>) =>
  modeWords({ id: 'm', block_attention: { context_tokens: 1, kv_bytes_per_token: 1, ...facts } });

describe('modeWords', () => {
  it.each([
    [{ verdict: 'block' as const }, 'read once', undefined],
    [{ verdict: null }, 'again', 'verify'],
    [{ verdict: null, learning: { state: 'learning' as const, n: 5 } }, 'again', 'verify'],
    [{ verdict: null, learning: { state: 'block' as const, n: 30 } }, 'read once', undefined],
    [{ verdict: 'full' as const }, 'again', 'finetune'],
    [{ mode_default: 'full' }, 'again', undefined],
    [{ mode_default: 'block', verdict: null }, 'read once', 'verify'],
    [{ verdict: 'block' as const, fallback: 'the answers parted' }, 'again', 'verify'],
  ])('%j', (facts, headline, command) => {
    const said = words(facts);
    expect(said.headline).toContain(headline);
    if (command === undefined) expect(said.command).toBeUndefined();
    else expect(said.command).toContain(`block-attention ${command} --model m`);
  });
});

describe('costLine', () => {
  const block = (id: string, status: 'hit' | 'miss') => ({ id, status, tier: 'memory', tokens: 50, bytes: 1, ms: 0 });
  const account: Account = {
    mode: 'block',
    ttft_ms: 9,
    tokens: { context: 108, question: 12, answer: 3 },
    blocks: [block('system', 'hit'), block('a:1', 'hit'), block('b:1', 'miss')],
    flops: { spent: 1, full: 2 },
  };
  const retrieval = { asked: true, in_documents: true, citations: [], passages: [] };

  it('says what was reused and how soon it began', () => {
    const seen = { firstTokenMs: 42, retrieval };
    expect(costLine(account, seen)).toBe('1 of 2 passages reused, 50 of 120 tokens · first word after 42 ms');
    expect(costLine({ ...account, mode: 'full', blocks: [] }, seen)).toBe(
      'all 120 tokens read again · first word after 42 ms',
    );
    expect(costLine(account, { ...seen, retrieval: { ...retrieval, asked: false } })).toBe(
      'no model was asked · first word after 42 ms',
    );
    expect(costLine(undefined, { firstTokenMs: undefined, retrieval: undefined })).toBe('');
  });
});
