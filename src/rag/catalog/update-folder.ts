/**
 * One run over a folder: read what changed, replace its chunks, drop what is gone, encode what is missing.
 *
 * Order of writes: chunks, then the manifest, then the store. Whatever moment it is interrupted in, the next run finds
 * what is left to do. The caller holds the index's lock.
 */
import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BlockAttentionError, throwIfAborted } from '@block-attention/engine/internal/base';
import type { Engine, TokenCounter } from '@block-attention/engine/internal/engine';
import type { BlockKey, BlockStore } from '@block-attention/engine/internal/store';
import { defaultTables, type TableForm, tableForms } from '../chunk/tables.ts';
import { checkVectors } from '../embed/check-vectors.ts';
import type { Embedder } from '../embed/embedder.ts';
import { ocrSettings } from '../load/ocr-engine.ts';
import type { ParserProcess } from '../load/parser-process.ts';
import { walkFolder } from '../load/walk-folder.ts';
import type { IndexSummary, SkippedFile } from '../types.ts';
import { type Words, wordsVersion } from '../words/words.ts';
import type { BlockTable } from './block-table.ts';
import type { ChunkRow } from './chunk-rows.ts';
import type { ChunkTable } from './chunk-table.ts';
import { forgetReading, noteReading } from './documents-state.ts';
import { encodeChunks } from './encode-chunks.ts';
import { forgetBlocks } from './forget-blocks.ts';
import { literal } from './lance.ts';
import { type KnownFile, type KnownFolder, type Manifest, writeManifest } from './manifest.ts';
import { OtherFiles } from './other-files.ts';
import { cutSettings, readFile } from './read-files.ts';

export interface UpdateProgress {
  readonly phase: 'reading' | 'indexing' | 'encoding';
  readonly done: number;
  readonly total: number;
  /** File that is being read. */
  readonly path?: string | undefined;
}

export interface UpdateOptions {
  /** Encodes the chunks' blocks as it goes. Either this or `tokenizer` is needed. */
  readonly engine?: Engine | undefined;
  /** Counts tokens when there is no engine: `openTokenCounter(modelPath)`. */
  readonly tokenizer?: TokenCounter | undefined;
  /** Where blocks of removed chunks are removed from when there is no engine. */
  readonly store?: BlockStore | undefined;
  /** Put blocks into the store. Defaults to true with an engine. */
  readonly encode?: boolean | undefined;
  /** Salt of the block keys. Defaults to none. */
  readonly tenant?: string | undefined;
  /** Most tokens of a chunk's text. Defaults to 256. */
  readonly chunkTokens?: number | undefined;
  /** How rows of tables stand in chunks. Defaults to `rows`: each says what its columns are. */
  readonly tables?: TableForm | undefined;
  /**
   * Languages, `eng` or `deu+eng`, in which pages of PDFs without text are read by Tesseract.js, which is to be installed
   * with its data; `none` for no recognition. Recorded. Defaults to what is recorded, else none.
   */
  readonly ocr?: string | undefined;
  /** Larger files are left out. Defaults to 32 MiB. */
  readonly maxFileBytes?: number | undefined;
  /** Obey `.gitignore` and `.blockignore`. Defaults to true. */
  readonly ignoreFiles?: boolean | undefined;
  /** Model reference that answers over this index by default; recorded. Defaults to what is recorded. */
  readonly model?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UpdateProgress) => void) | undefined;
  /**
   * Time after which what was read so far can be found while the rest is still read, in ms; then after twice as long, and
   * so on. Defaults to the end of the run.
   */
  readonly findableMs?: number | undefined;
}

export interface UpdateParts {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly chunks: ChunkTable;
  readonly blocks: BlockTable;
  readonly embedder: Embedder | undefined;
  readonly parser: ParserProcess;
  /** Of the language that the index is to have from now on. */
  readonly words: Words;
  /** Told what the manifest says by now, after every commit. */
  readonly onManifest: (manifest: Manifest) => void;
}

const defaultChunkTokens = 256;
const defaultMaxFileBytes = 32 * 2 ** 20;
/** Rows per commit: commits cost milliseconds, rows wait in memory. */
const rowsPerCommit = 2000;
const embeddedAtOnce = 64;

/** @throws INVALID_ARGUMENT for options or a folder that cannot be used; BACKEND_UNAVAILABLE for `ocr`; ABORTED */
export async function updateFolder(
  parts: UpdateParts,
  folder: string,
  options: UpdateOptions,
): Promise<{ summary: IndexSummary; manifest: Manifest }> {
  const started = performance.now();
  const { chunks, blocks, directory, words } = parts;
  const { engine, signal, onProgress } = options;
  const counter = options.tokenizer ?? engine?.tokenizer;
  if (counter === undefined) throw new BlockAttentionError('INVALID_ARGUMENT', 'give an engine or a tokenizer');
  const targetTokens = positive('chunkTokens', options.chunkTokens ?? defaultChunkTokens);
  const maxFileBytes = positive('maxFileBytes', options.maxFileBytes ?? defaultMaxFileBytes);
  const tables = tableForm(options.tables);
  const languages = options.ocr ?? parts.manifest.ocr ?? 'none';
  const ocr = languages === 'none' ? undefined : ocrSettings(languages);
  const root = await rootOf(folder);
  const cut = cutSettings(counter.identity, targetTokens, tables);
  const recorded = parts.manifest;
  const before = recorded.folders[root];
  const usable = before !== undefined && JSON.stringify(before.cut) === JSON.stringify(cut) ? before.files : {};

  await noteReading(directory, root, 0);
  // Whoever asks meanwhile finds an index that is being read, not none.
  if (before === undefined) {
    await writeManifest(directory, { ...recorded, ...(options.model !== undefined && { model: options.model }) });
  }
  const skipped: SkippedFile[] = [];
  const onSkip = (path: string, reason: string) => skipped.push({ path, reason });
  const unreadable: string[] = [];
  const onUnreadable = (path: string) => unreadable.push(path);
  const others = new OtherFiles();
  const onOther = (path: string) => others.add(path);
  const found = await walkFolder(root, { ignoreFiles: options.ignoreFiles, signal, onSkip, onUnreadable, onOther });
  await noteReading(directory, root, found.length);
  const files: Record<string, KnownFile> = {};
  const counts = { added: 0, changed: 0, unchanged: 0, skipped: 0 };
  const notes: SkippedFile[] = [];
  let [added, removed] = [0, 0];
  let pendingPaths: string[] = [];
  let pendingRows: ChunkRow[] = [];
  let touched = false;
  const unsettled = (manifest: Manifest): Manifest => ({ ...manifest, unsettled: true });
  // Before the tables change: whoever comes after a crash knows that there is something to bring in order.
  const unsettle = async () => {
    if (!touched) await writeManifest(directory, unsettled(recorded));
    touched = true;
  };
  const commit = async () => {
    if (pendingPaths.length === 0) return;
    const old = await chunks.select(
      ['id'],
      `root = ${literal(root)} AND path IN (${pendingPaths.map(literal).join(', ')})`,
    );
    const oldIds = new Set(old.map(({ id }) => id));
    const fresh = pendingRows.filter(({ id }) => !oldIds.has(id)).length;
    added += fresh;
    removed += oldIds.size - (pendingRows.length - fresh);
    await unsettle();
    await chunks.replace(root, pendingPaths, await embedded(pendingRows, parts.embedder, signal));
    [pendingPaths, pendingRows] = [[], []];
    // What is in the table by now need not be read again should this run be interrupted.
    const manifest = unsettled(withFolder({ cut, files: { ...usable, ...files }, updatedAt: Date.now() }));
    await writeManifest(directory, manifest);
    if (options.findableMs === undefined) return;
    await chunks.makeFindable();
    parts.onManifest(manifest);
  };
  const withFolder = (known: KnownFolder): Manifest => ({
    ...recorded,
    ocr: ocr && languages,
    language: words.language,
    words: wordsVersion,
    ...(options.model !== undefined && { model: options.model }),
    folders: { ...recorded.folders, [root]: known },
  });
  if (hasOtherWords(recorded, words)) {
    // Until this is done the manifest says what the words were: whoever comes after a crash does it again.
    await unsettle();
    await chunks.reword(words, signal);
  }
  const { findableMs = Number.POSITIVE_INFINITY } = options;
  let [committed, nextMs] = [performance.now(), findableMs];
  for (const [done, file] of found.entries()) {
    throwIfAborted(signal);
    onProgress?.({ phase: 'reading', done, total: found.length, path: file.path });
    const count = (text: string) => counter.count(text);
    const options = { root, count, words, targetTokens, tables, maxFileBytes, ocr };
    const result = await readFile(file, usable[file.path], parts.parser, options);
    // A file that is back under a name the index knows from other settings is a change, not an addition.
    const known =
      result.status === 'added' && before?.files[file.path]?.skipped === undefined && before?.files[file.path];
    counts[known ? 'changed' : result.status] += 1;
    files[file.path] = result.known;
    if (result.known.skipped !== undefined) {
      const { skipped: reason, skipCode: code } = result.known;
      skipped.push({ path: file.path, reason, ...(code !== undefined && { code }) });
    }
    for (const note of result.notes) notes.push({ path: file.path, reason: note });
    if (result.rows === undefined) continue;
    pendingPaths.push(file.path);
    for (const row of result.rows) pendingRows.push(row);
    const due = performance.now() - committed >= nextMs;
    if (pendingRows.length < rowsPerCommit && pendingPaths.length < 500 && !due) continue;
    await commit();
    if (due) nextMs *= 2;
    committed = performance.now();
  }
  await commit();

  onProgress?.({ phase: 'indexing', done: found.length, total: found.length });
  // Only after an interrupted run the table may hold what the manifest does not know.
  const inTable = recorded.unsettled
    ? new Set((await chunks.select(['path'], `root = ${literal(root)}`)).map(({ path }) => path))
    : new Set(Object.entries(before?.files ?? {}).flatMap(([path, { chunks: held }]) => (held > 0 ? [path] : [])));
  for (const path of unreadable.length === 0 ? [] : Object.keys(usable)) {
    // What cannot be seen for now is not gone.
    const hidden = unreadable.some((above) => above === '' || path.startsWith(`${above}/`));
    const known = usable[path];
    if (hidden && known !== undefined) files[path] ??= known;
  }
  const gone = [...inTable].filter((path) => files[path] === undefined);
  if (gone.length > 0) await unsettle();
  for (let i = 0; i < gone.length; i += 500) {
    const part = gone.slice(i, i + 500);
    const condition = `root = ${literal(root)} AND path IN (${part.map(literal).join(', ')})`;
    removed += await chunks.count(condition);
    await chunks.remove(root, part);
  }
  const { unsettled: left = false, ...manifest } = withFolder({ cut, files, updatedAt: Date.now() });
  if (touched || left || before === undefined) {
    await writeManifest(directory, unsettled(manifest));
    await chunks.settle({ removed: left ? Number.POSITIVE_INFINITY : removed });
  }
  await writeManifest(directory, manifest);
  await forgetReading(directory, root);

  const remover = blockRemover(options);
  const forgotten = remover === undefined ? 0 : await forgetBlocks(chunks, blocks, remover);
  const encode = engine !== undefined && options.encode !== false;
  const totals = encode
    ? await encodeChunks(chunks, blocks, root, engine, {
        signal,
        tenant: options.tenant,
        onProgress: (done, total) => onProgress?.({ phase: 'encoding', done, total }),
      })
    : { encoded: 0, present: 0, encodedTokens: 0, bytes: 0 };
  if (totals.encoded > 0 || forgotten > 0) await blocks.settle();

  const sizes = await sizesOf(Object.values(files), chunks, root);
  const { unchanged } = counts;
  const total = found.length - counts.skipped;
  const summary: IndexSummary = {
    root,
    files: {
      total,
      added: counts.added,
      changed: counts.changed,
      removed: gone.length,
      unchanged,
      skipped,
      notes,
      others: others.counts(),
    },
    chunks: { ...sizes, added, removed },
    blocks: { ...totals, removed: forgotten },
    ms: performance.now() - started,
  };
  return { summary, manifest };
}

/** Chunks of a folder and their tokens. */
async function sizesOf(
  files: readonly KnownFile[],
  chunks: ChunkTable,
  root: string,
): Promise<{ total: number; tokens: number }> {
  const sum = (list: readonly number[]) => list.reduce((all, one) => all + one, 0);
  const known = files.flatMap((file) => file.tokens ?? (file.chunks === 0 ? 0 : []));
  if (known.length === files.length) return { total: sum(files.map((file) => file.chunks)), tokens: sum(known) };
  const rows = await chunks.select(['tokens'], `root = ${literal(root)}`);
  return { total: rows.length, tokens: sum(rows.map(({ tokens }) => tokens)) };
}

/** Whether what the index holds was made with other words than these, so that it is not found by them. */
export function hasOtherWords({ folders, language, words: version }: Manifest, words: Words): boolean {
  return Object.keys(folders).length > 0 && (version !== wordsVersion || language !== words.language);
}

/** An engine forgets also what it remembers of the texts. */
export function blockRemover({ engine, store }: Pick<UpdateOptions, 'engine' | 'store'>) {
  if (engine !== undefined) return (keys: readonly BlockKey[]) => engine.forgetBlocks(keys);
  return store === undefined ? undefined : (keys: readonly BlockKey[]) => store.remove(keys);
}

/** The real path of a folder, which names it in the index. @throws INVALID_ARGUMENT */
export async function rootOf(folder: string): Promise<string> {
  try {
    const root = await realpath(resolve(folder));
    if ((await stat(root)).isDirectory()) return root;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new BlockAttentionError('INVALID_ARGUMENT', `the folder ${JSON.stringify(folder)} cannot be read: ${reason}`);
  }
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(folder)} is not a folder: give the folder it is in`,
  );
}

/** The name a folder has in the index, also of one that is gone. */
export async function rootName(folder: string): Promise<string> {
  return realpath(resolve(folder)).catch(() => resolve(folder));
}

async function embedded(
  rows: readonly ChunkRow[],
  embedder: Embedder | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly ChunkRow[]> {
  if (embedder === undefined) return rows;
  const out: ChunkRow[] = [];
  for (let i = 0; i < rows.length; i += embeddedAtOnce) {
    const part = rows.slice(i, i + embeddedAtOnce);
    const texts = part.map(({ title, text }) => `${title}\n${text}`);
    const vectors = checkVectors(await embedder.embed(texts, 'document', signal), texts.length, embedder);
    for (const [at, row] of part.entries()) out.push({ ...row, vector: Array.from(vectors[at] ?? []) });
  }
  return out;
}

function tableForm(asked: string = defaultTables): TableForm {
  const known = tableForms.find((form) => form === asked);
  if (known !== undefined) return known;
  throw new BlockAttentionError('INVALID_ARGUMENT', `tables is ${JSON.stringify(asked)}: give rows or markdown`);
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 1) return value;
  throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a number of at least 1`);
}
