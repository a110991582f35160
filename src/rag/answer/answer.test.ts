import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../engine/index.ts';
import type { DocumentIndex } from '../catalog/document-index.ts';
import { bridgePage, Corpus, keysPage } from '../testing/corpus.ts';
import { openWords } from '../words/words.ts';
import { answerFromDocuments } from './answer-documents.ts';
import { cite, grounding } from './cite.ts';
import { createConversation } from './conversation.ts';
import { isGrounded, notInDocuments } from './not-in-documents.ts';

const words = await openWords('English');
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
      },
    ]);
    expect(result.ttftMs).toBeGreaterThan(result.searchMs);
  });

  it('say so when the documents speak of something else, without asking the model', async () => {
    const stream = answerFromDocuments({ index, engine, question: 'Who won the football championship in Brazil?' });
    const pieces: string[] = [];
    for await (const piece of stream) pieces.push(piece);
    expect(pieces).toEqual([notInDocuments]);
    expect(await stream.result).toMatchObject({ inDocuments: false, citations: [], blocks: [], tokens: { answer: 0 } });
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
    const request = { index, engine, question, retrieval: { top: 1000 }, maxTokens: 1500 };
    const tight = await answerFromDocuments({ ...request, grammar: 'root ::= "x"' }).result;
    expect(tight.tokens.context + tight.tokens.question).toBeLessThan(2048 - 1500);
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

describe('citations', () => {
  const chunk = (path: string, text: string, startLine = 1) => ({
    chunk: {
      id: path,
      root: '/r',
      path,
      type: 'text' as const,
      title: 'T',
      text,
      startLine,
      endLine: startLine + 9,
      tokens: 1,
      modifiedAt: 0,
      content: path,
      source: `${path}:${startLine}-${startLine + 9}`,
      spans: text.split('\n').map((line, i) => [text.indexOf(line), startLine + i, startLine + i] as const),
    },
    rank: 1,
    score: 1,
    ranks: {},
    coverage: 1,
  });
  const hits = [
    chunk('a.txt', 'The mayor opened the bridge.\nIt was built in 1911.'),
    chunk('b.txt', 'The harbour closes at nine.\nShips wait outside.', 20),
  ];

  it('go sentence by sentence, to the line, numbered by first use', () => {
    const answer = 'The harbour closes at nine. The bridge was built in 1911. Elephants dance. It closes at nine!';
    expect(cite(answer, 'What about the harbour?', hits, words)).toMatchObject([
      {
        index: 1,
        source: 'b.txt:20',
        ranges: [
          [0, 27],
          [75, 93],
        ],
      },
      { index: 2, source: 'a.txt:2', ranges: [[28, 57]] },
    ]);
    expect(cite('', 'x', hits, words)).toEqual([]);
    expect(cite('Elephants dance.', 'x', hits, words)).toEqual([]);
  });

  it('measure how much of an answer is the documents’ own', () => {
    expect(grounding('It was built in 1911.', 'When?', hits, words)).toBe(1);
    expect(grounding('Elephants built it.', 'When?', hits, words)).toBe(0.5);
    expect(grounding('The bridge.', 'Which bridge?', hits, words)).toBeUndefined();
  });

  it.each([
    ['The documents do not mention this.', false],
    ['There is no information about that in the provided documents.', false],
    ['I could not find it in the context.', false],
    ['The harbour closes at nine.', true],
    ['It was not built in 1911.', true],
    ['', false],
  ])('take %j as an answer: %s', (answer, grounded) => {
    expect(isGrounded(answer, 'When was it built?', hits, words)).toBe(grounded);
  });
});
