import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bridgePage, Corpus, keysPage } from '../testing/corpus.ts';
import { type Chunk, passageOf } from '../types.ts';
import { type DocumentIndex, openIndex } from './document-index.ts';

const files = { 'keys.md': keysPage, 'sub/bridge.html': bridgePage, 'notes.txt': 'The harbour closes at nine.' };

async function all(index: DocumentIndex): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of index.chunks()) chunks.push(chunk);
  return chunks;
}

describe('an index that encodes', () => {
  let corpus: Corpus;
  let engine: Engine;
  let index: DocumentIndex;
  beforeAll(async () => {
    corpus = await Corpus.make(files);
    engine = await corpus.openEngine();
    index = await corpus.openIndex();
  });
  afterAll(async () => {
    await index.close();
    await engine.close();
    corpus[Symbol.dispose]();
  });
  const update = () => index.update(corpus.docs, { engine });
  const stored = async (chunks: readonly Chunk[]) =>
    Promise.all(engine.blockKeys(chunks.map(passageOf)).map((key) => engine.store.has(key)));

  it('reads a folder, encodes its chunks, and has nothing to do the next time', async () => {
    const first = await update();
    expect(first).toMatchObject({
      files: { total: 3, added: 3, changed: 0, removed: 0, skipped: [] },
      chunks: { total: 5, added: 5, removed: 0 },
      blocks: { encoded: 5, present: 0, removed: 0 },
    });
    const chunks = await all(index);
    expect(chunks.map(({ source, title }) => [source, title])).toEqual([
      ['keys.md:3', 'Keys'],
      ['keys.md:7', 'Keys › Rotation'],
      ['keys.md:11', 'Keys › Loss'],
      ['notes.txt:1', 'notes'],
      ['sub/bridge.html:1', 'The bridge › History'],
    ]);
    expect(await stored(chunks)).toEqual(chunks.map(() => 'memory'));
    expect(await update()).toMatchObject({
      files: { unchanged: 3, added: 0, changed: 0 },
      chunks: { added: 0, removed: 0 },
      blocks: { encoded: 0, present: 5 },
    });
  });

  it('encodes the changed chunks of a changed file alone, and forgets those that are gone', async () => {
    const before = await all(index);
    corpus.put('keys.md', `A new first line.\n\n${keysPage.replace('ninety', 'thirty')}`);
    expect(await update()).toMatchObject({
      files: { added: 0, changed: 1, unchanged: 2 },
      chunks: { total: 6, added: 2, removed: 1 },
      blocks: { encoded: 2, present: 4, removed: 1 },
    });
    const lost = before.filter(({ text }) => text.includes('ninety'));
    expect(await stored(lost)).toEqual([undefined]);
    const loss = (await all(index)).find(({ title }) => title === 'Keys › Loss');
    expect(loss).toMatchObject({ source: 'keys.md:13' });
  });

  it('keeps a block as long as any file has its text, and not a moment longer', async () => {
    corpus.put('copy/notes.txt', files['notes.txt']);
    expect(await update()).toMatchObject({ chunks: { added: 1 }, blocks: { encoded: 0, present: 6 } });
    const [note] = (await all(index)).filter(({ path }) => path === 'notes.txt');
    corpus.remove('notes.txt');
    expect(await update()).toMatchObject({ files: { removed: 1 }, chunks: { removed: 1 }, blocks: { removed: 0 } });
    expect(await stored(note === undefined ? [] : [note])).toEqual(['memory']);
    corpus.remove('copy');
    expect(await update()).toMatchObject({ chunks: { removed: 1 }, blocks: { removed: 1 } });
    expect(await stored(note === undefined ? [] : [note])).toEqual([undefined]);
    expect(await index.search('when does the harbour close?', { by: 'text' })).not.toContainEqual(
      expect.objectContaining({ chunk: expect.objectContaining({ path: 'notes.txt' }) }),
    );
  });

  it('reports what it leaves out, and drops a file that became unreadable', async () => {
    corpus.put('sub/bridge.html', Buffer.alloc(4000));
    corpus.put('empty.md', '');
    corpus.put('big.txt', 'a');
    const summary = await index.update(corpus.docs, { engine, maxFileBytes: 3000 });
    expect(summary.files.skipped).toEqual([
      { path: 'empty.md', reason: 'it is empty', code: 'EMPTY' },
      { path: 'sub/bridge.html', reason: 'it has 4000 bytes, more than 3000 (--max-file)', code: 'TOO_LARGE' },
    ]);
    expect(summary).toMatchObject({ files: { added: 1 }, blocks: { removed: 1 } });
    corpus.put('sub/bridge.html', bridgePage);
    corpus.remove('empty.md');
    corpus.remove('big.txt');
    expect(await update()).toMatchObject({ files: { skipped: [], changed: 1 }, chunks: { total: 5 } });
  });

  it('goes on where an interrupted run ended', async () => {
    corpus.put(
      'long.md',
      Array.from({ length: 30 }, (_, i) => `# Part ${i}\n\nPart number ${i} of the passage.`).join('\n\n'),
    );
    const controller = new AbortController();
    const onProgress = ({ phase, done }: { phase: string; done: number }) => {
      if (phase === 'encoding' && done >= 16) controller.abort();
    };
    await expect(index.update(corpus.docs, { engine, signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    const { blocks, files: counts } = await update();
    expect(counts).toMatchObject({ added: 0, changed: 0 });
    expect(blocks.encoded + blocks.present).toBe(35);
    expect(blocks.present).toBeGreaterThanOrEqual(5);
    expect(blocks.encoded).toBeGreaterThan(0);
    expect((await update()).blocks).toMatchObject({ encoded: 0, present: 35 });
  });

  it('drops a folder with its blocks', async () => {
    await expect(index.removeFolder('/nowhere')).rejects.toMatchObject({ code: 'INDEX_NOT_FOUND' });
    const chunks = await all(index);
    expect(await index.removeFolder(corpus.docs, { store: engine.store })).toEqual({ chunks: 35, blocks: 35 });
    expect(await all(index)).toEqual([]);
    expect(new Set(await stored(chunks))).toEqual(new Set([undefined]));
    expect(index.folders).toEqual([]);
  });
});

describe('an index', () => {
  let corpus: Corpus;
  beforeEach(async () => {
    corpus = await Corpus.make(files);
    return () => corpus[Symbol.dispose]();
  });

  it('is opened again as it was, cut again when asked to, and refused when damaged', async () => {
    using tokenizer = await openTokenCounter(corpus.model);
    await using first = await corpus.openIndex();
    await first.update(corpus.docs, { tokenizer, model: 'some-model' });
    await first.close();
    await using again = await corpus.openIndex({ create: false });
    expect(again).toMatchObject({ model: 'some-model', folders: [{ root: corpus.docs, files: 3, chunks: 5 }] });
    expect(await again.update(corpus.docs, { tokenizer })).toMatchObject({ files: { unchanged: 3 } });
    const finer = await again.update(corpus.docs, { tokenizer, chunkTokens: 16 });
    expect(finer.files).toMatchObject({ changed: 3, unchanged: 0 });
    expect(finer.chunks.total).toBeGreaterThan(5);
    await again.close();
    for (const text of ['{', '[]', '{"version":99,"folders":{}}']) {
      writeFileSync(join(corpus.index, 'index.json'), text);
      await expect(corpus.openIndex()).rejects.toMatchObject({ code: 'INDEX_INVALID' });
    }
  });

  it('takes the text of a removed document off the disk', async () => {
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    for (let i = 0; i < 40; i++) corpus.put(`more/${i}.md`, `# Note ${i}\n\nSaid in confidence number${i}.\n`);
    await index.update(corpus.docs, { tokenizer });
    const holds = (word: string) =>
      readdirSync(corpus.index, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(word));
    expect(holds('number17')).toBe(true);
    corpus.remove('more/17.md');
    await index.update(corpus.docs, { tokenizer });
    expect([holds('number17'), holds('number18')]).toEqual([false, true]);
  });

  it('brings in order what a run left that ended before its search index was made', async () => {
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    await index.update(corpus.docs, { tokenizer });
    const path = join(corpus.index, 'index.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    rmSync(join(corpus.index, 'tables'), { recursive: true });
    writeFileSync(path, JSON.stringify({ ...manifest, unsettled: true, folders: {} }));
    await using again = await corpus.openIndex();
    const signal = AbortSignal.abort();
    await expect(again.update(corpus.docs, { tokenizer, signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await again.update(corpus.docs, { tokenizer });
    expect((await again.search('harbour')).length).toBeGreaterThan(0);
    expect(JSON.parse(readFileSync(path, 'utf8'))).not.toHaveProperty('unsettled');
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('keeps what it cannot see for now', async () => {
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    await index.update(corpus.docs, { tokenizer });
    chmodSync(join(corpus.docs, 'sub'), 0o000);
    const { files: counts } = await index.update(corpus.docs, { tokenizer });
    chmodSync(join(corpus.docs, 'sub'), 0o700);
    expect(counts).toMatchObject({ removed: 0, skipped: [{ path: 'sub' }] });
    expect((await index.search('bridge')).length).toBeGreaterThan(0);
  });

  it('is not made by those who only read', async () => {
    await expect(openIndex({ directory: join(corpus.folder, 'none'), create: false })).rejects.toMatchObject({
      code: 'INDEX_NOT_FOUND',
    });
  });

  it('refuses folders and numbers that are none', async () => {
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    for (const folder of ['/no/such/folder', join(corpus.docs, 'keys.md'), 'a\0b']) {
      await expect(index.update(folder, { tokenizer })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    for (const chunkTokens of [0, -1, Number.NaN]) {
      await expect(index.update(corpus.docs, { tokenizer, chunkTokens })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
    await expect(index.update(corpus.docs, {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await index.close();
    await expect(index.search('x')).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
