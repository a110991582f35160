/** Keeps an index up to date while its folder changes: changes are gathered, then one run looks at the folder. */
import type { IndexSummary } from '../types.ts';
import type { DocumentIndex } from './document-index.ts';
import { folderChanges } from './folder-changes.ts';
import { rootOf, type UpdateOptions } from './update-folder.ts';

export interface WatchOptions extends UpdateOptions {
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** Quiet time after the last change before the folder is looked at, in ms. Defaults to 400. */
  readonly quietMs?: number | undefined;
  /** After each run: the first, and those in which something changed. */
  readonly onUpdate?: ((summary: IndexSummary) => void) | undefined;
  /** Called when a run fails; the watching goes on. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Updates once, then after every change, until the signal fires. @throws what the first run throws */
export async function watchFolder(index: DocumentIndex, folder: string, options: WatchOptions): Promise<void> {
  const { signal, quietMs, onUpdate, onError } = options;
  const root = await rootOf(folder);
  let runs = 0;
  for await (const _ of folderChanges(root, { signal, quietMs, onError })) {
    runs += 1;
    try {
      const summary = await index.update(root, options);
      const { added, changed, removed } = summary.files;
      if (runs === 1 || added + changed + removed > 0) onUpdate?.(summary);
    } catch (error) {
      if (runs === 1) throw error;
      if (!signal.aborted) onError?.(error);
    }
  }
}
