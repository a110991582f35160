import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Corpus, keysPage } from '../testing/corpus.ts';
import { passageOf } from '../types.ts';
import { IndexKeeper } from './keep-index.ts';

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(10);
}

async function open(files: Readonly<Record<string, string>>, options: { encodes?: () => boolean } = {}) {
  const corpus = await Corpus.make(files);
  opened.push({ [Symbol.asyncDispose]: () => Promise.resolve(corpus[Symbol.dispose]()) });
  const engine = await corpus.openEngine();
  opened.push(engine);
  const index = await corpus.openIndex();
  opened.push(index);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const keeper = new IndexKeeper(index, { engine, quietMs: 30, onError, ...options });
  opened.push(keeper);
  return { corpus, engine, index, keeper, errors };
}

const pages = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `p${i}.md`,
      `# Page ${i}\n\nLamp ${i} of the harbour burns ${i * 7} hours.\n`,
    ]),
  );

describe('keeping an index', () => {
  it('reads and encodes what is there, what comes and what changes, and forgets what goes', async () => {
    const { corpus, engine, index, keeper, errors } = await open({ 'keys.md': keysPage });
    await keeper.add(corpus.docs);
    await keeper.current();
    expect((await index.search('key rotation'))[0]?.chunk.path).toBe('keys.md');
    await until(() => keeper.state.phase === 'ready' && keeper.state.encoded !== undefined);
    expect(keeper.state).toMatchObject({ encoded: { done: 3, total: 3 }, error: undefined });
    corpus.put('note.md', 'The harbour closes at nine.');
    await until(async () => (await index.search('harbour closes')).some(({ chunk }) => chunk.path === 'note.md'));
    await until(() => keeper.state.encoded?.total === 4 && keeper.state.phase === 'ready');
    const [hit] = await index.search('harbour closes');
    const [key] = engine.blockKeys(hit === undefined ? [] : [passageOf(hit.chunk)]);
    expect(key !== undefined && (await engine.store.has(key))).toBeTruthy();
    corpus.remove('note.md');
    await until(async () => key !== undefined && (await engine.store.has(key)) === undefined);
    await until(() => keeper.state.folders[0]?.summary?.files.total === 1);
    expect(errors).toEqual([]);
  });

  it('finds a new file while older ones are still being encoded, and then goes on with these', async () => {
    const { corpus, engine, index, keeper } = await open(pages(150));
    await keeper.add(corpus.docs, { watched: false });
    await until(() => keeper.state.phase === 'encoding');
    const encode = engine.store.stats().blocks;
    corpus.put('late.md', 'The dredger leaves on Sunday.');
    keeper.touch(keeper.roots[0] ?? '');
    await keeper.current();
    expect((await index.search('dredger'))[0]?.chunk.path).toBe('late.md');
    // Reading did not wait for the encoding.
    expect(keeper.state.encoded?.done ?? 0).toBeLessThan(150);
    expect(encode).toBeLessThan(150);
    await until(() => keeper.state.phase === 'ready');
    expect(keeper.state.encoded).toEqual({ done: 151, total: 151 });
  });

  it('encodes only where that is of use, and begins when it becomes so', async () => {
    let useful = false;
    const { corpus, engine, keeper } = await open({ 'keys.md': keysPage }, { encodes: () => useful });
    await keeper.add(corpus.docs);
    await keeper.current();
    keeper.nudge();
    await sleep(50);
    expect(engine.store.stats().blocks).toBe(0);
    expect(keeper.state).toMatchObject({ phase: 'ready', encoded: undefined });
    useful = true;
    keeper.nudge();
    await until(() => keeper.state.encoded?.done === 3);
  });

  it('says which folder cannot be read, keeps the others, and ends in the middle of its work', async () => {
    const { corpus, keeper } = await open(pages(80));
    await expect(keeper.add(`${corpus.docs}/nowhere`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await keeper.add(corpus.docs);
    await until(() => keeper.state.phase === 'encoding');
    await keeper.close();
    expect(keeper.state.encoded?.done ?? 0).toBeLessThan(80);
  });

  it('lets the first files be found while the rest is read', async () => {
    const { corpus, index } = await open(pages(60));
    const engine = opened[1] as Awaited<ReturnType<Corpus['openEngine']>>;
    let found: string | undefined;
    let at = 0;
    let asking: Promise<void> | undefined;
    await index.update(corpus.docs, {
      engine,
      encode: false,
      findableMs: 0,
      onProgress: ({ phase, done }) => {
        if (phase !== 'reading' || done < 3 || asking !== undefined) return;
        asking = index.search('lamp of the harbour').then((hits) => {
          found = hits[0]?.chunk.path;
          at = done;
        });
      },
    });
    await asking;
    expect(found).toMatch(/^p\d+\.md$/);
    expect(at).toBeLessThan(60);
    // And everything once it is done, each once.
    expect(new Set((await index.search('lamp', { top: 100 })).map(({ chunk }) => chunk.path)).size).toBe(60);
  });
});
