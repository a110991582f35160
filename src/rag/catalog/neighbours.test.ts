/** Chunks behind those before them in their files: what is encoded, what a change leaves, and what goes from the store. */
import type { Engine } from '@block-attention/engine/internal/engine';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerFromDocuments } from '../answer/answer-documents.ts';
import { Corpus, keysPage } from '../testing/corpus.ts';
import { type Chunk, passageOf } from '../types.ts';
import type { DocumentIndex } from './document-index.ts';

const policy = 'anchor:header+neighbour:16';
let corpus: Corpus;
let engine: Engine;
let index: DocumentIndex;
beforeEach(async () => {
  corpus = await Corpus.make({ 'keys.md': keysPage, 'note.txt': 'The harbour closes at nine.' });
  engine = await corpus.openEngine({ policy });
  index = await corpus.openIndex();
});
afterEach(async () => {
  await index.close();
  await engine.close();
  corpus[Symbol.dispose]();
});

async function all(): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of index.chunks()) chunks.push(chunk);
  return chunks;
}

const update = async () => (await index.update(corpus.docs, { engine })).blocks;
const stored = async (chunks: readonly Chunk[]) =>
  Promise.all(engine.blockKeys(chunks.map(passageOf)).map((key) => engine.store.has(key)));
/** The store holds the instruction's block, and nothing else that no chunk has. */
const blocks = () => engine.store.stats().blocks;
const ask = (more: object = {}) =>
  answerFromDocuments({
    index,
    engine,
    question: 'Who gets a lost key reported?',
    maxTokens: 2,
    minCoverage: 0,
    ...more,
  }).result;

describe('an index of which the policy asks what stands before', () => {
  it('says it of every chunk, and encodes what questions then find', async () => {
    expect(await update()).toMatchObject({ encoded: 4, present: 0 });
    const chunks = await all();
    expect(chunks.map(({ title, previous }) => [title, previous?.title])).toEqual([
      ['Keys', undefined],
      ['Keys › Rotation', 'Keys'],
      ['Keys › Loss', 'Keys › Rotation'],
      ['note', undefined],
    ]);
    const bare = chunks.map((chunk) => ({ ...chunk, previous: undefined }));
    expect(await index.withPrevious(bare.toReversed())).toEqual(chunks.toReversed());
    expect(await stored(chunks)).toEqual(Array(4).fill('memory'));
    const { blocks: read, hits } = await ask();
    expect(hits.length).toBeGreaterThan(2);
    expect(read.map(({ status }) => status)).toEqual(read.map(() => 'hit'));
    expect(await update()).toMatchObject({ encoded: 0, present: 4 });
  });

  it('encodes again what stands behind a change, and drops what saw the old text', async () => {
    await update();
    const [, , loss] = await all();
    const changed = keysPage.replace('the bridge operator', 'the harbour master');
    corpus.put('keys.md', changed);
    expect(await update()).toMatchObject({ encoded: 2, present: 2, removed: 2 });
    expect(await stored(loss === undefined ? [] : [loss])).toEqual([undefined]);
    expect(blocks()).toBe(5);
    // The first chunk of a file that gets one before it.
    corpus.put('keys.md', `A new first line.\n\n${changed}`);
    expect(await update()).toMatchObject({ encoded: 2, present: 3, removed: 0 });
    corpus.remove('keys.md');
    await update();
    expect(await all()).toHaveLength(1);
    // What stood before "Keys" was nothing, once: its content is gone, and so is that block.
    expect(blocks()).toBe(2);
  });

  it('knows one text at two places as two blocks', async () => {
    const lines = (first: string) => `# ${first}\n\nOf ${first}.\n\n## Rules\n\nNo dogs.\n`;
    corpus.put('a.md', lines('Beach'));
    corpus.put('b.md', lines('Beach').replace('Of Beach', 'About the beach'));
    expect(await update()).toMatchObject({ encoded: 8 });
    expect((await all()).filter(({ text }) => text === 'No dogs.').map(({ title }) => title)).toEqual([
      'Beach › Rules',
      'Beach › Rules',
    ]);
    expect(await stored(await all())).toEqual(Array(8).fill('memory'));
  });

  it('takes out of the store what a question of its own made', async () => {
    await update();
    await ask({ policy: 'neighbour:4' });
    await ask({ policy: 'anchor:bos' });
    const made = blocks();
    expect(made).toBeGreaterThan(5);
    const { selection } = await ask({ policy: 'select:1' });
    const excerpts = selection?.passages.filter(({ id }) => id.includes('~')) ?? [];
    expect(excerpts.length).toBeGreaterThan(0);
    expect(blocks()).toBeGreaterThanOrEqual(made + excerpts.length);
    corpus.remove('keys.md');
    corpus.remove('note.txt');
    await update();
    expect(blocks()).toBe(1);
  });

  it('forgets what was still being encoded when what stood before it went', async () => {
    await update();
    const chunks = await all();
    corpus.put('keys.md', keysPage.replace('the bridge operator', 'the harbour master'));
    await update();
    await engine.encode(chunks.map(passageOf));
    expect(await index.forgetGone(engine, chunks, [{}])).toBe(2);
    await engine.encode(chunks.map(passageOf), { policy: 'anchor:bos' });
    // Without neighbours the chunk that is there still is no business of the one that went.
    expect(await index.forgetGone(engine, chunks, [{ policy: 'anchor:bos' }])).toBe(1);
  });
});

it('leaves chunks as they are where no policy asks', async () => {
  await using plain = await corpus.openEngine({ policy: 'anchor:header' });
  expect((await index.update(corpus.docs, { engine: plain })).blocks).toMatchObject({ encoded: 4 });
  const { hits, blocks: read } = await answerFromDocuments({
    index,
    engine: plain,
    question: 'Who gets a lost key reported?',
    maxTokens: 2,
  }).result;
  expect(hits.every(({ chunk }) => chunk.previous === undefined)).toBe(true);
  expect(read.every(({ status }) => status === 'hit')).toBe(true);
});
