/**
 * Which blocks of the store belong to which contents: what must go from the store when a document goes.
 *
 * An entry is written before its block is encoded and removed after the block was, so that a crash leaves entries
 * without blocks, never blocks without entries. Holds digests, no text.
 */
import type { BlockKey } from '@block-attention/engine/internal/store';
import { type Connection, oneOf, type Table } from './lance.ts';

const name = 'blocks';

export interface BlockEntry {
  /** Digest of a chunk's title and text. */
  readonly content: string;
  readonly key: BlockKey;
}

export class BlockTable {
  readonly #table: Table;

  private constructor(table: Table) {
    this.#table = table;
  }

  static async open(connection: Connection): Promise<BlockTable> {
    if ((await connection.tableNames()).includes(name)) return new BlockTable(await connection.openTable(name));
    const { Field, Schema, Utf8 } = await import('apache-arrow');
    const schema = new Schema([new Field('content', new Utf8(), false), new Field('key', new Utf8(), false)]);
    return new BlockTable(await connection.createEmptyTable(name, schema, { existOk: true }));
  }

  /** All entries, or those of some contents. */
  async entries(contents?: readonly string[]): Promise<BlockEntry[]> {
    await this.#table.checkoutLatest();
    const query = this.#table.query().select(['content', 'key']);
    const rows = await (contents === undefined ? query : query.where(oneOf('content', contents))).toArray();
    return rows.map((row) => ({ content: String(row.content), key: String(row.key) as BlockKey }));
  }

  async add(entries: readonly BlockEntry[]): Promise<void> {
    if (entries.length > 0) await this.#table.add(entries as unknown as Record<string, unknown>[]);
  }

  async remove(contents: readonly string[]): Promise<void> {
    for (let i = 0; i < contents.length; i += 500)
      await this.#table.delete(oneOf('content', contents.slice(i, i + 500)));
  }

  async settle(): Promise<void> {
    await this.#table.optimize({ cleanupOlderThan: new Date(), deleteUnverified: true });
  }

  close(): void {
    this.#table.close();
  }
}
