/**
 * The cache's bookkeeping: one record beside each model, written before the model gets its final name.
 *
 * Invariant: a model counts as cached when its record reads well and the file has the recorded size; everything else in
 * a folder is a leftover that the next download continues or replaces. Contents are not hashed again on every start.
 */
import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { type Environment, modelsFolder } from './cache-folder.ts';

const recordName = 'model.json';

const recordSchema = z.object({
  format: z.literal(1),
  /** Canonical reference the model was fetched by. */
  reference: z.string(),
  /** Name within the record's own folder. */
  file: z.string().refine((name) => name === basename(name) && !name.includes('\\') && name.endsWith('.gguf')),
  bytes: z.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Who announced the checksum; `none` when it was only computed here. */
  verifiedBy: z.enum(['reference', 'hub', 'package', 'none']),
  /** ISO 8601. */
  fetchedAt: z.string(),
});

export type ModelRecord = Readonly<z.infer<typeof recordSchema>>;

export interface CachedModel extends ModelRecord {
  /** Absolute path of the GGUF. */
  readonly path: string;
}

/** The model a folder holds, or undefined when it holds none that is whole. */
export async function readCached(folder: string): Promise<CachedModel | undefined> {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(await readFile(join(folder, recordName), 'utf8')));
    if (!parsed.success) return undefined;
    const path = join(folder, parsed.data.file);
    const found = await stat(path);
    return found.isFile() && found.size === parsed.data.bytes ? { ...parsed.data, path } : undefined;
  } catch {
    // Absent, unreadable or no JSON: all mean that there is nothing to use.
    return undefined;
  }
}

/** Every model in the cache, by reference. An absent cache is empty. */
export async function listModels(options: { env?: Environment; cacheDir?: string } = {}): Promise<CachedModel[]> {
  const root = modelsFolder(options);
  const found: CachedModel[] = [];
  for (const kind of ['hub', 'url', 'pypi']) {
    const names = await readdir(join(root, kind)).catch(() => []);
    for (const name of names) {
      const model = await readCached(join(root, kind, name));
      if (model !== undefined) found.push(model);
    }
  }
  return found.sort((a, b) => (a.reference < b.reference ? -1 : 1));
}

/** Gives a finished, synced file its final name. Atomic: readers see the old state or the new one. */
export async function publishModel(folder: string, finished: string, record: ModelRecord): Promise<CachedModel> {
  await writeWhole(join(folder, recordName), JSON.stringify(recordSchema.parse(record), null, 2));
  const path = join(folder, record.file);
  await rename(finished, path);
  return { ...record, path };
}

/** Replaces a small file in one step. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  const handle = await open(temporary, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
