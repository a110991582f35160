import { join } from 'node:path';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomEncoder } from '../../../tests/support/models/random-encoder.ts';
import type { DocumentIndex } from '../catalog/document-index.ts';
import { openReranker } from '../rerank/reranker.ts';
import { bridgePage, Corpus, keysPage } from '../testing/corpus.ts';
import type { SearchOptions } from '../types.ts';

let corpus: Corpus;
let index: DocumentIndex;
beforeAll(async () => {
  corpus = await Corpus.make({
    'guides/keys.md': keysPage,
    'bridge.html': bridgePage,
    'src/rotate.ts': 'export function rotateKeys(bridgeId: string): void {\n  console.log(bridgeId);\n}\n',
    'copy/keys.md': keysPage,
    "o'brien.txt": 'Café au lait is served in the café of O’Brien.',
    'table.csv': 'key,days\nharbour,30\nbridge,90\n',
  });
  using tokenizer = await openTokenCounter(corpus.model);
  index = await corpus.openIndex();
  await index.update(corpus.docs, { tokenizer });
});
afterAll(async () => {
  await index.close();
  corpus[Symbol.dispose]();
});

const paths = async (question: string, options?: SearchOptions) =>
  (await index.search(question, options)).map(({ chunk }) => chunk.path);

describe('search', () => {
  it('finds by the words of text, titles, paths, with endings and accents apart', async () => {
    expect((await paths('opening of the bridges'))[0]).toBe('bridge.html');
    expect((await paths('rotation of a key'))[0]).toMatch(/keys\.md$/);
    expect(await paths('cafe')).toEqual(["o'brien.txt"]);
    expect((await paths('rotate keys function'))[0]).toBe('src/rotate.ts');
    expect((await paths('rotateKeys'))[0]).toBe('src/rotate.ts');
    expect(await paths('zzzz')).toEqual([]);
    expect(await paths('the of and')).toEqual([]);
  });

  it('gives each text once, ranked, with how much of the question it speaks of', async () => {
    const hits = await index.search('a lost key is reported to whom?');
    expect(hits.map(({ rank }) => rank)).toEqual(hits.map((_, i) => i + 1));
    expect(new Set(hits.map(({ chunk }) => chunk.content)).size).toBe(hits.length);
    expect(hits[0]).toMatchObject({ chunk: { title: 'Keys › Loss' }, coverage: 1, ranks: { text: 1 } });
    expect(hits.every(({ score }, i) => score <= (hits[i - 1]?.score ?? Number.POSITIVE_INFINITY))).toBe(true);
  });

  it('filters by path, type, time and folder', async () => {
    expect(await paths('keys', { paths: ['guides/**'] })).toEqual([
      'guides/keys.md',
      'guides/keys.md',
      'guides/keys.md',
    ]);
    expect(await paths('bridge', { types: ['html', 'source'] })).toEqual(
      expect.arrayContaining(['bridge.html', 'src/rotate.ts']),
    );
    expect(await paths('bridge', { types: ['pdf'] })).toEqual([]);
    expect(await paths('keys', { paths: ['nothing/*'] })).toEqual([]);
    expect(await paths('café', { paths: ["o'*"] })).toEqual(["o'brien.txt"]);
    const times = (await index.search('keys bridge café')).map(({ chunk }) => chunk.modifiedAt);
    const [latest, earliest] = [Math.max(...times), Math.min(...times)];
    const newer = await index.search('keys bridge café', { since: latest });
    expect(newer.length).toBeGreaterThan(0);
    expect(newer.every(({ chunk }) => chunk.modifiedAt >= latest)).toBe(true);
    const older = await index.search('keys bridge café', { until: earliest });
    expect(older.every(({ chunk }) => chunk.modifiedAt < earliest)).toBe(true);
    expect(await index.search('keys bridge café', { until: 0 })).toEqual([]);
    expect(await paths('keys', { roots: ['/elsewhere'] })).toEqual([]);
  });

  it('keeps to the number and the tokens asked for', async () => {
    expect(await index.search('keys bridge café', { top: 2 })).toHaveLength(2);
    const all = await index.search('keys bridge café');
    const maxTokens = 60;
    const some = await index.search('keys bridge café', { maxTokens });
    expect(some.length).toBeLessThan(all.length);
    expect(some.reduce((sum, { chunk }) => sum + chunk.tokens, 0)).toBeLessThanOrEqual(maxTokens);
  });

  it.each([
    ['', {}, 'EMPTY_QUESTION'],
    [' \n', {}, 'EMPTY_QUESTION'],
    ['x', { top: 0 }, 'INVALID_ARGUMENT'],
    ['x', { top: 1.5 }, 'INVALID_ARGUMENT'],
    ['x', { maxTokens: -1 }, 'INVALID_ARGUMENT'],
    ['x', { by: 'vector' }, 'INVALID_ARGUMENT'],
  ] as const)('refuses %j with %j', async (question, options, code) => {
    await expect(index.search(question, options)).rejects.toMatchObject({ code });
  });

  it.each(["'", '"', 'a AND (b', '\\', '%_', "'; DROP TABLE chunks; --", '\u0000', '🙂', 'x'.repeat(20_000)])(
    'takes %j as words',
    async (question) => {
      expect(await index.search(question)).toBeInstanceOf(Array);
    },
  );
});

describe('a reranker', () => {
  it('puts what was found in order, and leaves out nothing', async () => {
    const model = join(corpus.folder, 'reranker.gguf');
    await writeRandomEncoder(model, 5, 4);
    await using reranker = await openReranker(model, { threads: 1 });
    const ranking = await corpus.openIndex({ reranker });
    const question = 'keys of the harbour bridge';
    const plain = await index.search(question);
    const hits = await ranking.search(question);
    expect(hits.map(({ chunk }) => chunk.id).sort()).toEqual(plain.map(({ chunk }) => chunk.id).sort());
    expect(hits.map(({ rank }) => rank)).toEqual(hits.map((_, i) => i + 1));
    const texts = hits.map(({ chunk }) => `${chunk.title}\n${chunk.text}`);
    const scores = await reranker.rank(question, texts);
    expect(hits.map(({ rerankScore }) => rerankScore)).toEqual(scores);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(scores[0]).toBeGreaterThan(scores.at(-1) ?? 0);
    // What is read of it is the best of all that was found, not of the first few.
    const [best] = await ranking.search(question, { top: 1 });
    expect(best?.chunk.id).toBe(hits[0]?.chunk.id);
    await ranking.close();
    expect(plain.every(({ rerankScore }) => rerankScore === undefined)).toBe(true);
  });

  it('stops with its signal', async () => {
    const model = join(corpus.folder, 'reranker.gguf');
    await using reranker = await openReranker(model, { threads: 1 });
    await expect(reranker.rank('a', ['b'], AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
