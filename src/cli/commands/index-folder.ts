/** `index`: a folder of documents into the index, their keys and values into the block store. */
import type { Command } from 'commander';
import type { DocumentIndex, IndexSummary, TableForm, UpdateOptions, UpdateProgress } from '../../rag/index.ts';
import { loadOpenEngine, loadOpenStore, loadRag, loadTokenCounter } from '../lazy.ts';
import {
  addDocumentOptions,
  type IndexFlags,
  modelOfIndex,
  modelReference,
  openDocuments,
} from '../options/index-options.ts';
import {
  addEncodingOption,
  addModelOptions,
  addStoreOptions,
  type EncodingFlags,
  type ModelOptions,
  type StoreFlags,
} from '../options/model-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatMs, formatTable } from '../terminal/format.ts';
import type { CliIo, CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

export interface IndexFolderFlags extends ModelOptions, StoreFlags, IndexFlags, EncodingFlags {
  readonly encode?: boolean;
  readonly chunkTokens?: number;
  readonly tables?: TableForm;
  readonly ocr?: string;
  readonly maxFile?: number;
  readonly ignore?: boolean;
  readonly language?: string;
  readonly tenant?: string;
  readonly list?: boolean;
  readonly remove?: string;
  readonly json?: boolean;
}

/** Options that `index` and `watch` share. */
export function addFolderOptions(command: Command): Command {
  addDocumentOptions(command)
    .option('--no-encode', 'index only: questions encode the passages they need')
    .option('--tenant <salt>', 'share stored blocks only with requests of the same salt')
    .option('--json', 'result as one line of JSON');
  return addStoreOptions(addModelOptions(addEncodingOption(command), modelOfIndex));
}

export function addIndex(program: Command, context: CommandContext): void {
  const command = program
    .command('index')
    .description('read a folder of Markdown, text, HTML, PDF, tables and source code, and encode it; only what changed')
    .argument('[folder]', 'the folder')
    .option('--list', 'list the folders in the index')
    .option('--remove <folder>', 'drop a folder from the index, and its blocks from the store');
  addFolderOptions(command).action(async (folder: string | undefined, flags: IndexFolderFlags) => {
    const chosen = [folder, flags.list, flags.remove].filter((value) => value !== undefined);
    if (chosen.length !== 1) throw invalid('give one of: a folder, --list, --remove FOLDER');
    if (flags.list === true) await list(flags, context.io);
    else if (flags.remove !== undefined) await remove(flags.remove, flags, context.io);
    else await indexFolder(folder ?? '', flags, context.io);
  });
}

async function indexFolder(folder: string, flags: IndexFolderFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  await using opened = await openDocuments(flags, { io, output, create: true });
  const { index } = opened;
  await using model = await openModel(flags, index, { io, output });
  const summary = await index.update(folder, {
    ...model.options,
    onProgress: (progress) => showProgress(output, progress),
    onWait: () => output.progress.show({ label: 'waiting for another process that writes to the index' }),
  });
  output.progress.clear();
  for (const line of describe(summary, index.directory)) output.print(line);
  for (const line of complaints(summary)) output.note(line);
  warnOfRoom(summary, flags, output);
  output.result({ ...summary, index: index.directory, model: index.model });
}

async function list(flags: IndexFolderFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  await using opened = await openDocuments(flags, { io, output, create: false });
  const { folders, model, embedderReference, directory } = opened.index;
  const rows = folders.map(({ root, files, chunks, updatedAt }) => [
    root,
    `${counted(files, 'file')}`,
    `${counted(chunks, 'passage')}`,
    new Date(updatedAt).toISOString().slice(0, 16).replace('T', ' '),
  ]);
  for (const line of formatTable(rows, { left: 1 })) output.print(line);
  output.note(`index: ${directory}, model: ${model ?? 'none'}, embeddings: ${embedderReference ?? 'none'}`);
  output.result({ index: directory, model, embedder: embedderReference, folders });
}

async function remove(folder: string, flags: IndexFolderFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  const { rootName } = await loadRag();
  const { openStore } = await loadOpenStore();
  await using opened = await openDocuments(flags, { io, output, create: false });
  const store = await openStore(flags, io.env, output);
  try {
    const removed = await opened.index.removeFolder(await rootName(folder), { store });
    output.print(`${counted(removed.chunks, 'passage')} and ${counted(removed.blocks, 'block')} removed`);
    output.result({ ...removed, index: opened.index.directory });
  } finally {
    await store.close();
  }
}

export interface OpenedModel extends AsyncDisposable {
  readonly options: UpdateOptions;
}

/** What an update needs of a model: all of it to encode, its tokenizer else. */
export async function openModel(
  flags: IndexFolderFlags,
  index: DocumentIndex,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<OpenedModel> {
  if (flags.store === false && flags.encode !== false) {
    throw invalid('--no-store: what index encodes would be gone with the process; use --no-encode');
  }
  const model = modelReference(flags.model, io.env, index.model);
  const { openEngine, resolveFor } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const { chunkTokens, tables, ocr, maxFile: maxFileBytes, tenant } = flags;
  const common = {
    model,
    chunkTokens,
    tables,
    ocr,
    maxFileBytes,
    ignoreFiles: flags.ignore,
    tenant,
    signal: io.signal,
  };
  const store = await openStore(flags, io.env, output);
  if (flags.encode !== false) {
    const opened = await openEngine({ ...flags, model }, { io, output, store, more: { policy: flags.policy } });
    const options = { ...common, engine: opened.engine };
    return { options, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  }
  try {
    const { openTokenCounter } = await loadTokenCounter();
    const tokenizer = await openTokenCounter((await resolveFor(model, { io, output })).path);
    const close = async () => {
      tokenizer[Symbol.dispose]();
      await store.close();
    };
    return { options: { ...common, tokenizer, store }, [Symbol.asyncDispose]: close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

export function showProgress(output: Output, { phase, done, total, path }: UpdateProgress): void {
  const detail = path ?? `${formatCount(done)} of ${formatCount(total)}`;
  output.progress.show({ label: phase, done, total, detail });
}

/** What a run did, for people. */
export function describe({ root, files, chunks, blocks, ms }: IndexSummary, directory: string): string[] {
  const changes = [
    [files.added, 'new'],
    [files.changed, 'changed'],
    [files.removed, 'gone'],
  ] as const;
  const said = changes.flatMap(([count, word]) => (count > 0 ? [`${formatCount(count)} ${word}`] : [])).join(', ');
  const lines = [
    `${counted(files.total, 'file')} in ${root} (${said || 'nothing changed'}): ` +
      `${counted(chunks.total, 'passage')}, ${counted(chunks.tokens, 'token')}, in ${formatMs(ms)}`,
  ];
  const { encoded, present, removed, bytes } = blocks;
  if (encoded + present + removed > 0) {
    const gone = removed > 0 ? `, ${formatCount(removed)} removed` : '';
    lines.push(
      `${counted(encoded, 'block')} encoded, ${formatCount(present)} were there already${gone}; ` +
        `${formatBytes(bytes)} of keys and values`,
    );
  }
  return [...lines, `index: ${directory}`];
}

/** Files left out and oddities, the first few of each. */
export function complaints({ files }: IndexSummary): string[] {
  const most = 20;
  const lines = files.skipped.slice(0, most).map(({ path, reason }) => `left out: ${path}: ${reason}`);
  if (files.skipped.length > most)
    lines.push(`left out: ${formatCount(files.skipped.length - most)} more (--json lists all)`);
  if (files.others.total > 0) lines.push(describeOthers(files.others));
  return [...lines, ...files.notes.slice(0, most).map(({ path, reason }) => `note: ${path}: ${reason}`)];
}

/** `31 files of other types: 12 .docx, 9 .xlsx, 10 more`. */
function describeOthers({ total, endings }: IndexSummary['files']['others']): string {
  const most = 8;
  const named = Object.entries(endings).filter(([ending]) => ending !== '');
  const shown = named.slice(0, most).map(([ending, count]) => `${formatCount(count)} ${ending}`);
  const rest = total - named.slice(0, most).reduce((sum, [, count]) => sum + count, 0);
  const more = rest === 0 ? [] : [`${formatCount(rest)} ${shown.length === 0 ? 'without an ending' : 'more'}`];
  return `${formatCount(total)} ${total === 1 ? 'file' : 'files'} of other types: ${[...shown, ...more].join(', ')}`;
}

const defaultDiskBytes = 20 * 2 ** 30;

function warnOfRoom({ blocks }: IndexSummary, { disk = defaultDiskBytes }: IndexFolderFlags, output: Output): void {
  if (blocks.bytes <= disk) return;
  output.note(
    `warning: the passages' blocks take ${formatBytes(blocks.bytes)}, the store holds ${formatBytes(disk)}: raise --disk, or use --kv-type q8_0 or --no-encode`,
  );
}
