import { setTimeout as sleep } from 'node:timers/promises';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { describe, expect, it } from 'vitest';
import { Corpus, keysPage } from '../testing/corpus.ts';
import type { IndexSummary } from '../types.ts';
import { watchFolder } from './watch-folder.ts';

async function until(what: () => boolean, limitMs = 30_000): Promise<void> {
  const start = performance.now();
  while (!what()) {
    if (performance.now() - start > limitMs) throw new Error('it did not happen');
    await sleep(20);
  }
}

describe('watching a folder', () => {
  it('indexes what is there, what comes, changes and goes, until told to end', async () => {
    using corpus = await Corpus.make({ 'keys.md': keysPage });
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    const controller = new AbortController();
    const summaries: IndexSummary[] = [];
    const onUpdate = (summary: IndexSummary) => summaries.push(summary);
    const watching = watchFolder(index, corpus.docs, { tokenizer, signal: controller.signal, quietMs: 50, onUpdate });
    await until(() => summaries.length === 1);
    corpus.put('sub/note.md', 'The harbour closes at nine.');
    await until(() => summaries.length === 2);
    expect(summaries[1]).toMatchObject({ files: { added: 1 }, chunks: { total: 4 } });
    corpus.put('sub/note.md', 'The harbour closes at ten.');
    await until(() => summaries.length === 3);
    expect(summaries[2]).toMatchObject({ files: { changed: 1 }, chunks: { added: 1, removed: 1 } });
    corpus.remove('keys.md');
    await until(() => summaries.length === 4);
    expect(summaries[3]).toMatchObject({ files: { removed: 1 }, chunks: { total: 1 } });
    controller.abort();
    await watching;
  });
});
