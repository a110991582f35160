/**
 * The table of chunks in LanceDB. Every change is one atomic commit: a reader, or the process after a crash, sees a
 * file's chunks of before or of after.
 */

import { BlockAttentionError, throwIfAborted } from '@block-attention/engine/internal/base';
import type { Schema } from 'apache-arrow';
import type { ChunkFilter } from '../types.ts';
import type { Words } from '../words/words.ts';
import { type ChunkRow, chunkColumns, searchText } from './chunk-rows.ts';
import { type Connection, lance, literal, oneOf, type Table } from './lance.ts';

const name = 'chunks';
const numbers: readonly (keyof ChunkRow)[] = ['startLine', 'endLine', 'page', 'tokens', 'position'];
/** Rows from which a look-up by id goes through an index. */
const indexedFrom = 5000;
/** Rows up to which files are written again after rows were removed. */
const rewrittenUpTo = 20_000;
/** Share of the rows that may wait for the index of words, or to be taken off the disk. */
const mostWaiting = 0.05;
/** States of the table, each of a run over a folder, that may wait to be cleaned up. */
const mostVersions = 100;
/** Rows whose words are made again at a time. */
const rewordedAtOnce = 1000;
/** Of the words of an index, in bytes: none is longer (words.ts). */
const mostWordBytes = 300;
/** Words of a question that are looked up. */
const mostQuestionWords = 1000;
/** Rows from which vectors are searched through an index instead of one by one. */
const vectorIndexFrom = 100_000;

export interface ScoredId {
  readonly id: string;
  readonly score: number;
}

export class ChunkTable {
  readonly #table: Table;

  private constructor(table: Table) {
    this.#table = table;
  }

  /** Opens the table, creating it if need be. @param dimensions of embeddings, for a table with them */
  static async open(connection: Connection, dimensions?: number): Promise<ChunkTable> {
    if ((await connection.tableNames()).includes(name)) {
      const table = new ChunkTable(await connection.openTable(name));
      await table.#addPlaces();
      if ((await table.dimensions()) === dimensions) return table;
      // Rows without the vectors of the others, or with longer ones, reach LanceDB as a fault within it.
      if ((await table.count()) > 0) {
        throw new BlockAttentionError(
          'INDEX_INVALID',
          `the passages in the index have ${(await table.dimensions()) ?? 'no'} numbers of embeddings each, not ${dimensions ?? 'none'}: delete the index and index again`,
        );
      }
      table.close();
      await connection.dropTable(name);
    }
    return new ChunkTable(await connection.createEmptyTable(name, await schema(dimensions), { existOk: true }));
  }

  /** Tables of versions before parts of files were named have no column for them. */
  async #addPlaces(): Promise<void> {
    const has = async () => (await this.#table.schema()).fields.some((field) => field.name === 'place');
    if (await has()) return;
    try {
      await this.#table.addColumns([{ name: 'place', valueSql: "''" }]);
    } catch (error) {
      // Another process may have been faster.
      await this.#table.checkoutLatest();
      if (!(await has())) throw error;
    }
  }

  /** Length of the vectors in the table; undefined without. */
  async dimensions(): Promise<number | undefined> {
    const { fields } = await this.#table.schema();
    const type = fields.find((field) => field.name === 'vector')?.type as { listSize?: number } | undefined;
    return type?.listSize;
  }

  count(filter?: string): Promise<number> {
    return this.#table.countRows(filter);
  }

  /** Puts the rows of these files in place of those they had. */
  async replace(root: string, paths: readonly string[], rows: readonly ChunkRow[]): Promise<void> {
    if (rows.length === 0) return this.remove(root, paths);
    await this.#table
      .mergeInsert('id')
      .whenMatchedUpdateAll()
      .whenNotMatchedInsertAll()
      .whenNotMatchedBySourceDelete({ where: ofFiles(root, paths) })
      .execute(rows as unknown as Record<string, unknown>[]);
  }

  async remove(root: string, paths?: readonly string[]): Promise<void> {
    if (paths?.length === 0) return;
    await this.#table.delete(paths === undefined ? `root = ${literal(root)}` : ofFiles(root, paths));
  }

  /** Some columns of the rows that match, in no order. */
  async select<K extends keyof ChunkRow>(columns: readonly K[], filter?: string): Promise<Pick<ChunkRow, K>[]> {
    const query = this.#table.query().select([...columns]);
    const rows = (await (filter === undefined ? query : query.where(filter)).toArray()) as Record<K, unknown>[];
    return rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])) as Pick<ChunkRow, K>);
  }

  /** Whole rows in the order of the ids; ids that are gone are left out. */
  async rows(ids: readonly string[]): Promise<ChunkRow[]> {
    if (ids.length === 0) return [];
    const rows = await this.select(chunkColumns, oneOf('id', ids));
    const byId = new Map(rows.map((row) => [row.id, row as ChunkRow]));
    return ids.flatMap((id) => byId.get(id) ?? []);
  }

  /** BM25 over title, text and path, best first. @param words as `Words` gives them */
  async byText(words: readonly string[], filter: string | undefined, limit: number): Promise<ScoredId[]> {
    if (words.length === 0) return [];
    if ((await this.#table.listIndices()).every(({ columns }) => !columns.includes('search'))) return [];
    const { MatchQuery } = await lance();
    const asked = words.slice(0, mostQuestionWords).join(' ');
    const query = this.#table.query().fullTextSearch(new MatchQuery(asked, 'search')).select(['id', '_score']);
    const rows = await (filter === undefined ? query : query.where(filter)).limit(limit).toArray();
    return inOrder(rows.map((row) => ({ id: String(row.id), score: Number(row._score) })));
  }

  /** Nearest vectors by cosine, nearest first. */
  async byVector(vector: Float32Array, filter: string | undefined, limit: number): Promise<ScoredId[]> {
    const query = this.#table.query().nearestTo(vector).distanceType('cosine').select(['id', '_distance']);
    const rows = await (filter === undefined ? query : query.where(filter)).limit(limit).toArray();
    return inOrder(rows.map((row) => ({ id: String(row.id), score: 1 - Number(row._distance) })));
  }

  /** Lets rows be found before `settle`: with an index of words there is, those that are not in it are looked through. */
  async makeFindable(): Promise<void> {
    const indices = await this.#table.listIndices();
    if (!indices.some(({ columns }) => columns.includes('search'))) await this.#indexWords();
  }

  /**
   * Brings the search index up to date and cleans up after earlier states. For the only writer. A large table waits with
   * both while little has changed: what is in no index is looked through.
   * @param removed rows that are gone since the last time; their text is taken off the disk, too. In a table too large to
   *   be written again that waits as well, and then until a tenth of a file's rows are gone.
   */
  async settle({ removed }: { readonly removed: number }): Promise<void> {
    const rows = await this.count();
    const purge = removed > 0;
    const rewrite = purge && rows <= rewrittenUpTo;
    if (!rewrite && removed <= rows * mostWaiting && (await this.#mayWait(rows))) return;
    // An update writes rows to new files, and files without rows are deleted below.
    if (rewrite && rows > 0) await this.#table.update({ valuesSql: { position: 'position' } });
    const indices = await this.#table.listIndices();
    const has = (column: string) => indices.some(({ columns }) => columns.includes(column));
    const { Index } = await lance();
    // Made again each time: LanceDB 0.30 now and then panics when `optimize` has rows to add to an index of words. With
    // all rows in the index it leaves the index alone.
    if (rows > 0) await this.#indexWords();
    if (rows >= indexedFrom && !has('id')) await this.#table.createIndex('id', { config: Index.btree() });
    const wide = rows >= vectorIndexFrom && !has('vector') && (await this.dimensions()) !== undefined;
    if (wide) await this.#table.createIndex('vector', { config: Index.ivfFlat({ distanceType: 'cosine' }) });
    await this.#table.optimize({ cleanupOlderThan: new Date(), deleteUnverified: true });
  }

  /** Whether so little has changed since the index of words was made that questions hardly take longer. */
  async #mayWait(rows: number): Promise<boolean> {
    const index = (await this.#table.listIndices()).find(({ columns }) => columns.includes('search'));
    const stats = index && (await this.#table.indexStats(index.name));
    if (stats === undefined || stats.numUnindexedRows > rows * mostWaiting) return false;
    return (await this.#table.listVersions()).length <= mostVersions;
  }

  async #indexWords(): Promise<void> {
    const { Index } = await lance();
    // What a word is, is decided in words.ts: LanceDB is given words with blanks between them, and no language, of
    // which it knows few and on others panics, which ends the process.
    const asGiven = { stem: false, removeStopWords: false, asciiFolding: false, lowercase: false } as const;
    const cut = { baseTokenizer: 'whitespace', maxTokenLength: mostWordBytes, withPosition: false } as const;
    const config = Index.fts({ ...asGiven, ...cut });
    await this.#table.createIndex('search', { config, replace: true });
  }

  /** Makes the words of all rows again, as another language or a newer version of this package has them. */
  async reword(words: Words, signal: AbortSignal | undefined): Promise<void> {
    const ids = (await this.select(['id'])).map(({ id }) => id);
    for (let i = 0; i < ids.length; i += rewordedAtOnce) {
      throwIfAborted(signal);
      const rows = await this.select(['id', 'path', 'title', 'text'], oneOf('id', ids.slice(i, i + rewordedAtOnce)));
      const made = rows.map((row) => ({ id: row.id, search: searchText(row, words) }));
      await this.#table.mergeInsert('id').whenMatchedUpdateAll().execute(made);
    }
  }

  /** The newest state, also of what other processes wrote. */
  async refresh(): Promise<void> {
    await this.#table.checkoutLatest();
  }

  close(): void {
    this.#table.close();
  }
}

/** Best first; equal ones in an order that does not depend on how the table lies on the disk. */
function inOrder(found: readonly ScoredId[]): ScoredId[] {
  return found.toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}

async function schema(dimensions: number | undefined): Promise<Schema> {
  const { Field, FixedSizeList, Float32, Float64, Int32, Schema, Utf8 } = await import('apache-arrow');
  const text: readonly (keyof ChunkRow)[] = [...chunkColumns, 'search'];
  const fields = text.map((column) => {
    if (numbers.includes(column)) return new Field(column, new Int32(), false);
    return new Field(column, column === 'modifiedAt' ? new Float64() : new Utf8(), false);
  });
  if (dimensions === undefined) return new Schema(fields);
  const vector = new FixedSizeList(dimensions, new Field('item', new Float32(), true));
  return new Schema([...fields, new Field('vector', vector, true)]);
}

function ofFiles(root: string, paths: readonly string[]): string {
  return `root = ${literal(root)} AND ${oneOf('path', paths)}`;
}

/** Names with capitals stand in backquotes in a filter. */
const modifiedAt = '`modifiedAt`';

/**
 * A filter as SQL, globs left to the caller; undefined when it allows everything.
 * @throws INVALID_ARGUMENT for what would be no SQL, or other SQL than it seems
 */
export function filterSql(filter: ChunkFilter, paths: readonly string[] | undefined): string | undefined {
  for (const name of ['roots', 'types', 'paths'] as const) {
    const value: unknown = filter[name];
    if (value === undefined || (Array.isArray(value) && value.every((one) => typeof one === 'string'))) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${JSON.stringify(value)}: give a list of texts`);
  }
  for (const name of ['since', 'until'] as const) {
    if (filter[name] === undefined || Number.isFinite(filter[name])) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${String(filter[name])}: give ms since 1970`);
  }
  const conditions = [
    filter.roots === undefined ? undefined : oneOf('root', filter.roots),
    filter.types === undefined ? undefined : oneOf('type', filter.types),
    filter.since === undefined ? undefined : `${modifiedAt} >= ${filter.since}`,
    filter.until === undefined ? undefined : `${modifiedAt} < ${filter.until}`,
    paths === undefined ? undefined : oneOf('path', paths),
  ].filter((condition) => condition !== undefined);
  return conditions.length === 0 ? undefined : conditions.join(' AND ');
}
