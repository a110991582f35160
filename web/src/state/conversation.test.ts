import { describe, expect, it } from 'vitest';
import type { Chunk } from '../api/types.ts';
import { type Conversation, messagesOf, newTurn, reduceTurn, type Turn } from './conversation.ts';
import { loadConversations, type Place, saveConversations } from './conversation-store.ts';

const retrieval = { asked: true, in_documents: true, citations: [], passages: [] };
const says = (content: string, more: Partial<Chunk> = {}) => ({
  type: 'chunk' as const,
  ms: 40,
  chunk: { choices: [{ delta: { content } }], ...more },
});
const turn = (question: string, more: Partial<Turn> = {}): Turn => ({
  ...newTurn(question),
  state: 'done',
  answer: 'yes',
  ...more,
});

describe('a turn', () => {
  it('times its first words, and keeps what it rests on', () => {
    const begun = [says(''), { ...says('In '), ms: 70 }, says('1934')].reduce(reduceTurn, newTurn('When?'));
    expect(begun).toMatchObject({ answer: 'In 1934', state: 'streaming', firstTokenMs: 70, retrieval: undefined });
    const ended = reduceTurn(reduceTurn(begun, says('', { retrieval })), { type: 'end' });
    expect(ended).toMatchObject({ state: 'done', retrieval });
    expect(reduceTurn(ended, { type: 'stop' }).state).toBe('done');
    expect(reduceTurn(begun, { type: 'stop' })).toMatchObject({ state: 'stopped', answer: 'In 1934' });
  });

  it('is sent with those before it that were answered, the last eight', () => {
    const before = [
      turn('failed', { state: 'failed' }),
      turn('empty', { answer: ' ' }),
      ...Array.from({ length: 9 }, (_, i) => turn(`q${i}`)),
    ];
    const messages = messagesOf(before, 'now');
    expect(messages).toHaveLength(17);
    expect(messages[0]).toEqual({ role: 'user', content: 'q1' });
    expect(messages.at(-1)).toEqual({ role: 'user', content: 'now' });
  });
});

describe('conversations in the browser', () => {
  const place = (room = Number.POSITIVE_INFINITY): Place & { text: string | null } => ({
    text: null,
    getItem() {
      return this.text;
    },
    setItem(_, text) {
      if (text.length > room) throw new DOMException('full', 'QuotaExceededError');
      this.text = text;
    },
    removeItem() {
      this.text = null;
    },
  });
  const conversation = (id: string, turns: readonly Turn[]): Conversation => ({ id, askedAt: 1, turns });

  it('come back, without the passages that were read, and ended where they were left', () => {
    const store = place();
    const passage = { id: 'a:1', rank: 1, source: 'a:1', folder: 'docs', path: 'a', title: 'A', text: 'long' };
    const asked = turn('When?', { state: 'streaming', retrieval: { ...retrieval, passages: [passage] } });
    saveConversations(store, [conversation('1', [asked]), conversation('2', [])]);
    const [first, ...others] = loadConversations(store);
    expect(others).toEqual([]);
    expect(first?.turns[0]).toMatchObject({ question: 'When?', state: 'stopped' });
    expect(first?.turns[0]?.retrieval?.passages[0]?.text).toBe('');
  });

  it('are as many of the latest as there is room for', () => {
    const store = place(2000);
    saveConversations(
      store,
      Array.from({ length: 20 }, (_, i) => conversation(`${i}`, [turn(`question ${i}`)])),
    );
    const kept = loadConversations(store).map(({ id }) => id);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `${i}`));
  });

  it.each(['', '{', '7', '[{"id":1}]', '[{"id":"a","askedAt":1,"turns":[null]}]'])('are none where %j lies', (text) => {
    expect(loadConversations({ ...place(), getItem: () => text })).toEqual([]);
  });
});
