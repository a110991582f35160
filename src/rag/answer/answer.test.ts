import type { Engine } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DocumentIndex } from '../catalog/document-index.ts';
import { bridgePage, Corpus, keysPage } from '../testing/corpus.ts';
import { answerFromDocuments } from './answer-documents.ts';
import { createConversation } from './conversation.ts';
import { notInDocuments } from './not-in-documents.ts';

let corpus: Corpus;
let engine: Engine;
let index: DocumentIndex;
beforeAll(async () => {
  corpus = await Corpus.make({ 'keys.md': keysPage, 'bridge.html': bridgePage });
  engine = await corpus.openEngine();
  index = await corpus.openIndex();
  await index.update(corpus.docs, { engine });
});
afterAll(async () => {
  await index.close();
  await engine.close();
  corpus[Symbol.dispose]();
});

/** The random model says what a grammar makes it say. */
const saying = (text: string) => ({ grammar: `root ::= ${JSON.stringify(text)}`, maxTokens: 120 });

describe('answers from documents', () => {
  it('come from stored blocks in the order of the search, with citations to file and line', async () => {
    const question = 'How often are the keys rotated?';
    const stream = answerFromDocuments({ index, engine, question, ...saying('Every ninety days.') });
    let text = '';
    for await (const piece of stream) text += piece;
    const result = await stream.result;
    expect(text).toBe('Every ninety days.');
    expect(result).toMatchObject({ text, mode: 'block', inDocuments: true });
    expect(result.hits[0]?.chunk.source).toBe('keys.md:7');
    expect(result.blocks.map(({ id }) => id)).toEqual(['system', ...result.hits.map(({ chunk }) => chunk.source)]);
    expect(result.blocks.slice(1).map(({ status }) => status)).toEqual(result.hits.map(() => 'hit'));
    expect(result.citations).toEqual([
      {
        index: 1,
        source: 'keys.md:7',
        root: corpus.docs,
        path: 'keys.md',
        startLine: 7,
        endLine: 7,
        title: 'Keys › Rotation',
        passage: 'keys.md:7',
        ranges: [[0, 18]],
        quotes: [[0, 58]],
      },
    ]);
    expect(result.ttftMs).toBeGreaterThan(result.searchMs);
  });

  it('say so when the documents speak of something else, without asking the model', async () => {
    const stream = answerFromDocuments({ index, engine, question: 'Who won the football championship in Brazil?' });
    const pieces: string[] = [];
    for await (const piece of stream) pieces.push(piece);
    expect(pieces).toEqual([notInDocuments]);
    expect(await stream.result).toMatchObject({
      inDocuments: false,
      asked: false,
      citations: [],
      blocks: [],
      tokens: { answer: 0 },
    });
  });

  it('are marked when the model says what stands nowhere', async () => {
    const question = 'How often are the keys rotated?';
    const made = await answerFromDocuments({ index, engine, question, ...saying('Purple elephants dance.') }).result;
    expect(made).toMatchObject({ inDocuments: false, citations: [] });
    const refused = await answerFromDocuments({
      index,
      engine,
      question,
      ...saying('The documents do not mention it.'),
    }).result;
    expect(refused.inDocuments).toBe(false);
  });

  it('keep to filters, and to what the context holds', async () => {
    const question = 'When was the bridge opened?';
    const only = await answerFromDocuments({
      index,
      engine,
      question,
      retrieval: { paths: ['*.html'] },
      ...saying('In 1911.'),
    }).result;
    expect(only.hits.map(({ chunk }) => chunk.path)).toEqual(['bridge.html']);
    expect(only.citations.map(({ source }) => source)).toEqual(['bridge.html:1']);
    expect(only).toMatchObject({ asked: true, leftOut: { passages: 0, turns: 0 } });
  });

  it('read as many of the passages as the context has room for, the best ones, and the latest turns', async () => {
    const { contextTokens } = engine.model;
    const request = {
      index,
      engine,
      question: 'When was the bridge opened, and how are keys rotated?',
      retrieval: { top: 1000 },
    };
    const all = await answerFromDocuments({ ...request, ...saying('x') }).result;
    expect(all.hits.length).toBeGreaterThan(2);
    expect(all.leftOut).toEqual({ passages: 0, turns: 0 });
    const passages = all.blocks.slice(1).map(({ tokens }) => tokens);
    const rest = all.tokens.context + all.tokens.question - passages.reduce((sum, tokens) => sum + tokens, 0);
    const grammar = 'root ::= "x"';
    for (const kept of passages.keys()) {
      if (kept === 0) continue;
      // Room for so many passages to the token, and for one token more than the last of them needs too little.
      const room = rest + passages.slice(0, kept).reduce((sum, tokens) => sum + tokens, 0);
      const fitting = await answerFromDocuments({ ...request, grammar, maxTokens: contextTokens - room }).result;
      expect(fitting.hits).toEqual(all.hits.slice(0, kept));
      expect(fitting.leftOut).toEqual({ passages: all.hits.length - kept, turns: 0 });
      const tight = answerFromDocuments({ ...request, grammar, maxTokens: contextTokens - room + 1 }).result;
      if (kept === 1) await expect(tight).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' });
      else expect((await tight).hits).toEqual(all.hits.slice(0, kept - 1));
    }
    const history = Array.from({ length: 6 }, (_, i) => ({
      user: `How are keys kept, number ${i}? `.repeat(12),
      assistant: 'In a file.',
    }));
    const long = { ...request, history, grammar, maxTokens: contextTokens - rest - 400 };
    const chat = await answerFromDocuments(long).result;
    expect(chat.leftOut.turns).toBeGreaterThan(0);
    expect(chat.leftOut.turns).toBeLessThanOrEqual(6);
    expect(chat.hits).toHaveLength(1);
  });

  it('are read from passages or excerpts of them where the policy chooses, and cite what was read', async () => {
    const question = 'Who rotates the keys every ninety days, and where are keys kept?';
    const ask = (options: object) =>
      answerFromDocuments({ index, engine, question, ...saying('They are kept in a file.'), ...options }).result;
    const all = await ask({});
    expect(all.blocks.map(({ id }) => id)).toEqual(['system', ...all.hits.map(({ chunk }) => chunk.source)]);
    const chosen = await ask({ policy: 'select:1' });
    const sources = all.hits.map(({ chunk }) => chunk.source);
    expect(chosen.hits).toEqual(all.hits);
    // Of the passages, "Keys" alone has two sentences; both speak of keys.
    const excerpts = ['keys.md:3~0-20', 'keys.md:3~21-45'];
    const ids = chosen.selection?.passages.map(({ id }) => id) ?? [];
    expect(ids.slice(0, sources.length)).toEqual(sources);
    expect(ids.slice(sources.length)).toHaveLength(2);
    expect(ids.slice(sources.length)).toEqual(expect.arrayContaining(excerpts));
    const read = chosen.selection?.passages.filter((passage) => passage.read).map(({ id }) => id.split('~')[0]);
    expect(read).toHaveLength(1);
    // Only what was read can bear an answer out.
    expect(chosen.inDocuments).toBe(read?.[0] === 'keys.md:3');
    const none = await ask({ policy: 'select:1', excerpts: 0 });
    expect(none.selection?.passages.map(({ id }) => id)).toEqual(sources);
    await expect(ask({ excerpts: 33 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    // Modes that read all passages have no use for them.
    const full = await ask({ policy: 'select:1', mode: 'full' });
    expect(full).toMatchObject({ selection: null, tokens: { context: all.tokens.context } });
  });

  it('fail where they are awaited, and can be cancelled', async () => {
    await expect(answerFromDocuments({ index, engine, question: ' ' }).result).rejects.toMatchObject({
      code: 'EMPTY_QUESTION',
    });
    const stream = answerFromDocuments({ index, engine, question: 'keys?', retrieval: { top: 0 } });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const controller = new AbortController();
    const long = answerFromDocuments({ index, engine, question: 'How are keys rotated?', signal: controller.signal });
    const outcome = (async () => {
      for await (const _ of long) controller.abort();
      return (await long.result).stopReason;
    })();
    expect(await outcome).toBe('aborted');
  });
});

describe('a conversation', () => {
  it('brings earlier turns along as blocks, and finds passages for what a question leaves out', async () => {
    const conversation = createConversation({ index, engine, ...saying('Every ninety days.'), mostTurns: 2 });
    await conversation.ask('How often are the keys rotated?').result;
    expect(conversation.turns).toEqual([{ user: 'How often are the keys rotated?', assistant: 'Every ninety days.' }]);
    const second = await conversation.ask('And by whom?').result;
    expect(second.hits[0]?.chunk.source).toBe('keys.md:7');
    expect(second.blocks.map(({ id }) => id)).toContain('turn-0');
    const third = await conversation.ask('How often are the keys rotated?').result;
    expect(third.blocks.filter(({ id }) => id.startsWith('turn')).map(({ status }) => status)).toEqual(['hit', 'miss']);
    expect(conversation.turns).toHaveLength(2);
  });
});
