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
    await table.settle({ purge: false });
    expect(await table.byText([`w${(68_042).toString(36)}x`], undefined, 5)).toMatchObject([{ id: rows[170]?.id }]);
  } finally {
    table.close();
    connection.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 30_000);
