/** From flags to the documents that a server answers from. */
import { stat } from 'node:fs/promises';
import type { Environment } from '@block-attention/engine/internal/platform';
import type { Embedder, Reranker } from '../../rag/index.ts';
import type { ApiKey, ServerOptions } from '../../server/index.ts';
import { describe } from '../commands/index-folder.ts';
import { loadRag } from '../lazy.ts';
import { embedderReference, indexDirectory, openEmbedderFor } from '../options/index-options.ts';
import type { ServeFlags } from '../options/serve-options.ts';
import { invalid } from '../terminal/errors.ts';
import type { CliIo } from '../terminal/io.ts';
import type { Output } from '../terminal/output.ts';
import type { ServedDocuments } from './run-server.ts';

/**
 * The index that flags name, with the folders given, else those that are in it.
 * @returns with the reference of the model it was made for, if one is recorded
 */
export async function servedIndex(
  index: string | undefined,
  folders: readonly string[],
  env: Environment,
): Promise<ServedDocuments & { readonly model: string | undefined }> {
  const { describeIndex } = await loadRag();
  const directory = indexDirectory(index, env);
  const recorded = await describeIndex(directory);
  const known = folders.length > 0 ? folders : (recorded?.folders ?? []);
  return { directory, folders: known, model: recorded?.model };
}

/** What embeds for /v1/embeddings and for the index, if there is one. */
export async function openEmbedderOf(
  flags: ServeFlags,
  directory: string | undefined,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<Embedder | undefined> {
  const { describeIndex } = await loadRag();
  const reference =
    directory === undefined
      ? flags.embed
      : await embedderReference(flags.embed, await describeIndex(directory), io.env);
  return openEmbedderFor(reference, flags, { io, output });
}

/** Folders as tenants': `NAME=FOLDER` is one tenant's where the keys have a tenant of that name. */
export function documentsOf(
  { directory, folders }: ServedDocuments,
  flags: ServeFlags,
  {
    keys,
    embedder,
    reranker,
    output,
  }: {
    readonly keys: readonly ApiKey[];
    readonly embedder: Embedder | undefined;
    readonly reranker: Reranker | undefined;
    readonly output: Output;
  },
): NonNullable<ServerOptions['documents']> {
  const {
    chunkTokens,
    tables,
    ocr,
    maxFile: maxFileBytes,
    ignore: ignoreFiles,
    language,
    model,
    docsName,
    maxFiles,
    maxUploads,
  } = flags;
  const tenants = new Set(keys.flatMap(({ tenant }) => tenant ?? []));
  const options = { chunkTokens, tables, ocr, maxFileBytes, ignoreFiles, model, modelName: docsName };
  return {
    ...options,
    directory,
    folders: folders.map((given) => {
      const at = given.indexOf('=');
      const tenant = given.slice(0, Math.max(0, at));
      return tenants.has(tenant) ? { path: given.slice(at + 1), tenant } : { path: given };
    }),
    uploads: {
      ...(maxFiles !== undefined && { files: maxFiles }),
      ...(maxUploads !== undefined && { totalBytes: maxUploads }),
    },
    open: async (path) => (await loadRag()).openIndex({ directory: path, embedder, reranker, language }),
    onUpdate: (summary) => {
      const [said, ...more] = describe(summary, directory);
      // The folder of files that were sent is there before any was.
      if (summary.files.total + summary.files.removed > 0 && said !== undefined) output.note(said);
      for (const line of more.filter((one) => !one.startsWith('index:'))) output.note(line);
    },
  };
}

/** @throws INVALID_ARGUMENT for one that is none: before a model is loaded */
export async function checkFolders(folders: readonly string[]): Promise<void> {
  const isFolder = (path: string) =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
  for (const given of folders) {
    if ((await isFolder(given)) || (given.includes('=') && (await isFolder(given.slice(given.indexOf('=') + 1)))))
      continue;
    throw invalid(`${JSON.stringify(given)} is not a folder that can be read: give the folder your documents are in`);
  }
}
