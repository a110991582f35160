import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTokenCounter, type TokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultMinCoverage } from '../answer/not-in-documents.ts';
import type { Embedder } from '../embed/embedder.ts';
import { Corpus } from '../testing/corpus.ts';
import type { ChunkFilter } from '../types.ts';
import { type DocumentIndex, openIndex } from './document-index.ts';

/** Documents as people have them, of many scripts and spellings. */
const files = {
  'bridge.zh.md': '# 长江大桥\n\n长江大桥于一九五七年十月通车，全长一千六百七十米，是长江上的第一座桥。\n',
  'coffee.zh.md': '# 咖啡馆\n\n咖啡馆每天早上八点开门，晚上十点关门，周一休息。\n',
  'tower.ja.md': '# 東京タワー\n\n東京タワーは1958年に完成した電波塔で、高さは333メートルです。\n',
  'cat.ja.md': '# 我が家の猫\n\n黒猫はいつも窓のそばで寝ています。\n',
  'bridge.th.txt': 'สะพานพระรามแปดเปิดใช้งานเมื่อปี ๒๕๔๕ และเป็นสะพานขึงที่ยาวที่สุดในกรุงเทพมหานคร\n',
  'museum.ko.md': '# 박물관\n\n국립박물관은 월요일에 휴관하며 입장료는 무료이다.\n',
  'mills.de.txt':
    'Die Wind\u00admühlen\u00adflügel\u00aderneuerung kostet 4.200 Euro. U\u0308bergangsjacken hängen im Flur.\n',
  'parts.txt': 'Ersatzteil ＡＢＣ－１２３４ liegt im Regal 7.\n',
  'schedule.ru.txt': 'Мосты разводят ночью; ёлки привезут в декабре.\n',
  'key.ar.txt': 'المفاتيح محفوظة في مكتب المدير منذ سنة ٢٠١٩.\n',
  'u\u0308bersicht-straße.txt': 'Inhalt der Akten.\n',
  'a.txt': 'The harbour closes at nine.\n',
};

let corpus: Corpus;
let tokenizer: TokenCounter & Disposable;
let index: DocumentIndex;
beforeAll(async () => {
  corpus = await Corpus.make(files);
  tokenizer = await openTokenCounter(corpus.model);
  index = await corpus.openIndex();
  await index.update(corpus.docs, { tokenizer });
});
afterAll(async () => {
  await index.close();
  tokenizer[Symbol.dispose]();
  corpus[Symbol.dispose]();
});

describe('documents of any script', () => {
  it.each([
    ['长江大桥什么时候通车？', 'bridge.zh.md'],
    ['大桥有多长', 'bridge.zh.md'],
    ['咖啡馆几点关门？', 'coffee.zh.md'],
    ['周一开门吗', 'coffee.zh.md'],
    ['東京タワーの高さは？', 'tower.ja.md'],
    ['ﾄｳｷｮｳ 電波塔', 'tower.ja.md'],
    ['猫', 'cat.ja.md'],
    ['สะพานพระรามแปดเปิดเมื่อไร', 'bridge.th.txt'],
    ['2545', 'bridge.th.txt'],
    ['박물관은 언제 쉬나요', 'museum.ko.md'],
    ['입장료', 'museum.ko.md'],
    ['Windmühlenflügelerneuerung', 'mills.de.txt'],
    ['Übergangsjacken', 'mills.de.txt'],
    ['ubergangsjacken', 'mills.de.txt'],
    ['4200 Euro', 'mills.de.txt'],
    ['ABC-1234', 'parts.txt'],
    ['abc‑1234', 'parts.txt'],
    ['когда разводят мост', 'schedule.ru.txt'],
    ['елка', 'schedule.ru.txt'],
    ['أين مفاتيح المكتب', 'key.ar.txt'],
    ['2019', 'key.ar.txt'],
    ['Übersicht Strasse', 'u\u0308bersicht-straße.txt'],
  ])('answer %j from %s', async (question, path) => {
    const [first] = await index.search(question);
    expect(first?.chunk.path.normalize('NFC')).toBe(path.normalize('NFC'));
    expect(first?.coverage).toBeGreaterThan(0);
  });

  it('speak of all of a question in their own words, and not of another', async () => {
    const [hit] = await index.search('東京タワー 電波塔');
    expect(hit?.coverage).toBe(1);
    const other = await index.search('サッカーの優勝チーム');
    expect(Math.max(0, ...other.map(({ coverage }) => coverage))).toBeLessThan(0.4);
    // Particles and pairs across words do not make it another question.
    for (const question of [
      '长江大桥是什么时候正式通车的呢？',
      '咖啡馆一般是几点钟关门的？',
      '東京タワーの高さはどれくらいありますか？',
    ]) {
      const [best] = await index.search(question);
      expect([question, (best?.coverage ?? 0) >= defaultMinCoverage]).toEqual([question, true]);
    }
  });
});

it('are filtered by their names, however those are composed', async () => {
  for (const paths of [['übersicht*'], ['u\u0308bersicht*']]) {
    const found = await index.search('Akten', { paths });
    expect(found.map(({ chunk }) => chunk.path)).toEqual(['u\u0308bersicht-straße.txt']);
  }
});

describe('the language of an index', () => {
  it('is refused when it is not known, before anything is made', async () => {
    for (const language of ['Klingon', '', 'xx']) {
      const directory = join(corpus.folder, 'none');
      await expect(openIndex({ directory, language })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('Arabic, Armenian'),
      });
      await expect(openIndex({ directory, create: false })).rejects.toMatchObject({ code: 'INDEX_NOT_FOUND' });
    }
  });

  it('makes the words again when it changes, or when an earlier version made them, and says so until then', async () => {
    await using own = await openIndex({ directory: join(corpus.folder, 'own') });
    mkdirSync(join(corpus.folder, 'few'));
    writeFileSync(join(corpus.folder, 'few', 'm.txt'), 'Die Windmühlen der Häuser.\n');
    const few = join(corpus.folder, 'few');
    await own.update(few, { tokenizer });
    expect(await own.search('Windmühle')).toEqual([]);
    await own.close();

    await using german = await openIndex({ directory: own.directory, language: 'DE' });
    await expect(german.search('Windmühle')).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringContaining('has the words of English: run `block-attention index'),
    });
    expect(await german.update(few, { tokenizer })).toMatchObject({ files: { unchanged: 1 }, chunks: { added: 0 } });
    expect(await german.search('Windmühle')).toHaveLength(1);
    await german.close();

    const path = join(own.directory, 'index.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    expect(manifest).toMatchObject({ language: 'German', words: expect.any(Number) });
    // As versions wrote it that gave the name to LanceDB, which ended the process with it.
    const { words: _, ...old } = manifest;
    writeFileSync(path, JSON.stringify({ ...old, language: 'german', unsettled: true }));
    await using before = await openIndex({ directory: own.directory });
    await expect(before.search('Windmühle')).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringContaining('earlier version'),
    });
    await before.update(few, { tokenizer });
    expect(await before.search('Windmühle')).toHaveLength(1);
    await before.close();

    writeFileSync(path, JSON.stringify({ ...old, language: 'Klingon' }));
    await expect(openIndex({ directory: own.directory })).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringContaining('--language NAME'),
    });
    await using mended = await openIndex({ directory: own.directory, language: 'german' });
    await mended.update(few, { tokenizer });
    expect(await mended.search('Windmühle')).toHaveLength(1);
  });

  it('is refused with what else in a manifest has not its form', async () => {
    const directory = join(corpus.folder, 'odd');
    mkdirSync(directory);
    for (const odd of [{ language: 3 }, { folders: [] }, { folders: { a: 1 } }, { embedder: { dimensions: 'x' } }]) {
      const manifest = { version: 1, language: 'English', folders: {}, ...odd };
      writeFileSync(join(directory, 'index.json'), JSON.stringify(manifest));
      await expect(openIndex({ directory })).rejects.toMatchObject({ code: 'INDEX_INVALID' });
    }
  });
});

describe('what reaches the tables', () => {
  it.each([
    [{ since: Number.NaN }, 'since'],
    [{ until: Number.POSITIVE_INFINITY }, 'until'],
    [{ paths: 'guides/**' as unknown as string[] }, 'paths'],
    [{ roots: [3] as unknown as string[] }, 'roots'],
    [{ paths: ['x'.repeat(70_000)] }, 'patterns'],
    [{ by: 'magic' as 'text' }, 'by is magic'],
  ])('is checked: %j', async (options: ChunkFilter & { by?: 'text' }, name) => {
    await expect(index.search('harbour', options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(name),
    });
  });

  it('is checked where an embedder gives it, too', async () => {
    const gives = (dimensions: number, vector: readonly number[]): Embedder => ({
      reference: 'test',
      identity: `test-${dimensions}`,
      dimensions,
      embed: (texts) => Promise.resolve(texts.map(() => Float32Array.from(vector))),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    const directory = join(corpus.folder, 'vectors');
    for (const dimensions of [0, -1, 1.5, Number.NaN, 1e9]) {
      const opened = openIndex({ directory, embedder: gives(dimensions, []) });
      await expect(opened).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    for (const vector of [[1], [1, Number.NaN], [1, 2, 3]]) {
      await using bad = await openIndex({ directory, embedder: gives(2, vector) });
      await expect(bad.update(corpus.docs, { tokenizer })).rejects.toMatchObject({ code: 'EMBEDDING_FAILED' });
    }
    // The tables were made for two numbers, and are empty.
    rmSync(join(directory, 'index.json'), { force: true });
    await using other = await openIndex({ directory, embedder: gives(3, [1, 0, 0]) });
    await other.update(corpus.docs, { tokenizer });
    expect((await other.search('harbour', { by: 'vector' })).length).toBeGreaterThan(0);
  });

  it('may lie in a folder of any name', async () => {
    await using odd = await openIndex({ directory: join(corpus.folder, "a b#c%20?d's 索引") });
    await odd.update(corpus.docs, { tokenizer });
    expect((await odd.search('harbour')).length).toBe(1);
    const file = join(corpus.folder, 'file');
    writeFileSync(file, '');
    await expect(openIndex({ directory: join(file, 'index') })).rejects.toMatchObject({
      code: expect.stringMatching(/INDEX_INVALID|INVALID_ARGUMENT/),
    });
  });
});
