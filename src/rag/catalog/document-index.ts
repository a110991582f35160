/**
 * An index of documents on the disk: its tables, its manifest, its lock. Loads no model.
 *
 * Readers take no lock: each search sees one committed state. Writers, in however many processes, take turns.
 */
import { resolve } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine, KeyOptions } from '@block-attention/engine/internal/engine';
import { withFolderLock } from '@block-attention/engine/internal/platform';
import type { BlockStore } from '@block-attention/engine/internal/store';
import { checkDimensions } from '../embed/check-vectors.ts';
import type { Embedder } from '../embed/embedder.ts';
import { ParserProcess } from '../load/parser-process.ts';
import type { Reranker } from '../rerank/reranker.ts';
import { globs, type SearchParts, searchChunks } from '../search/search-chunks.ts';
import {
  type Chunk,
  type ChunkFilter,
  type IndexSummary,
  passageOf,
  type SearchHit,
  type SearchOptions,
} from '../types.ts';
import { defaultLanguage, findLanguage, requireLanguage } from '../words/languages.ts';
import { openWords, type Words, wordsVersion } from '../words/words.ts';
import type { BlockTable } from './block-table.ts';
import { type ChunkRow, chunkOf } from './chunk-rows.ts';
import { type ChunkTable, filterSql } from './chunk-table.ts';
import { type DocumentsState, documentsState, forgetReading, writerFolder } from './documents-state.ts';
import { type EncodeChunksOptions, type EncodeTotals, encodeChunks } from './encode-chunks.ts';
import { forgetBlocks } from './forget-blocks.ts';
import { defaultIndexDirectory, type IndexedFile, type IndexedFolder, type IndexOptions } from './index-options.ts';
import { oneOf } from './lance.ts';
import { type Manifest, manifestVersion, readManifest, writeManifest } from './manifest.ts';
import { contentsOf, entriesOf, follows, nameOf, placeBehind, wantsNeighbours, withPrevious } from './neighbours.ts';
import { makeFolder, openTables } from './open-tables.ts';
import { hasOtherWords, type UpdateOptions, updateFolder } from './update-folder.ts';

/**
 * Opens an index, making one if need be.
 * @throws INDEX_NOT_FOUND with `create: false`; INDEX_INVALID; BACKEND_UNAVAILABLE where LanceDB does not run;
 *   INVALID_ARGUMENT for a language that is not known, or when the embedder is not the one of the index
 */
export async function openIndex(options: IndexOptions = {}): Promise<DocumentIndex> {
  const directory = resolve(options.directory ?? defaultIndexDirectory());
  const asked = options.language === undefined ? undefined : requireLanguage(options.language).name;
  const manifest = await readManifest(directory);
  if (manifest === undefined && options.create === false) {
    throw new BlockAttentionError(
      'INDEX_NOT_FOUND',
      `there is no index in ${directory}: make one with \`block-attention index FOLDER\``,
    );
  }
  const { embedder } = options;
  const recorded = manifest?.embedder;
  if (recorded !== undefined && embedder !== undefined && embedder.identity !== recorded.identity) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `the index has embeddings of ${recorded.reference}, not of ${embedder.reference}: use that, or index into another folder`,
    );
  }
  const words = await openWords(asked ?? (manifest === undefined ? defaultLanguage : languageOf(manifest, directory)));
  if (embedder !== undefined) checkDimensions(embedder);
  const usable = manifest ?? { version: 1 as const, language: words.language, words: wordsVersion, folders: {} };
  const fresh = Object.keys(usable.folders).length === 0;
  if (embedder !== undefined && recorded === undefined && !fresh) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `the index in ${directory} was made without embeddings: index into another folder to use them`,
    );
  }
  await makeFolder(directory);
  const record =
    embedder === undefined
      ? recorded
      : { reference: embedder.reference, identity: embedder.identity, dimensions: embedder.dimensions };
  const { connection, chunks, blocks } = await openTables(directory, record?.dimensions);
  return opened(
    directory,
    { ...usable, ...(record !== undefined && { embedder: record }) },
    {
      chunks,
      blocks,
      embedder,
      reranker: options.reranker,
      words,
      parser: new ParserProcess(options),
      close: () => connection.close(),
    },
  );
}

interface Parts {
  readonly chunks: ChunkTable;
  readonly blocks: BlockTable;
  readonly embedder: Embedder | undefined;
  readonly reranker: Reranker | undefined;
  readonly words: Words;
  /** Started by the first file that is read, and kept: starting it takes longer than most files. */
  readonly parser: ParserProcess;
  readonly close: () => void;
}

const chunksAtOnce = 500;

let opened: (directory: string, manifest: Manifest, parts: Parts) => DocumentIndex;
let partsOf: (index: DocumentIndex) => Parts;

/** What a word is in an index; of the language that it has, or gets with its next update. */
export function wordsOf(index: DocumentIndex): Words {
  return partsOf(index).words;
}

export class DocumentIndex implements AsyncDisposable {
  readonly directory: string;
  readonly #parts: Parts;
  #manifest: Manifest;
  /** Version of the manifest that was read last. */
  #seen: string | undefined;
  #closed = false;

  static {
    opened = (directory, manifest, parts) => new DocumentIndex(directory, manifest, parts);
    partsOf = (index) => index.#parts;
  }

  private constructor(directory: string, manifest: Manifest, parts: Parts) {
    this.directory = directory;
    this.#manifest = manifest;
    this.#parts = parts;
  }

  /** Reference of the model the index was made for, if one was recorded. */
  get model(): string | undefined {
    return this.#manifest.model;
  }

  /** What embeds questions for this index, if anything does. */
  get embedderReference(): string | undefined {
    return this.#manifest.embedder?.reference;
  }

  /** Language of its words: the one that it has, or gets with its next update. */
  get language(): string {
    return this.#parts.words.language;
  }

  /** As of the last update here, search or look at the state: other processes may have written since. */
  get folders(): IndexedFolder[] {
    return Object.entries(this.#manifest.folders).map(([root, { files, updatedAt }]) => {
      const known = Object.values(files);
      const skipped = known.filter((file) => file.skipped !== undefined).length;
      const chunks = known.reduce((sum, file) => sum + file.chunks, 0);
      return { root, files: known.length - skipped, skipped, chunks, updatedAt };
    });
  }

  /**
   * Brings a folder's documents up to date: reads what changed, drops what is gone, encodes what the store lacks.
   * Waits while another process writes to the index.
   * @throws INVALID_ARGUMENT; ABORTED: what was done by then stays, and the next run goes on from there
   */
  update(folder: string, options: UpdateOptions & { onWait?: () => void } = {}): Promise<IndexSummary> {
    return this.#exclusively(async () => {
      const { chunks, blocks, embedder, parser, words } = this.#parts;
      if (this.#manifest.embedder !== undefined && embedder === undefined) {
        const { reference } = this.#manifest.embedder;
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `the index has embeddings of ${reference}: open it with those`,
        );
      }
      const onManifest = (manifest: Manifest) => {
        this.#manifest = manifest;
      };
      const tables = { chunks, blocks, embedder, parser, words };
      const parts = { directory: this.directory, manifest: this.#manifest, ...tables, onManifest };
      const { summary, manifest } = await updateFolder(parts, folder, options);
      this.#manifest = manifest;
      return summary;
    }, options);
  }

  /**
   * Encodes what the store lacks of some folders' passages: what `update` does at its end, by itself.
   * @throws ABORTED: what was encoded by then stays
   */
  encode(
    roots: readonly string[],
    engine: Engine,
    options: EncodeChunksOptions & { onWait?: () => void } = {},
  ): Promise<EncodeTotals> {
    return this.#exclusively(async () => {
      const { chunks, blocks } = this.#parts;
      const totals = { encoded: 0, present: 0, encodedTokens: 0, bytes: 0 };
      for (const root of roots) {
        const some = await encodeChunks(chunks, blocks, root, engine, options);
        totals.encoded += some.encoded;
        totals.present += some.present;
        totals.encodedTokens += some.encodedTokens;
        totals.bytes += some.bytes;
      }
      if (totals.encoded > 0) await blocks.settle();
      return totals;
    }, options);
  }

  /** How far the folders are read, by whichever process. To be asked before a search: what it misses may be found then. */
  async documents(): Promise<DocumentsState> {
    await this.#refresh();
    return documentsState(this.directory, this.folders);
  }

  /**
   * Drops a folder from the index, and its blocks from the store.
   * @param root as `folders` names it
   * @throws INDEX_NOT_FOUND
   */
  removeFolder(
    root: string,
    { store }: { store?: BlockStore | undefined } = {},
  ): Promise<{ chunks: number; blocks: number }> {
    return this.#exclusively(async () => {
      const { [root]: known, ...folders } = this.#manifest.folders;
      if (known === undefined) {
        const names = Object.keys(folders).join(', ') || 'none';
        throw new BlockAttentionError('INDEX_NOT_FOUND', `${root} is not in the index; folders in it: ${names}`);
      }
      const { chunks, blocks } = this.#parts;
      const before = await chunks.count();
      await writeManifest(this.directory, { ...this.#manifest, unsettled: true });
      await chunks.remove(root);
      await writeManifest(this.directory, { ...this.#manifest, folders, unsettled: true });
      await chunks.settle({ removed: Number.POSITIVE_INFINITY });
      const { unsettled: _, ...rest } = this.#manifest;
      this.#manifest = { ...rest, folders };
      await writeManifest(this.directory, this.#manifest);
      await forgetReading(this.directory, root);
      const forgotten = store === undefined ? 0 : await forgetBlocks(chunks, blocks, (keys) => store.remove(keys));
      await blocks.settle();
      return { chunks: before - (await chunks.count()), blocks: forgotten };
    });
  }

  /**
   * The chunks that may answer a question, likeliest first.
   * @throws EMPTY_QUESTION; INVALID_ARGUMENT; INDEX_INVALID when the words in the index are of an earlier version of this
   *   package, or of another language than it was opened with: the next update makes them again
   */
  async search(
    question: string,
    options: SearchOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<SearchHit[]> {
    await this.#refresh();
    const { chunks, embedder, reranker, words } = this.#parts;
    if (hasOtherWords(this.#manifest, words)) throw outdated(this.directory, this.#manifest, words);
    const run = () => {
      const parts: SearchParts = { chunks, manifest: this.#manifest, embedder, reranker, words };
      return searchChunks(parts, question, options, options.signal);
    };
    await chunks.refresh();
    try {
      return await run();
    } catch (error) {
      if (BlockAttentionError.isInstance(error)) throw error;
      // A writer may have dropped the files of the state that was being read: once more, from the newest.
      await chunks.refresh();
      return run();
    }
  }

  /** All chunks, in the order of root, path and position, each with the one before it in its file. */
  async *chunks(filter: ChunkFilter = {}): AsyncGenerator<Chunk> {
    this.#check();
    const { chunks } = this.#parts;
    await chunks.refresh();
    const sql = filterSql(filter, undefined);
    const matches = filter.paths === undefined ? () => true : globs(filter.paths);
    const order = (await chunks.select(['id', 'root', 'path', 'position'], sql)).filter(({ path }) => matches(path));
    const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
    order.sort((a, b) => compare(a.root, b.root) || compare(a.path, b.path) || a.position - b.position);
    let before: ChunkRow | undefined;
    for (let i = 0; i < order.length; i += chunksAtOnce) {
      const rows = await chunks.rows(order.slice(i, i + chunksAtOnce).map(({ id }) => id));
      for (const row of rows) {
        yield placeBehind(chunkOf(row), follows(row, before) ? before : undefined);
        before = row;
      }
    }
  }

  /** Chunks with what stands before them in their files: what a policy with `neighbour:N` encodes them behind. */
  withPrevious(chunks: readonly Chunk[]): Promise<Chunk[]> {
    this.#check();
    return chunks.length === 0 ? Promise.resolve([]) : withPrevious(this.#parts.chunks, chunks);
  }

  /**
   * Records which blocks a request is about to make of these chunks, so that they leave the store with the documents.
   * `update` does it by itself; for requests with another model.
   */
  async noteBlocks(engine: Engine, chunks: readonly Chunk[], options: KeyOptions = {}): Promise<void> {
    if (chunks.length === 0) return;
    const keys = engine.blockKeys(chunks.map(passageOf), options);
    const known = new Set((await this.#parts.blocks.entries(contentsOf(chunks))).map(nameOf));
    await this.#parts.blocks.add(entriesOf(chunks, keys, { behind: wantsNeighbours(engine, options), known }));
  }

  /**
   * Forgets blocks that a request made of these chunks if their documents have gone meanwhile: `update` could not know
   * of what was still being encoded. @returns how many blocks there were
   */
  async forgetGone(engine: Engine, chunks: readonly Chunk[], options: readonly KeyOptions[]): Promise<number> {
    if (chunks.length === 0) return 0;
    await this.#parts.chunks.refresh();
    const contents = oneOf('content', contentsOf(chunks));
    const alive = new Set((await this.#parts.chunks.select(['content'], contents)).map(({ content }) => content));
    const keys = options.flatMap((one) => {
      const behind = wantsNeighbours(engine, one);
      const gone = chunks.filter(({ content, previous }) => {
        return !alive.has(content) || (behind && previous !== undefined && !alive.has(previous.content));
      });
      return gone.length === 0 ? [] : engine.blockKeys(gone.map(passageOf), one);
    });
    return keys.length === 0 ? 0 : engine.forgetBlocks(keys);
  }

  /** What is known of a file: its time of change when it was read, its passages, why it has none. @param root as `folders` names it */
  file(root: string, path: string): IndexedFile | undefined {
    return this.#manifest.folders[root]?.files[path];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#parts.parser[Symbol.asyncDispose]();
    this.#parts.chunks.close();
    this.#parts.blocks.close();
    this.#parts.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(): void {
    if (this.#closed) throw new BlockAttentionError('DISPOSED', 'the index is closed: open it again');
  }

  /** Learns what other processes have written. Tables are refreshed by those who read them. */
  async #refresh(): Promise<void> {
    this.#check();
    const own = this.#manifest;
    const version = await manifestVersion(this.directory);
    if (version === undefined || version === this.#seen) return;
    const manifest = await readManifest(this.directory);
    // What was written here meanwhile is newer.
    if (this.#manifest !== own) return;
    this.#seen = version;
    this.#manifest = { ...own, ...manifest };
  }

  #exclusively<T>(
    work: () => Promise<T>,
    { signal, onWait }: { signal?: AbortSignal | undefined; onWait?: () => void } = {},
  ): Promise<T> {
    this.#check();
    const body = async () => {
      // What another process wrote while this one waited.
      const { unsettled: _, ...own } = this.#manifest;
      this.#manifest = { ...own, ...(await readManifest(this.directory)) };
      await this.#parts.chunks.refresh();
      return work();
    };
    return withFolderLock(writerFolder(this.directory), body, { signal, ...(onWait !== undefined && { onWait }) });
  }
}

/** The language of an index. @throws INDEX_INVALID when it names one that is not known */
function languageOf({ language }: Manifest, directory: string): string {
  const known = findLanguage(language);
  if (known !== undefined) return known.name;
  throw new BlockAttentionError(
    'INDEX_INVALID',
    `the index in ${directory} names the language ${JSON.stringify(language)}, which is not known: \`block-attention index FOLDER --language NAME\` gives it another`,
  );
}

function outdated(directory: string, { language }: Manifest, words: Words): BlockAttentionError {
  const why = findLanguage(language)?.name === words.language ? 'an earlier version of this package' : language;
  return new BlockAttentionError(
    'INDEX_INVALID',
    `the index in ${directory} has the words of ${why}: run \`block-attention index FOLDER\` once more, which makes them again and encodes nothing that is there`,
  );
}
