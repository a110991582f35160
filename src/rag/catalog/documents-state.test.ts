import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterEach, describe, expect, it } from 'vitest';
import { withoutAnswer } from '../answer/not-in-documents.ts';
import { Corpus } from '../testing/corpus.ts';
import type { DocumentsState } from './documents-state.ts';
import { IndexKeeper } from './keep-index.ts';

const opened: (AsyncDisposable | Disposable)[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) {
    if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
    else one[Symbol.dispose]();
  }
});

function keep<T extends AsyncDisposable | Disposable>(one: T): T {
  opened.push(one);
  return one;
}

const pages = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}.md`, `# Page ${i}\n\nLamp ${i} burns.\n`]));

async function open(files: number) {
  const corpus = keep(await Corpus.make(pages(files)));
  const tokenizer = keep(await openTokenCounter(corpus.model));
  const index = keep(await corpus.openIndex());
  return { corpus, tokenizer, index };
}

describe('how far documents are read', () => {
  it('is known to others from the first moment on, with how many files can be found', async () => {
    const { corpus, tokenizer, index } = await open(8);
    const seen: { done: number; state: DocumentsState; found: number }[] = [];
    let asking = Promise.resolve();
    await index.update(corpus.docs, {
      tokenizer,
      findableMs: 0,
      onProgress: ({ phase, done }) => {
        if (phase !== 'reading') return;
        asking = asking.then(async () => {
          // As another process does: it knows what lies on the disk.
          await using other = await corpus.openIndex({ create: false });
          const state = await other.documents();
          seen.push({ done, state, found: (await other.search('lamp', { top: 100 })).length });
        });
      },
    });
    await asking;
    const first = seen[0];
    expect(first?.state).toEqual({ state: 'reading', files: { done: 0, total: 8 } });
    for (const { state, found } of seen) expect(found).toBeGreaterThanOrEqual(state.files.done);
    expect(await index.documents()).toEqual({ state: 'ready', files: { done: 8, total: 8 } });
  });

  it('is told when reading was interrupted, until it is done', async () => {
    const { corpus, tokenizer, index } = await open(20);
    const controller = new AbortController();
    const run = index.update(corpus.docs, {
      tokenizer,
      findableMs: 0,
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done === 10) controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
    const { state, files } = await index.documents();
    expect([state, files.total]).toEqual(['unfinished', 20]);
    expect(files.done).toBeGreaterThan(0);
    expect(files.done).toBeLessThan(20);
    await index.update(corpus.docs, { tokenizer });
    expect((await index.documents()).state).toBe('ready');
    for (let i = 0; i < 20; i++) corpus.remove(`p${i}.md`);
    await index.update(corpus.docs, { tokenizer });
    expect(await index.documents()).toEqual({ state: 'empty', files: { done: 0, total: 0 } });
  });

  it('is known of a folder that was just named, of one that is gone, and of one that is back', async () => {
    const { corpus, index } = await open(3);
    const engine = keep(await corpus.openEngine());
    const keeper = keep(new IndexKeeper(index, { engine, encodes: () => false }));
    const root = await keeper.add(corpus.docs, { watched: false });
    expect(keeper.documents).toEqual({ state: 'reading', files: { done: 0, total: 0 } });
    await keeper.current();
    expect(keeper.documents).toEqual({ state: 'ready', files: { done: 3, total: 3 } });
    corpus.remove('.');
    keeper.touch(root);
    await keeper.current();
    expect(keeper.documents.state).toBe('unfinished');
    corpus.put('p0.md', 'Lamp 0 burns again.');
    keeper.touch(root);
    await keeper.current();
    expect(keeper.documents).toEqual({ state: 'ready', files: { done: 1, total: 1 } });
  });

  it.each([
    ['ready', 3, 3, 'The documents do not answer this.'],
    ['empty', 0, 0, 'There are no documents to answer from yet.'],
    ['reading', 0, 0, 'The documents are still being read. Ask again in a moment.'],
    ['reading', 0, 9, 'The documents are still being read: 0 of 9 files so far. Ask again in a moment.'],
    [
      'reading',
      2,
      9,
      'The documents are still being read: 2 of 9 files so far, and none of them answers this. Ask again in a moment.',
    ],
    [
      'unfinished',
      2,
      9,
      'What was read of the documents does not answer this, and reading them ended early: 2 of 9 files so far.',
    ],
  ] as const)('is said where nothing was found: %s, %i of %i', (state, done, total, text) => {
    expect(withoutAnswer({ state, files: { done, total } })).toBe(text);
  });
});
