import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openWords } from '../words/words.ts';
import { rowsOf } from './chunk-rows.ts';
import { ChunkTable } from './chunk-table.ts';
import { lance } from './lance.ts';

const words = await openWords('English');

it('indexes more different words than LanceDB writes in one go, on any number of cores', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'block-attention-table-'));
  const { connect } = await lance();
  const connection = await connect(directory);
  const table = await ChunkTable.open(connection);
  try {
    const drafts = Array.from({ length: 1000 }, (_, i) => {
      const text = Array.from({ length: 400 }, (_, w) => `w${(i * 400 + w).toString(36)}x`).join(' ');
      return { title: 'Words', text, startLine: i + 1, endLine: i + 1, tokens: 400, spans: [] };
    });
    const file = { root: '/r', path: 'words.txt', type: 'text', modifiedAt: 0 } as const;
    const rows = rowsOf(file, drafts, words);
    await table.replace('/r', ['words.txt'], rows);
    await table.settle({ removed: 0 });
    expect(await table.byText([`w${(68_042).toString(36)}x`], undefined, 5)).toMatchObject([{ id: rows[170]?.id }]);
  } finally {
    table.close();
    connection.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 30_000);

it('finds what its index of words does not have yet, and waits with it until that is a twentieth', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'block-attention-table-'));
  const { connect } = await lance();
  const connection = await connect(directory);
  const table = await ChunkTable.open(connection);
  const rows = (path: string, count: number, text: string) => {
    const drafts = Array.from({ length: count }, (_, i) => {
      return { title: 'Page', text: `${text} number${i}`, startLine: i + 1, endLine: i + 1, tokens: 2, spans: [] };
    });
    return rowsOf({ root: '/r', path, type: 'text', modifiedAt: 0 }, drafts, words);
  };
  const put = (path: string, count: number, text: string) => table.replace('/r', [path], rows(path, count, text));
  const found = async (word: string) => (await table.byText(words.all(word), undefined, 2000)).length;
  const unindexed = async () => {
    const other = await connection.openTable('chunks');
    const [index] = (await other.listIndices()).filter(({ columns }) => columns.includes('search'));
    return (await other.indexStats(index?.name ?? ''))?.numUnindexedRows;
  };
  try {
    await put('a.txt', 1000, 'harbour');
    await table.settle({ removed: 0 });
    expect(await unindexed()).toBe(0);
    await put('b.txt', 20, 'lighthouse');
    await table.settle({ removed: 0 });
    expect(await unindexed()).toBe(20);
    expect([await found('lighthouse'), await found('harbour')]).toEqual([20, 1000]);
    await put('b.txt', 10, 'ferry');
    expect([await found('lighthouse'), await found('ferry')]).toEqual([0, 10]);
    await put('c.txt', 50, 'crane');
    await table.settle({ removed: 0 });
    expect(await unindexed()).toBe(0);
    expect([await found('lighthouse'), await found('ferry'), await found('crane')]).toEqual([0, 10, 50]);
  } finally {
    table.close();
    connection.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
