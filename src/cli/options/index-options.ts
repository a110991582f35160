/** Options of commands that work with an index of documents, and what they become. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AsyncCleanup } from '@block-attention/engine/internal/base';
import { cacheFolder, type Environment } from '@block-attention/engine/internal/platform';
import { type Command, Option } from 'commander';
import { defaultEmbedder, defaultModel } from '../../hub/aliases.ts';
import type { PullProgress } from '../../hub/index.ts';
import { localModel } from '../../hub/pull.ts';
import type { ChunkFilter, DocumentIndex, DocumentType, Embedder, Reranker, SearchOptions } from '../../rag/index.ts';
import { ocrSettings } from '../../rag/load/ocr-engine.ts';
import { showPull } from '../commands/pull.ts';
import { loadRag } from '../lazy.ts';
import { invalid } from '../terminal/errors.ts';
import type { CliIo } from '../terminal/io.ts';
import type { Output } from '../terminal/output.ts';
import { bytesOption, durationOption, numberOption } from './numbers.ts';

export interface IndexFlags {
  readonly index?: string;
  readonly embed?: string;
}

/** Of commands that answer from what a search finds. */
export interface ReadingFlags {
  readonly minCoverage?: number;
  readonly excerpts?: number;
}

export interface RetrievalFlags extends IndexFlags {
  readonly top?: number;
  readonly budget?: number;
  readonly path?: readonly string[];
  readonly type?: readonly string[];
  readonly since?: number;
  readonly until?: number;
  readonly by?: 'text' | 'vector' | 'hybrid';
  readonly rerank?: string;
}

/** Said of `--model` where it may be left out. */
export const modelOfIndex = "the index's own, else BLOCK_ATTENTION_MODEL, else reader";

const noEmbeddings = 'none';
const indexHelp = 'name or folder of the index (default: index in the cache folder)';

export function addIndexOptions(command: Command, help = indexHelp): Command {
  return command
    .option('--index <index>', help)
    .option(
      '--embed <ref>',
      `embedding model: alias, GGUF, or URL of an OpenAI-compatible /v1/embeddings?model=NAME; ${noEmbeddings} for none (default: the index's own; of a new one ${defaultEmbedder}, once that is pulled)`,
    );
}

/** How documents are read: of commands that index. @param help of --index */
export function addDocumentOptions(command: Command, help?: string): Command {
  return addIndexOptions(command, help)
    .option(
      '--chunk-tokens <n>',
      'maximum tokens of a passage (default: 256)',
      numberOption('--chunk-tokens', { min: 16, whole: true }),
    )
    .addOption(
      new Option(
        '--tables <form>',
        'rows of tables in passages: each with the names of its columns (rows, the default), or below them (markdown)',
      ).choices(['rows', 'markdown']),
    )
    .option(
      '--ocr <languages>',
      "recognise the text of scanned PDF pages in these languages, e.g. eng or deu+eng; needs tesseract.js; none turns it off (default: the index's own, else none)",
      ocrOption,
    )
    .option(
      '--max-file <bytes>',
      'maximum size of a file; larger ones are skipped (default: 32MiB)',
      bytesOption('--max-file'),
    )
    .option('--no-ignore', 'include what .gitignore and .blockignore exclude')
    .option(
      '--language <name>',
      "language of the documents, e.g. german or de, for word endings and stop words (default: the index's own, else English)",
    );
}

/** @throws INVALID_ARGUMENT, BACKEND_UNAVAILABLE: before anything is read */
function ocrOption(languages: string): string {
  if (languages !== 'none') ocrSettings(languages);
  return languages;
}

/** A folder, or a name: of a folder in the cache folder's `indexes`. */
export function indexDirectory(asked: string | undefined, env: Environment): string {
  if (asked === undefined) return join(cacheFolder(env), 'index');
  const isName = /^[\w-][\w.-]{0,63}$/.test(asked) && !existsSync(asked);
  return isName ? join(cacheFolder(env), 'indexes', asked) : asked;
}

/** For commands that search. */
export function addRerankOption(command: Command): Command {
  return command.option(
    '--rerank <ref>',
    'reranker that orders what a search finds: a GGUF such as bge-reranker-v2-m3 (default: none)',
  );
}

/** For commands that answer from what a search finds. */
export function addReadingOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--min-coverage <share>',
        'minimum share of the question that the passages must cover; below it the model is not asked (default: 0.4)',
      ).argParser(numberOption('--min-coverage', { min: 0, max: 1 })),
    )
    .addOption(
      new Option(
        '--excerpts <n>',
        'sentences and table rows of what was found that are offered as passages of their own, where the policy chooses (default: 3)',
      ).argParser(numberOption('--excerpts', { min: 0, max: 32, whole: true })),
    );
}

export function addRetrievalOptions(command: Command): Command {
  const repeated = (text: string, before: readonly string[] = []) => [...before, text];
  return addRerankOption(addIndexOptions(command))
    .addOption(
      new Option(
        '--top <n>',
        'maximum number of passages (default: 8, and 5 where the policy of an answer chooses)',
      ).argParser(numberOption('--top', { min: 1, max: 1000, whole: true })),
    )
    .addOption(
      new Option('--budget <tokens>', 'maximum tokens of all passages together').argParser(
        numberOption('--budget', { min: 1, whole: true }),
      ),
    )
    .option('--path <glob>', 'only files that match, e.g. guides/**; may be repeated', repeated)
    .option(
      '--type <type>',
      'only files of a type: markdown, html, text, pdf, source, table, word, slides, sheet, book, notebook or mail; may be repeated',
      repeated,
    )
    .addOption(
      new Option('--since <time>', 'only files changed since: 2026-01-31, or 30d, 12h ago').argParser(
        timeOption('--since'),
      ),
    )
    .addOption(new Option('--until <time>', 'only files changed before that').argParser(timeOption('--until')))
    .addOption(
      new Option('--by <kind>', 'how to search (default: hybrid where the index has embeddings)').choices([
        'text',
        'vector',
        'hybrid',
      ]),
    );
}

/** A date, or how long ago, in ms since 1970. */
function timeOption(name: string): (text: string) => number {
  return (text) => {
    if (/^[\d.]+[smhd]$/.test(text)) return Date.now() - durationOption(name)(text);
    const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isFinite(time)) return time;
    throw invalid(`${name} is ${JSON.stringify(text)}: give a date such as 2026-01-31, or 30d, 12h, 90m`);
  };
}

/** @throws INVALID_ARGUMENT for a type that is none */
export async function retrievalOf({
  top,
  budget,
  path,
  type,
  since,
  until,
  by,
}: RetrievalFlags): Promise<SearchOptions> {
  const { documentTypes } = await loadRag();
  const types = type?.map((name): DocumentType => {
    const known = documentTypes.find((candidate) => candidate === name);
    if (known !== undefined) return known;
    throw invalid(`--type is ${JSON.stringify(name)}: give one of ${documentTypes.join(', ')}`);
  });
  const filter: ChunkFilter = { paths: path, types, since, until };
  return { ...filter, top, maxTokens: budget, by };
}

export interface OpenedIndex extends AsyncDisposable {
  readonly index: DocumentIndex;
  readonly directory: string;
}

/** Opens the index that the flags name. @throws INDEX_NOT_FOUND with `create: false` */
export async function openDocuments(
  flags: IndexFlags &
    Pick<RetrievalFlags, 'by' | 'rerank'> & { readonly language?: string; readonly threads?: number | 'auto' },
  { io, output, create }: { readonly io: CliIo; readonly output: Output; readonly create: boolean },
): Promise<OpenedIndex> {
  const { describeIndex, openIndex } = await loadRag();
  const directory = indexDirectory(flags.index, io.env);
  const recorded = await describeIndex(directory);
  // A search by text needs no vectors, and works when their server does not.
  const reference = flags.by === 'text' ? undefined : await embedderReference(flags.embed, recorded, io.env);
  await using cleanup = new AsyncCleanup();
  const embedder = await openEmbedderFor(reference, flags, { io, output });
  cleanup.defer(async () => embedder?.[Symbol.asyncDispose]());
  const reranker = await openRerankerFor(flags, { io, output });
  cleanup.defer(async () => reranker?.[Symbol.asyncDispose]());
  const index = await openIndex({ directory, create, embedder, reranker, language: flags.language });
  cleanup.defer(() => index.close());
  const opened = cleanup.move();
  return { index, directory: index.directory, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

/**
 * What gives an index its embeddings: what was asked for, else what it was made with; a new one gets the default model's
 * where that is on the machine. `none`, or undefined, for none.
 */
export async function embedderReference(
  asked: string | undefined,
  recorded: { readonly embedder?: string | undefined } | undefined,
  env: Environment,
): Promise<string | undefined> {
  if (asked !== undefined) return asked;
  if (recorded !== undefined) return recorded.embedder;
  return (await localModel(defaultEmbedder, { env })) === undefined ? undefined : defaultEmbedder;
}

export async function openEmbedderFor(
  reference: string | undefined,
  { threads }: { readonly threads?: number | 'auto' },
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<Embedder | undefined> {
  if (reference === undefined || reference === noEmbeddings) return undefined;
  const { openEmbedder } = await loadRag();
  const onProgress = (progress: PullProgress) => showPull(output, progress);
  return openEmbedder(reference, { env: io.env, threads, signal: io.signal, onProgress });
}

export async function openRerankerFor(
  { rerank, threads }: { readonly rerank?: string; readonly threads?: number | 'auto' },
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<Reranker | undefined> {
  if (rerank === undefined) return undefined;
  const { openReranker } = await loadRag();
  const onProgress = (progress: PullProgress) => showPull(output, progress);
  return openReranker(rerank, { env: io.env, threads, signal: io.signal, onProgress });
}

/** The model to use: what was asked for, else what the index was made for, else the default one. */
export function modelReference(asked: string | undefined, env: Environment, recorded?: string): string {
  return asked ?? recorded ?? defaultModel(env);
}
