/** From what people type to folders, keys and digests of the store. */
import type { BlockKey } from '@block-attention/engine/internal/store';
import { loadOpenStore } from '../lazy.ts';
import { invalid } from '../terminal/errors.ts';
import type { CliIo } from '../terminal/io.ts';

/** The folder to look at. Only a folder that was named must exist. @throws STORE_INVALID */
export async function folderOf(flags: { readonly store?: string }, env: CliIo['env']): Promise<string> {
  const { checkFolder } = await import('@block-attention/engine/internal/store');
  const { storeFolder } = await loadOpenStore();
  const folder = storeFolder(flags, env) ?? '';
  if (flags.store !== undefined) await checkFolder(folder);
  return folder;
}

/** Whole keys of what people type. @throws INVALID_ARGUMENT for what names no block, or several */
export async function resolveKeys(texts: readonly string[], directory: string): Promise<BlockKey[]> {
  const { isBlockKey, listStore } = await import('@block-attention/engine/internal/store');
  const known: BlockKey[] = [];
  if (!texts.every(isBlockKey)) for await (const { key } of listStore(directory)) known.push(key);
  return texts.map((text) => {
    // A whole key may name a block that only a shared tier has.
    if (isBlockKey(text)) return text;
    const matches = /^[0-9a-f]{4,}$/.test(text) ? known.filter((key) => key.startsWith(text)) : [];
    const [match] = matches;
    if (match !== undefined && matches.length === 1) return match;
    const what = matches.length > 1 ? `begins the keys of ${matches.length} blocks` : 'is not a key of a stored block';
    throw invalid(`key ${JSON.stringify(text)} ${what}: see \`store ls\``);
  });
}

/** The digest that these digits begin. @throws INVALID_ARGUMENT */
export async function wholeDigest(text: string | undefined, directory: string): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const { folderStats } = await import('@block-attention/engine/internal/store');
  const matches = Object.keys((await folderStats(directory)).models).filter((model) => model.startsWith(text));
  const [match] = matches;
  if (text.length >= 4 && match !== undefined && matches.length === 1) return match;
  throw invalid(
    `--digest ${JSON.stringify(text)} names ${matches.length === 0 ? 'no model' : 'several models'}: see \`store stats\``,
  );
}

/** Files that cannot be read or written are the caller's to correct. */
export async function onFile<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw invalid(`${file} cannot be used: ${error.message}`, error);
    throw error;
  }
}
