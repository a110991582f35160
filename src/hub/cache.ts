/**
 * The cache's bookkeeping: one record beside each file of a model, written before the file gets its final name.
 *
 * Invariant: a model counts as cached when its record reads well and the file has the recorded size; everything else in
 * a folder is a leftover that the next download continues or replaces. Contents are not hashed again on every start.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { partName } from '@block-attention/engine/internal/base';
import { type Environment, renameOver, replaceFile } from '@block-attention/engine/internal/platform';
import { modelsFolder } from './cache-folder.ts';

/** @param part of a model in several files, from 1 */
const recordName = (part: number) => (part === 1 ? 'model.json' : `model-${part}.json`);

const verifiers: readonly ModelRecord['verifiedBy'][] = ['reference', 'hub', 'package', 'none'];

export interface ModelRecord {
  readonly format: 1;
  /** Canonical reference the model was fetched by. */
  readonly reference: string;
  /** Name within the record's own folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Who announced the checksum; `none` when it was only computed here. */
  readonly verifiedBy: 'reference' | 'hub' | 'package' | 'none';
  /** ISO 8601. */
  readonly fetchedAt: string;
}

export interface CachedModel extends ModelRecord {
  /** Absolute path of the GGUF, the first of several. */
  readonly path: string;
  /** Of all files together. */
  readonly totalBytes: number;
}

/** A file of a model, with what is recorded of it. */
export type CachedFile = Omit<CachedModel, 'totalBytes'>;

/** The model a folder holds, or undefined when it holds none that is whole. */
export async function readCached(folder: string): Promise<CachedModel | undefined> {
  const first = await readCachedFile(folder, 1);
  if (first === undefined) return undefined;
  let totalBytes = first.bytes;
  for (let part = 2; part <= (partName(first.file)?.count ?? 1); part++) {
    const other = await readCachedFile(folder, part);
    if (other === undefined) return undefined;
    totalBytes += other.bytes;
  }
  return { ...first, totalBytes };
}

/** One file of the model. @param part from 1 */
export async function readCachedFile(folder: string, part: number): Promise<CachedFile | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(join(folder, recordName(part)), 'utf8'));
    if (!isRecord(record)) return undefined;
    const path = join(folder, record.file);
    const found = await stat(path);
    return found.isFile() && found.size === record.bytes ? { ...record, path } : undefined;
  } catch {
    // Absent, unreadable or no JSON: all mean that there is nothing to use.
    return undefined;
  }
}

/** By hand: every command that names a model comes through here, and zod takes longer to load than all of it. */
function isRecord(value: unknown): value is ModelRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { format, reference, file, bytes, sha256, verifiedBy, fetchedAt } = value as Record<string, unknown>;
  return (
    format === 1 &&
    typeof reference === 'string' &&
    typeof file === 'string' &&
    file === basename(file) &&
    !file.includes('\\') &&
    file.endsWith('.gguf') &&
    Number.isSafeInteger(bytes) &&
    Number(bytes) > 0 &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    verifiers.some((known) => known === verifiedBy) &&
    typeof fetchedAt === 'string'
  );
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
export async function publishModel(folder: string, finished: string, record: ModelRecord): Promise<CachedFile> {
  if (!isRecord(record)) throw new Error(`a record that could not be read again: ${JSON.stringify(record)}`);
  const name = recordName(partName(record.file)?.part ?? 1);
  await replaceFile(join(folder, name), JSON.stringify(record, null, 2), { mode: 0o666 });
  const path = join(folder, record.file);
  await renameOver(finished, path);
  return { ...record, path };
}
