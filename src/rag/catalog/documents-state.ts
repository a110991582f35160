/**
 * How far the documents of an index are read. A run notes in `reading.json`, beside the manifest, how many files it has
 * found, for whoever asks meanwhile, in this process or another; how many of them can be searched the manifest says. What
 * a run that was interrupted has noted stays until the next one ends.
 *
 * Notes are written under the index's lock, by renaming, and without waiting for the disk: a lost one costs a number.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isLocked, replaceFile } from '@block-attention/engine/internal/platform';

export interface DocumentsState {
  /**
   * `reading`: answers rest on what was read by now. `unfinished`: reading was interrupted, or a folder cannot be read.
   * `empty`: everything is read, and there is no passage.
   */
  readonly state: 'ready' | 'reading' | 'unfinished' | 'empty';
  /** Files that can be found, or were left out, of those that are there as far as is known by now. */
  readonly files: { readonly done: number; readonly total: number };
}

/** Files found by runs that are not at their end, by root. */
type Notes = Readonly<Record<string, number>>;

/** What the manifest knows of a folder. */
export interface FolderSizes {
  readonly root: string;
  readonly files: number;
  readonly skipped: number;
  readonly chunks: number;
}

const fileName = 'reading.json';

/** The folder of the lock that writers of an index hold. */
export function writerFolder(directory: string): string {
  return join(directory, 'writer');
}

/** Of all the folders of an index together. @param folders those that its manifest knows */
export async function documentsState(directory: string, folders: readonly FolderSizes[]): Promise<DocumentsState> {
  const notes = await readNotes(directory);
  const begun = Object.keys(notes).length > 0;
  const reading = begun && (await isLocked(writerFolder(directory)));
  return stateOf(folders, { notes, reading, failed: begun });
}

/** @param failed whether what is not read to its end is no longer tried */
export function stateOf(
  folders: readonly FolderSizes[],
  { notes, reading, failed }: { readonly notes: Notes; readonly reading: boolean; readonly failed: boolean },
): DocumentsState {
  const known = new Map(folders.map(({ root, files, skipped }) => [root, files + skipped]));
  const roots = new Set([...known.keys(), ...Object.keys(notes)]);
  let [done, total] = [0, 0];
  for (const root of roots) {
    const read = known.get(root) ?? 0;
    done += read;
    total += Math.max(read, notes[root] ?? 0);
  }
  const files = { done, total };
  if (reading) return { state: 'reading', files };
  if (failed) return { state: 'unfinished', files };
  return { state: folders.some(({ chunks }) => chunks > 0) ? 'ready' : 'empty', files };
}

/** Notes that a folder is being read. @param files that were found in it */
export async function noteReading(directory: string, root: string, files: number): Promise<void> {
  await writeNotes(directory, { ...(await readNotes(directory)), [root]: files });
}

/** Notes that a folder is read to its end, or gone. */
export async function forgetReading(directory: string, root: string): Promise<void> {
  const { [root]: _, ...others } = await readNotes(directory);
  if (Object.keys(others).length > 0) await writeNotes(directory, others);
  else await rm(join(directory, fileName), { force: true });
}

async function readNotes(directory: string): Promise<Notes> {
  try {
    const value: unknown = JSON.parse(await readFile(join(directory, fileName), 'utf8'));
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, files]) => Number.isSafeInteger(files)));
  } catch {
    return {};
  }
}

async function writeNotes(directory: string, notes: Notes): Promise<void> {
  await replaceFile(join(directory, fileName), JSON.stringify(notes), { sync: false }).catch(() => undefined);
}
